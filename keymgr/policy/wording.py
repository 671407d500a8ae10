"""How decisions speak: plain words for lists, lengths of time, people and likely misspellings."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from keymgr.policy.model import Asker, OwnerKind

SHOWN_NAMES_MAX = 8
SHOWN_NAME_LENGTH_MAX = 64
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class Voice:
    """Whom a sentence speaks to or about: `you` for a person, the account's name for a service account."""

    subject: str
    have: str
    be: str
    hold: str


YOU = Voice("you", "have", "are", "hold")


def voice_of(asker: Asker) -> Voice:
    """Return the words for this asker; a service account is named, because the reader is not the account."""
    if asker.kind is OwnerKind.USER:
        return YOU
    return Voice(asker.id.partition(":")[2] or asker.id, "has", "is", "holds")


def any_of(names: Iterable[str]) -> str:
    """Join names as `a, b or c`."""
    return _join(names, "or")


def all_of(names: Iterable[str]) -> str:
    """Join names as `a, b and c`."""
    return _join(names, "and")


def span(seconds: int) -> str:
    """Write a length of time in whole words, such as `90 days` or `1 day and 1 second`."""
    parts = []
    for unit, size in _UNITS:
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount} {unit}" if amount == 1 else f"{amount} {unit}s")
    return all_of(parts) or "0 seconds"


def count(amount: int, noun: str) -> str:
    """Write a number of things with the noun in its right form, such as `1 key` or `2 keys`."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def shown(text: str) -> str:
    """Shorten what somebody typed, so that a sentence stays a sentence."""
    return text if len(text) <= SHOWN_NAME_LENGTH_MAX else text[: SHOWN_NAME_LENGTH_MAX - 1] + "…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the rest of an error sentence: the nearest known word, or the words there are."""
    choices = sorted(known)
    close = get_close_matches(word[:SHOWN_NAME_LENGTH_MAX], choices, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"There is {all_of(choices)}." if choices else "There is none yet."


def _join(names: Iterable[str], word: str) -> str:
    listed = list(names)
    if len(listed) > SHOWN_NAMES_MAX:
        listed = [*listed[: SHOWN_NAMES_MAX - 1], f"{len(listed) - SHOWN_NAMES_MAX + 1} more"]
        word = "and"
    if len(listed) < 2:  # noqa: PLR2004 - joining needs two.
        return "".join(listed)
    return f"{', '.join(listed[:-1])} {word} {listed[-1]}"
