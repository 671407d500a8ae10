"""Heads of HTTP answers as bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from keymgr.cli.loop_request import Refusal

_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_FORBIDDEN = str.maketrans(dict.fromkeys("\r\n\0"))
BODILESS = frozenset({HTTPStatus.NO_CONTENT.value, HTTPStatus.NOT_MODIFIED.value})


class BadHeaderError(Exception):
    """An application wants to send a header that HTTP cannot carry."""


@dataclass(slots=True)
class Clock:
    """The Date field, made once a second."""

    line: str = ""

    def tick(self) -> None:
        """Read the time."""
        self.line = f"Date: {formatdate(usegmt=True)}\r\n"


def status_line(status: int) -> str:
    """Return a status with its phrase, such as `404 Not Found`."""
    return _PHRASES.get(status) or f"{status} Unknown"


def head(status: str, fields: Iterable[tuple[str, str]], clock: Clock, *, keep: str) -> bytes:
    """Write the head of an answer; `keep` is the Connection field's line, or nothing where the version says it."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
    return f"HTTP/1.1 {status}\r\n{clock.line}{keep}{lines}\r\n".encode("latin-1")


def connection_line(version: str, *, keep_alive: bool) -> str:
    """Return the Connection field where the version does not already say what happens (RFC 9112 section 9.3)."""
    if not keep_alive:
        return "Connection: close\r\n"
    return "" if version == "1.1" else "Connection: keep-alive\r\n"


def checked(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return an application's header fields; raises `BadHeaderError` when one would be read as two."""
    found = list(fields)
    for name, value in found:
        if name.translate(_FORBIDDEN) != name or value.translate(_FORBIDDEN) != value:
            raise BadHeaderError(f"The header field {name[:40]!r} has a line break in it.")
    return found


def refusal(why: Refusal, clock: Clock) -> bytes:
    """Write the whole answer to a request that is not looked at."""
    body = f"{why.sentence}\n".encode()
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    if why.status == HTTPStatus.SERVICE_UNAVAILABLE:
        fields.append(("Retry-After", "2"))
    return head(status_line(why.status), fields, clock, keep="Connection: close\r\n") + body
