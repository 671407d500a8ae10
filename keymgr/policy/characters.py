"""Characters that have no business in a policy file, because a reviewer does not see them or sees something else."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_FORBIDDEN = re.compile(
    "["
    "\x00-\x09\x0b-\x1f\x7f-\x9f"  # Controls, tabs among them; only the line feed stays.
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # Drawn as nothing, or turning the direction of text.
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # Zero-width, line separators, bidirectional controls.
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"  # Fillers, variation selectors, byte order mark, non-characters.
    "\ud800-\udfff"  # Halves of surrogate pairs, which an escape can smuggle in.
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # Shorthand, musical and tag controls.
    "]"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A forbidden character: its offset, its name as people write it, and how often it occurs."""

    offset: int
    character: str
    times: int

    @property
    def name(self) -> str:
        """Return code point and Unicode name, such as `U+200B ZERO WIDTH SPACE`."""
        return spell(self.character)


def spell(character: str) -> str:
    """Return code point and Unicode name of one character."""
    name = unicodedata.name(character, "CONTROL CHARACTER")
    return f"U+{ord(character):04X} {name}"


def first_forbidden(text: str) -> str | None:
    """Return the first forbidden character of `text`, None when there is none."""
    match = _FORBIDDEN.search(text)
    return match.group() if match else None


def forbidden(text: str) -> Iterator[Found]:
    """Yield each distinct forbidden character once, at its first place."""
    first: dict[str, int] = {}
    times: dict[str, int] = {}
    for match in _FORBIDDEN.finditer(text):
        character = match.group()
        first.setdefault(character, match.start())
        times[character] = times.get(character, 0) + 1
    return (Found(offset, character, times[character]) for character, offset in first.items())


def look_alikes(text: str) -> str | None:
    """Return words that name the first character outside ASCII, None for plain text: it may only look like a letter."""
    odd = next((character for character in text if not character.isascii()), None)
    return None if odd is None else f'"{odd}" is {spell(odd)}, not a plain letter'
