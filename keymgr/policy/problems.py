"""What is wrong with policy files, said once: a code, the exact place, whole words, and what to do next.

Codes: E1xx the file cannot be read, E2xx a document has the wrong shape, E3xx documents do not fit together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from keymgr.policy.model import Source


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. Problems sort by place; `line` and `column` count from 1."""

    code: str
    file: str
    line: int
    column: int
    message: str
    remedy: str

    def __lt__(self, other: "Problem") -> bool:
        return self.sort_key < other.sort_key

    def __str__(self) -> str:
        line = f"{self.file}:{self.line}:{self.column}: {self.code} {self.message} ({self.remedy})"
        return line.replace("\n", "\\n")

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """Place first, so that a list of problems reads like the files do."""
        return (self.file, self.line, self.column, self.code, self.message)


Problems = tuple[Problem, ...]
_SHOWN_MAX = 80


def at(source: Source, code: str, message: str, remedy: str) -> Problem:
    """Return the problem `code` at the place `source`."""
    return Problem(code, source.file, source.line, source.column, message, remedy)


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return the remedy for a misspelt word: the valid word nearest to it, or the valid words."""
    known = sorted(valid)
    by_lower = {each.lower(): each for each in known}
    close = get_close_matches(shown(word.lower()), by_lower, n=1)
    if close:
        return f'did you mean "{by_lower[close[0]]}"?'
    return f"valid here: {', '.join(known)}" if known else "nothing of this kind is declared"


def shown(value: object) -> str:
    """Return a value short enough for a message."""
    text = str(value)
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"
