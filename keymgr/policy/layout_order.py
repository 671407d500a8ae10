"""Puts the four parts of each document in one order; comments travel with the part below them."""

import re
from itertools import pairwise

_ORDER = ("apiVersion", "kind", "metadata", "spec")
_KEY = re.compile(r"""["']?([A-Za-z]\w*)["']?:""", re.ASCII)
_SEPARATOR = re.compile(r"---(?: |$)")


def in_order(text: str) -> str:
    """Return a text that is laid out already with the parts of each document in order."""
    documents: list[list[str]] = [[]]
    for line in text.splitlines():
        if _SEPARATOR.match(line):
            documents.append([])
        documents[-1].append(line)
    return "".join(f"{line}\n" for document in documents for line in _document(document))


def _document(lines: list[str]) -> list[str]:
    """Return the lines of one document; what is above the first part and below the last one stays there."""
    starts = [number for number, line in enumerate(lines) if _KEY.match(line)]
    if not starts:
        return lines
    end = max(number for number, line in enumerate(lines) if not _floats(line)) + 1
    bounds = [starts[0], *(_with_comments(lines, start) for start in starts[1:]), end]
    parts = [lines[start:stop] for start, stop in pairwise(bounds)]
    ordered = sorted(zip(starts, parts, strict=True), key=lambda each: _rank(lines[each[0]]))
    body = [line for _, part in ordered for line in part]
    return [*lines[: starts[0]], *_squeezed(body), *lines[end:]]


def _floats(line: str) -> bool:
    """Tell whether a line is a comment at the margin or blank, and so belongs to what is below it."""
    return not line or line.startswith("#")


def _with_comments(lines: list[str], start: int) -> int:
    while _floats(lines[start - 1]):
        start -= 1
    return start


def _rank(line: str) -> int:
    match = _KEY.match(line)
    name = match.group(1) if match else ""
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _squeezed(lines: list[str]) -> list[str]:
    """Return lines without blank ones at the start."""
    first = next(number for number, line in enumerate(lines) if line)
    return lines[first:]
