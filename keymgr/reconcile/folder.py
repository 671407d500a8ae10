"""Reads a policy folder: every file in it, or what keeps it from being one; nothing is ignored silently."""

import os
from collections.abc import Iterator
from pathlib import Path

from keymgr.policy.characters import first_forbidden
from keymgr.policy.problems import Problem, Problems
from keymgr.policy.yaml_text import BYTES_MAX

ENDINGS = (".yaml", ".yml")
FOR_PEOPLE = frozenset({"README.md", "CODEOWNERS"})
_REPOSITORY = ".git"


def read_folder(path: Path | str) -> dict[str, bytes] | Problems:
    """Return the policy files below `path` by their path inside it, or every problem with the folder.

    The folder may be a repository of its own: a `.git` at its top is the one thing that is passed over. Of a file
    beyond the size limit only so much is read that the loader refuses it. Never raises for what it finds.
    """
    found = tuple(_walk(Path(path)))
    problems = tuple(sorted(each for each in found if isinstance(each, Problem)))
    files = dict(each for each in found if not isinstance(each, Problem))
    if not found:
        message, remedy = "there are no policy files here", "point at the folder that holds the policy"
        return (Problem("E123", ".", 1, 1, message, remedy),)
    return problems or files


def _walk(root: Path) -> Iterator[tuple[str, bytes] | Problem]:
    """Yield each policy file, or what is wrong with an entry; folders wait in a list, however deep they lie."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            yield _unreadable(folder, error)
            continue
        for entry in entries:
            inside = f"{folder}/{entry.name}" if folder else entry.name
            refused = _refused(entry, inside)
            if refused is not None:
                yield refused
            elif entry.is_dir(follow_symlinks=False):
                folders.extend([] if inside == _REPOSITORY else [inside])
            elif entry.name.endswith(ENDINGS):
                yield _read(root, inside)


def _refused(entry: "os.DirEntry[str]", inside: str) -> Problem | None:
    """Return why an entry may not be in the folder, None when it may."""
    file = _printable(inside)
    is_folder = entry.is_dir(follow_symlinks=False)
    if _has_odd_characters(entry.name):
        return Problem("E122", file, 1, 1, "the name holds characters that cannot be seen", "rename it")
    if entry.is_symlink():
        return Problem("E121", file, 1, 1, "this is a symbolic link", "put the file itself here")
    if is_folder and entry.name.endswith(ENDINGS):
        return Problem("E124", file, 1, 1, "this is a folder with the name of a file", "rename it")
    if is_folder or inside == _REPOSITORY:
        return None
    if not entry.is_file(follow_symlinks=False):
        return Problem("E124", file, 1, 1, "this is neither a file nor a folder", "remove it")
    if entry.name.endswith(ENDINGS) or entry.name in FOR_PEOPLE:
        return None
    remedy = "only .yaml, .yml, README.md and CODEOWNERS belong here; rename or move it"
    return Problem("E122", file, 1, 1, "this file would be ignored", remedy)


def _read(root: Path, inside: str) -> tuple[str, bytes] | Problem:
    try:
        with (root / inside).open("rb") as file:
            return inside, file.read(BYTES_MAX + 1)
    except OSError as error:
        return _unreadable(inside, error)


def _unreadable(inside: str, error: OSError) -> Problem:
    file, reason = _printable(inside) or ".", (error.strerror or "error").lower()
    if not inside:
        return Problem("E120", file, 1, 1, f"the policy folder cannot be read: {reason}", "check the path")
    return Problem("E124", file, 1, 1, f"this cannot be read: {reason}", "check who may read it")


def _printable(name: str) -> str:
    """Return a path that any terminal and any JSON reader can take."""
    return ascii(name)[1:-1] if _has_odd_characters(name) else name


def _has_odd_characters(name: str) -> bool:
    return "\n" in name or first_forbidden(name) is not None
