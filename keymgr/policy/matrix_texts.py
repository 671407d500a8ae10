"""Writes texts that fit a pattern of a condition, out of the small language that `patterns` allows."""

import re
import string
from functools import lru_cache
from itertools import product

from keymgr.policy.patterns import fits

_ITEM = re.compile(
    r"(?P<character>\\.|\[\^?(?:[^\\\]]|\\.)+\]|[^\\\[\](){}])(?P<repeat>[*+?]|\{[0-9]+(?:,[0-9]*)?\})?", re.ASCII
)
_PART = re.compile(rf"\((?:\?:)?(?P<group>(?:\\.|\[\^?(?:[^\\\]]|\\.)+\]|[^)\\\[])*)\)|{_ITEM.pattern}", re.ASCII)
_SPLIT = re.compile(r"((?:\\.|\[\^?(?:[^\\\]]|\\.)+\]|[^|\\\[])+)", re.ASCII)
_CHARACTERS = f"{string.digits}{string.ascii_letters}-_./ {string.punctuation}"
_SAMPLES_MAX = 64


@lru_cache(maxsize=256)
def samples(pattern: str) -> tuple[str, ...]:
    """Return texts that fit the pattern, short ones first; alternatives and one longer form are tried as well."""
    parts = [_choices(match) for match in _PART.finditer(_inner(pattern))]
    found = ("".join(choice) for choice, _ in zip(product(*parts), range(_SAMPLES_MAX), strict=False))
    return tuple(dict.fromkeys(text for text in found if fits(pattern, text)))


def _inner(pattern: str) -> str:
    inner = pattern.removeprefix("^")
    escaped = inner.endswith(r"\$") and not inner.endswith(r"\\$")
    return inner if escaped else inner.removesuffix("$")


def _choices(match: re.Match[str]) -> list[str]:
    if match["group"] is None:
        return _repeated(match)
    alternatives = _SPLIT.findall(match["group"])
    return ["".join(_repeated(item)[0] for item in _ITEM.finditer(each)) for each in alternatives]


def _repeated(match: re.Match[str]) -> list[str]:
    characters = [each for each in _CHARACTERS if re.fullmatch(match["character"], each, re.ASCII)]
    if not characters:
        # A plain character beyond ASCII stands for itself.
        characters = [match["character"][-1]]
    least, most = _times(match["repeat"])
    shortest = characters[0] * least
    longer = characters[-1] * (least + 1)
    return [shortest, longer] if most > least else [shortest, *([characters[-1] * least] if least else [])]


def _times(repeat: str | None) -> tuple[int, int]:
    if repeat is None:
        return 1, 1
    if repeat[0] in "*+?":
        return (1, 2) if repeat == "+" else (0, 1)
    least, comma, most = repeat[1:-1].partition(",")
    if not comma:
        return int(least), int(least)
    return int(least), int(most) if most else int(least) + 1
