"""The one canonical layout of policy files: what `keymgr policy fmt` writes. Comments stay with what they belong to.

Two spaces a level, lists indented below their key, one space where one is needed, no more than one blank line,
double quotes, and apiVersion, kind, metadata, spec in this order. Words, numbers and the order of lists never change.
"""

from itertools import pairwise

from keymgr.policy.layout_order import in_order
from keymgr.policy.layout_pieces import Piece, UnusualError, pieces
from keymgr.policy.plain_data import plain_data
from keymgr.policy.problems import Problems
from keymgr.policy.yaml_reader import read_yaml
from keymgr.policy.yaml_text import decode


def canonical(content: bytes) -> bytes:
    """Return a policy file in the canonical layout.

    A file that does not load, or whose meaning a new layout would change, is returned as it is.
    """
    text = decode("", content)
    if not isinstance(text, str):
        return content
    before = _meaning(content)
    if isinstance(before, tuple):
        return content
    try:
        found = laid_out(text).encode()
    except UnusualError:
        return content
    return found if _meaning(found) == before else content


def laid_out(text: str) -> str:
    """Return a text that is known to load in the canonical layout; raises `UnusualError`."""
    return in_order(_printed(text))


def _meaning(content: bytes) -> list[object] | Problems:
    """Return the plain data of every document, or what is wrong with the file."""
    parsed = read_yaml("", content)
    return parsed.problems or [plain_data("", node).data for node in parsed.documents]


def _printed(text: str) -> str:
    found = list(pieces(text))
    if found[0].is_document_edge and not found[1].gap.partition("\n")[0].strip(" "):
        # The mark before the first document says nothing; the comments around it become one head.
        first, second, *rest = found
        gap = f"{first.gap}{second.gap.partition(chr(10))[2]}"
        found = [Piece(gap, second.text, second.column, second.indent, (), second.space_before), *rest]
    out = [_head(found[0]), found[0].text]
    for before, piece in pairwise(found):
        out += [_between(before, piece), piece.text]
    return f"{''.join(out).rstrip(' ' + chr(10))}\n"


def _head(piece: Piece) -> str:
    """Return the lines above the first piece."""
    lines = _comments(piece, piece.gap.split("\n")[:-1])
    return "".join(f"{line}\n" for line in _squeezed(lines, at_start=True, at_end=piece.is_document_edge))


def _between(before: Piece, piece: Piece) -> str:
    """Return what stands between two pieces: a space or none on one line, else the comments and the indent."""
    if "\n" not in piece.gap:
        return " " if piece.space_before else ""
    tail, *lines, _ = piece.gap.split("\n")
    kept = _squeezed(_comments(piece, lines), at_start=before.is_document_edge, at_end=piece.is_document_edge)
    return "\n".join([tail.rstrip(" "), *kept, " " * piece.indent])


def _comments(piece: Piece, lines: list[str]) -> list[str]:
    """Return comment lines in the column of what they belong to, and blank lines empty."""
    return [f"{' ' * _column(piece, line)}{line.strip(' ')}" if line.strip(" ") else "" for line in lines]


def _column(piece: Piece, comment: str) -> int:
    """Return the column of a comment: of what follows it, unless it stands deeper, then of what it ends."""
    column = len(comment) - len(comment.lstrip(" "))
    if column <= piece.column:
        return piece.indent
    around = [level.new for level in piece.levels if level.old <= column]
    return max([piece.indent, *around[-1:]])


def _squeezed(lines: list[str], *, at_start: bool, at_end: bool) -> list[str]:
    """Return lines with no more than one blank one in a row, and none at the edge of a document."""
    kept: list[str] = []
    for line in lines:
        if line or (kept[-1:] != [""] and (kept or not at_start)):
            kept.append(line)
    return kept[:-1] if at_end and kept[-1:] == [""] else kept
