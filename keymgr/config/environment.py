"""Where settings come from: the process environment, over an optional env file, with secrets also from files."""

import difflib
import re
from collections.abc import Collection, Mapping
from pathlib import Path

ENV_FILE = "KEYMGR_ENV_FILE"
_PREFIX = "KEYMGR_"
# Kubernetes adds the first ones by itself beside a Service called keymgr; the last are a service's own verifier's.
_NOT_OURS = re.compile(r"KEYMGR_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?|VERIFIER_\w+)")
_LINE = re.compile(r"(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)")


class BadSettings(Exception):  # noqa: N818 - reads as what it says: `except BadSettings`.
    """Settings are wrong; `problems` has one line for each, naming the variable, what is wrong and what to write."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def gather(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    """Return our variables: those of the env file with those of the environment over them."""
    ours = {
        name: value for name, value in environ.items() if name.startswith(_PREFIX) and not _NOT_OURS.fullmatch(name)
    }
    env_file = ours.pop(ENV_FILE, "")
    return (_read_env_file(Path(env_file), problems) if env_file else {}) | ours


def secret_from_file(found: dict[str, str], name: str, problems: list[str]) -> None:
    """Replace NAME_FILE by NAME with the file's text; both at once, or a file that cannot be read, is a problem."""
    file_name = f"{name}_FILE"
    if file_name not in found:
        return
    file = Path(found.pop(file_name))
    if name in found:
        problems.append(f"{name} and {file_name} are both set; keep one of them.")
        return
    text = _read(file, file_name, problems)
    if text is not None:
        found[name] = text.strip()


def files_with_secrets(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the env file and the files that secrets are read from, for whoever checks who may read them."""
    found = gather(environ, [])
    named = [value for name, value in found.items() if name.endswith("_FILE")]
    return tuple(Path(text) for text in (environ.get(ENV_FILE, ""), *named) if text)


def name_unknown(found: Collection[str], known: Collection[str], problems: list[str]) -> None:
    """Complain of each variable of ours that means nothing, naming the nearest one that does."""
    for name in sorted(set(found) - set(known)):
        nearest = difflib.get_close_matches(name, known, n=1)
        mend = f"did you mean {nearest[0]}?" if nearest else "remove it, or look in docs/settings.md."
        problems.append(f"{name} is not a setting; {mend}")


def _read_env_file(file: Path, problems: list[str]) -> dict[str, str]:
    """Read KEY=VALUE lines: nothing is expanded, quotes around a value are taken off, # starts a comment line."""
    found: dict[str, str] = {}
    for number, raw in enumerate((_read(file, ENV_FILE, problems) or "").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            problems.append(f"{file}:{number}: is not a line KEY=VALUE; write for example KEYMGR_BIND=127.0.0.1:8000.")
        elif match[1] in found:
            problems.append(f"{file}:{number}: {match[1]} is set twice; keep one of them.")
        else:
            found[match[1]] = _unquoted(match[2].strip())
    return {name: value for name, value in found.items() if name.startswith(_PREFIX)}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _read(file: Path, name: str, problems: list[str]) -> str | None:
    """Return the file's text; a file that cannot be read is a problem, and None."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(f"{name}: {file} cannot be read ({why}); check the path and who may read it.")
        return None
