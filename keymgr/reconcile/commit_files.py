"""Reads a policy folder out of a commit instead of the disk: what was reviewed, without links, filters and edits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import fsdecode
from pathlib import Path

from keymgr.policy.problems import Problem, Problems
from keymgr.policy.yaml_text import BYTES_MAX
from keymgr.reconcile.folder import is_policy_file, refused_file
from keymgr.reconcile.git import ask

_LINK = "120000"
_PLAIN = frozenset({"100644", "100755"})


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    object_id: str
    size: int
    path: str


def files_of_commit(folder: Path | str, sha: str) -> dict[str, bytes] | Problems | None:
    """Return the policy files that the commit holds below the folder, or every problem with them.

    An empty answer means that the commit knows nothing of the folder; None that git cannot say. Of a file beyond the
    size limit only so much is made up that the loader refuses it.
    """
    listed = ask(folder, "ls-tree", "-r", "-z", "-l", sha)
    if listed is None or listed.code:
        return None
    entries = tuple(_entries(listed.output))
    problems = tuple(sorted(each for each in map(_refused, entries) if each))
    if problems:
        return problems
    wanted = [entry for entry in entries if is_policy_file(entry.path)]
    small = _contents(folder, [entry.object_id for entry in wanted if entry.size <= BYTES_MAX])
    if small is None:
        return None
    return {entry.path: small.get(entry.object_id, b"#" * (BYTES_MAX + 1)) for entry in wanted}


def _entries(listed: bytes) -> Iterator[_Entry]:
    for line in listed.split(b"\0")[:-1]:
        facts, _, path = line.partition(b"\t")
        mode, _, object_id, size = facts.decode().split()
        yield _Entry(mode, object_id, int(size) if size.isdecimal() else 0, fsdecode(path))


def _refused(entry: _Entry) -> Problem | None:
    return refused_file(entry.path, is_link=entry.mode == _LINK, is_plain=entry.mode in _PLAIN)


def _contents(folder: Path | str, object_ids: Iterable[str]) -> dict[str, bytes] | None:
    """Return what the objects hold; None when one is missing, as in a clone that fetches files only when asked."""
    wanted = sorted({*object_ids})
    answer = ask(folder, "cat-file", "--batch", given="".join(f"{each}\n" for each in wanted).encode())
    if answer is None or answer.code:
        return None
    found: dict[str, bytes] = {}
    rest = answer.output
    for object_id in wanted:
        head, _, rest = rest.partition(b"\n")
        words = head.split()
        if len(words) != 3:  # noqa: PLR2004 - id, type and size; a missing object has no size.
            return None
        size = int(words[2])
        found[object_id], rest = rest[:size], rest[size + 1 :]
    return found
