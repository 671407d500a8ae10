"""Cuts a YAML text into its written pieces and the gaps between them, and knows the column each piece belongs in.

Nothing is parsed into values here: every character of the text is in exactly one piece or gap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

STEP = 2
_OPENING = (yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)
_CLOSING = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
_HUGGING_WHAT_IS_BEFORE = (*_CLOSING, yaml.FlowEntryToken, yaml.ValueToken)


class UnusualError(Exception):
    """The text uses something that nobody writes in policies, so its layout is left alone."""


@dataclass(frozen=True, slots=True)
class Level:
    """A block collection that is open: the column its entries stand in, and the one they belong in."""

    old: int
    new: int
    is_sequence: bool
    is_indentless: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Something written, with the gap before it.

    `column` is where it stands and `indent` where it belongs when it begins a line. `levels` were open at the end of
    the piece before, so that a comment in the gap finds what it belongs to.
    """

    gap: str
    text: str
    column: int
    indent: int
    levels: tuple[Level, ...]
    space_before: bool
    is_document_edge: bool = False


def pieces(text: str) -> Iterator[Piece]:
    """Yield the pieces of a text that is known to load, the last one empty; raises `UnusualError`."""
    loader: Any = yaml.SafeLoader(text)
    cutter = _Cutter(text)
    try:
        while loader.check_token():
            yield from cutter.take(loader.get_token())
    finally:
        loader.dispose()


class _Cutter:
    """Follows the tokens of one text and keeps account of what is open."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 0
        self.levels: list[Level] = []
        self.levels_before: tuple[Level, ...] = ()
        self.depth = 0
        self.before: Any = None
        self.is_key = False

    @property
    def base(self) -> int:
        """The column of the entries of the innermost collection."""
        return self.levels[-1].new if self.levels else 0

    def take(self, token: Any) -> Iterator[Piece]:  # noqa: ANN401 - PyYAML's tokens carry no types of their own.
        """Take note of a token and yield its piece, if it is one that is written."""
        start, end = token.start_mark.index, token.end_mark.index
        if isinstance(token, yaml.DocumentEndToken) or (isinstance(token, yaml.KeyToken) and end > start):
            raise UnusualError
        self._follow(token)
        if isinstance(token, yaml.KeyToken):
            self.is_key = True
        elif end > start or isinstance(token, yaml.StreamEndToken):
            written = self._written(token, start, end)
            gap, self.end = self.text[self.end : start], start + len(written)
            laid_out = self._laid_out(token, written)
            edge = isinstance(token, (yaml.DocumentStartToken, yaml.StreamEndToken))
            yield Piece(
                gap,
                laid_out,
                token.start_mark.column,
                self._indent(token),
                self.levels_before,
                self._spaced(token),
                edge,
            )
            self.levels_before, self.before, self.is_key = tuple(self.levels), token, False

    def _follow(self, token: Any) -> None:  # noqa: ANN401 - as above.
        """Open and close collections."""
        column = token.start_mark.column
        if isinstance(token, (yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken)):
            self._open(column, is_sequence=isinstance(token, yaml.BlockSequenceStartToken))
        elif isinstance(token, yaml.BlockEntryToken) and not self.levels[-1].is_sequence:
            self._open(column, is_sequence=True, is_indentless=True)
        elif isinstance(token, yaml.BlockEndToken) or (isinstance(token, yaml.KeyToken) and not self.depth):
            self._close_indentless()
            if isinstance(token, yaml.BlockEndToken):
                self.levels.pop()
        elif isinstance(token, _OPENING):
            self.depth += 1
        elif isinstance(token, _CLOSING):
            self.depth -= 1

    def _open(self, column: int, *, is_sequence: bool, is_indentless: bool = False) -> None:
        new = self.base + STEP if self.levels else 0
        self.levels.append(Level(column, new, is_sequence, is_indentless))

    def _close_indentless(self) -> None:
        if self.levels[-1].is_indentless:
            self.levels.pop()

    def _indent(self, token: Any) -> int:  # noqa: ANN401 - as above.
        """Return the column of a piece that begins a line."""
        if isinstance(token, (yaml.DocumentStartToken, yaml.StreamEndToken)):
            return 0
        if isinstance(token, _CLOSING):
            return self.base + STEP * (self.depth + 1)
        inside = self.depth - isinstance(token, _OPENING)
        if inside:
            return self.base + STEP * (inside + 1)
        is_entry = isinstance(token, yaml.BlockEntryToken) or self.is_key
        return self.base if is_entry or not self.levels else self.base + STEP

    def _spaced(self, token: Any) -> bool:  # noqa: ANN401 - as above.
        return not isinstance(token, _HUGGING_WHAT_IS_BEFORE) and not isinstance(self.before, _OPENING)

    def _written(self, token: Any, start: int, end: int) -> str:  # noqa: ANN401 - as above.
        """Return the text of a token; blank lines after a block scalar that mean nothing belong to the gap."""
        text = self.text[start:end]
        if getattr(token, "style", None) not in ("|", ">"):
            return text
        keeps = "+" in text.partition("\n")[0].partition("#")[0]
        return text.removesuffix("\n") if keeps else text.rstrip(" \n")

    def _laid_out(self, token: Any, text: str) -> str:  # noqa: ANN401 - as above.
        style = getattr(token, "style", None)
        if style in ("|", ">"):
            return self._block_scalar(text)
        if "\n" in text:
            first, *rest = text.split("\n")
            indent = " " * max(self._indent(token), self.base + STEP)
            return "\n".join([first, *(f"{indent}{line.lstrip(' ')}" if line.strip(" ") else "" for line in rest)])
        if style == "'" and not set("'\"\\") & set(text[1:-1]):
            return f'"{text[1:-1]}"'
        return text

    def _block_scalar(self, text: str) -> str:
        """Return a block scalar with all its lines moved by the same distance."""
        header, *lines = text.split("\n")
        indicator = header.partition("#")[0]
        digit = next((int(letter) for letter in indicator if letter.isdigit()), None)
        if digit is None:
            old = next((len(line) - len(line.lstrip(" ")) for line in lines if line.strip(" ")), 0)
            new = self.base + STEP
        else:
            own = [level for level in self.levels if not level.is_indentless]
            old, new = (own[-1].old if own else 0) + digit, self.base + digit
        moved = (f"{' ' * new}{line[old:]}" if len(line) > old else "" for line in lines)
        return "\n".join([header.rstrip(" "), *moved])
