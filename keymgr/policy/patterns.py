r"""Patterns that policy may match texts against: a small subset of regular expressions that cannot run away.

A pattern is a sequence of characters, classes such as `[A-Z0-9]`, `.`, `\d`, `\w` and one level of `(A|B)`,
each part at most once followed by `?`, `*`, `+` or `{m,n}`, groups not at all. At most `PARTS_OF_MANY_LENGTHS_MAX`
parts may have more than one length and a text is at most `TEXT_LENGTH_MAX` long, so the work is bounded for any input.
A pattern always has to fit the whole text; `^` and `$` around it are allowed and change nothing.
"""

import re
from functools import lru_cache
from math import prod

PATTERN_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 200
PARTS_OF_MANY_LENGTHS_MAX = 3
ALTERNATIVES_MAX = 16

_CHARACTER = (
    r"(?:[^\\\[\](){}.*+?|^$\x00-\x1f]|\\[dws.\\\[\](){}*+?|^$/-]|\.|\[\^?(?:[^\\\[\]^&~|-]|-(?!-)|\\[dws\\\[\]^-])+\])"
)
_REPEAT = r"(?:[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})"
_ITEM = rf"{_CHARACTER}{_REPEAT}?"
_GROUP = rf"\((?:\?:)?(?:{_ITEM})+(?:\|(?:{_ITEM})+)*\)"
_PATTERN = re.compile(rf"\^?(?:{_ITEM}|{_GROUP})+\$?", re.ASCII)
_PLAIN_CHARACTER = re.compile(r"\\.|\[\^?(?:[^\\\]]|\\.)+\]|\(\?:", re.ASCII)
_GROUPS = re.compile(r"\([^)]*\)")
_MANY_LENGTHS = re.compile(r"[*+?]|\{[0-9]+,[0-9]*\}", re.ASCII)


def pattern_fault(pattern: str) -> str | None:
    """Return what is wrong with a pattern as a sentence, None when it may be used."""
    if len(pattern) > PATTERN_LENGTH_MAX:
        return f"The pattern has {len(pattern)} characters; at most {PATTERN_LENGTH_MAX} are allowed."
    if _PATTERN.fullmatch(pattern) is None:
        return "The pattern uses more than characters, classes, repeats and one level of (A|B); write it simpler."
    bare = _PLAIN_CHARACTER.sub("x", pattern)
    if len(_MANY_LENGTHS.findall(bare)) > PARTS_OF_MANY_LENGTHS_MAX:
        return f"At most {PARTS_OF_MANY_LENGTHS_MAX} parts of a pattern may repeat with different lengths."
    if prod(group.count("|") + 1 for group in _GROUPS.findall(bare)) > ALTERNATIVES_MAX:
        return f"A pattern may offer at most {ALTERNATIVES_MAX} alternatives, all groups multiplied."
    return _compile_fault(pattern)


def fits(pattern: str, text: str) -> bool:
    """Tell whether the whole text fits the pattern; False for a pattern that may not be used or a text too long."""
    compiled = _compiled(pattern)
    return compiled is not None and len(text) <= TEXT_LENGTH_MAX and compiled.fullmatch(text) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    return None if pattern_fault(pattern) else re.compile(pattern, re.ASCII)


def _compile_fault(pattern: str) -> str | None:
    try:
        re.compile(pattern, re.ASCII)
    except re.error as error:
        return f"The pattern cannot be read: {error.msg}."
    return None
