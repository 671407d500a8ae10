"""How log lines are written: one line for each event on stderr, as text or JSON, whatever a client put into it."""

import json
import logging
import sys
from datetime import UTC, datetime


class _OneLine(logging.Formatter):
    """Text for people; control characters are escaped, so that nobody can forge a second line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write moment, level, logger and message, then a traceback when there is one."""
        line = f"{_moment(record)} {record.levelname} {record.name}: {_printable(record.getMessage())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """One JSON object for each event, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the same four parts, and a traceback as one string."""
        event = {
            "at": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event)


class _Stderr(logging.Handler):
    """Writes to whatever stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event; logging itself keeps threads apart."""
        sys.stderr.write(self.format(record) + "\n")
        sys.stderr.flush()


def speak(log_format: str) -> None:
    """Send this process's log to stderr in the chosen format; a second call replaces the first."""
    handler = _Stderr()
    handler.setFormatter(JsonLines() if log_format == "json" else _OneLine())
    root = logging.getLogger()
    root.handlers[:] = [handler, *(other for other in root.handlers if not isinstance(other, _Stderr))]
    logging.getLogger("keymgr").setLevel(logging.INFO)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
