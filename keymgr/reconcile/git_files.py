"""Reads a policy folder out of a commit, never out of the work tree: no links, no filters, no half-saved files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from keymgr.policy.characters import first_forbidden
from keymgr.policy.problems import Problem, Problems
from keymgr.policy.yaml_text import BYTES_MAX
from keymgr.reconcile.folder import ENDINGS, FOR_PEOPLE
from keymgr.reconcile.git import ask

_FILE_MODES = frozenset({"100644", "100755"})
_LINK_MODE = "120000"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a tree; `size` is that of a file."""

    mode: str
    sha: str
    size: int
    name: str


def files_at(path: Path | str, ref: str) -> dict[str, bytes] | Problems:
    """Return the policy files that the folder at `path` holds in the commit `ref`, or every problem with them.

    The same rules as for a folder: nothing is ignored silently, and no files at all is a problem.
    """
    here = ask(path, "rev-parse", "--is-inside-work-tree")
    if here is None or here.code:
        return _refused("E120", ref, "there is no git repository here", "run it in one, or name a folder as the base")
    commit = ask(path, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if commit is None or commit.code:
        return _refused("E120", ref, "git knows no such commit", "fetch it, or name a folder as the base")
    return files_of(path, ref, commit.text)


def files_of(path: Path | str, ref: str, tree_name: str) -> dict[str, bytes] | Problems:
    """Return the policy files of a tree, or every problem with them; `ref` is what the problems call it."""
    tree = ask(path, "ls-tree", "-r", "-z", "-l", tree_name)
    if tree is None or tree.code:
        return _refused("E124", ref, "the files of this commit cannot be listed", "fetch the commit as a whole")
    entries = tuple(_entries(tree.output))
    problems = tuple(sorted(problem for entry in entries if (problem := _problem(entry))))
    if problems or not entries:
        return problems or _refused("E123", ref, "there are no policy files in this commit", "name another commit")
    return _contents(path, ref, [entry for entry in entries if entry.name.endswith(ENDINGS)])


def _entries(output: bytes) -> Iterator[_Entry]:
    for line in output.decode(errors="surrogateescape").split("\0")[:-1]:
        words, _, name = line.partition("\t")
        mode, _kind, sha, size = words.split()
        yield _Entry(mode, sha, int(size) if size.isdecimal() else 0, name)


def _problem(entry: _Entry) -> Problem | None:
    """Return why an entry may not be in the folder, None when it may."""
    name = PurePosixPath(entry.name).name
    odd = "\n" in entry.name or first_forbidden(entry.name) is not None
    file = ascii(entry.name)[1:-1] if odd else entry.name
    if odd:
        return Problem("E122", file, 1, 1, "the name holds characters that cannot be seen", "rename it")
    if entry.mode == _LINK_MODE:
        return Problem("E121", file, 1, 1, "this is a symbolic link", "put the file itself here")
    if entry.mode not in _FILE_MODES:
        return Problem("E124", file, 1, 1, "this is neither a file nor a folder", "remove it")
    if name.endswith(ENDINGS) or name in FOR_PEOPLE:
        return None
    remedy = "only .yaml, .yml, README.md and CODEOWNERS belong here; rename or move it"
    return Problem("E122", file, 1, 1, "this file would be ignored", remedy)


def _contents(path: Path | str, ref: str, entries: list[_Entry]) -> dict[str, bytes] | Problems:
    """Read all files in one go; of a file beyond the size limit nothing is read but that it is."""
    small = [entry for entry in entries if entry.size <= BYTES_MAX]
    answer = ask(path, "cat-file", "--batch", given="".join(f"{entry.sha}\n" for entry in small).encode())
    if answer is None or answer.code:
        return _refused("E124", ref, "the files of this commit cannot be read", "fetch the commit as a whole")
    found = {entry.name: b"#" * (BYTES_MAX + 1) for entry in entries}
    start = 0
    for entry in small:
        header = answer.output.index(b"\n", start) + 1
        if not answer.output[start:header].startswith(f"{entry.sha} blob {entry.size}\n".encode()):
            return _refused("E124", ref, "the files of this commit are not all here", "fetch the commit as a whole")
        found[entry.name] = answer.output[header : header + entry.size]
        start = header + entry.size + 1
    return found


def _refused(code: str, ref: str, message: str, remedy: str) -> Problems:
    return (Problem(code, ascii(ref)[1:-1], 1, 1, message, remedy),)
