"""Where a policy comes from: the files of a commit with its label, or those of a folder that Git knows nothing of."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from keymgr.policy.problems import Problems
from keymgr.reconcile.ancestry import DIRTY, Descends, descends, no_history, resolve
from keymgr.reconcile.folder import read_folder
from keymgr.reconcile.git import Commit, ask, describe
from keymgr.reconcile.git_files import files_at

_LABEL_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Origin:
    """What to apply and what to call it. `sha` is the commit the files were read from, None for the disk.

    `descends` tells whether that commit comes after another; without history nobody can.
    """

    files: dict[str, bytes] | Problems
    label: str | None = None
    ref: str | None = None
    author: str | None = None
    sha: str | None = None
    descends: Descends = no_history


@dataclass(frozen=True, slots=True)
class NoOrigin:
    """It cannot be said which state of the policy this is; the sentence says what to do."""

    sentence: str


def find_origin(folder: Path | str, *, revision: str | None, allow_dirty: bool) -> Origin | NoOrigin:
    """Return the policy of a folder with its origin.

    In a repository the files come from the commit: `revision`, or what is checked out. There a folder with changes
    that no commit holds has no origin, unless `allow_dirty`; then they are read from the disk, and the label says so.
    """
    if not Path(folder).is_dir() or not _is_in_repository(Path(folder)):
        return Origin(read_folder(folder), revision)
    head = describe(folder)
    if head is None:
        return _without_history(folder, revision, allow_dirty=allow_dirty)
    if not head.dirty and _is_left_out(folder, head.sha):
        return Origin(read_folder(folder), revision)
    sha = head.sha if revision is None else resolve(folder, revision)
    if sha is None:
        return NoOrigin(f"This repository has no commit {revision}. Fetch it, or leave --revision out.")
    if sha == head.sha and head.dirty:
        return _changed(folder, head) if allow_dirty else NoOrigin(_dirty_sentence(head))
    ref, author = (head.ref, head.author) if sha == head.sha else (None, _author(folder, sha))
    return Origin(files_at(folder, sha), sha, ref, author, sha, partial(descends, folder, sha))


def _changed(folder: Path | str, head: Commit) -> Origin:
    """Return the folder as it is on the disk, after the commit that it was changed from."""
    label = f"{head.sha[: _LABEL_LENGTH - len(DIRTY)]}{DIRTY}"
    return Origin(read_folder(folder), label, head.ref, head.author, None, partial(descends, folder, head.sha))


def _without_history(folder: Path | str, revision: str | None, *, allow_dirty: bool) -> Origin | NoOrigin:
    """Go by the label alone where a repository is there and cannot be asked; an empty label is no way out."""
    if revision is not None or allow_dirty:
        return Origin(read_folder(folder), revision)
    answer = ask(folder, "rev-parse", "--verify", "HEAD")
    said = "git is not installed or does not answer" if answer is None else answer.error.partition("\n")[0]
    return NoOrigin(f"This is a Git repository that cannot be asked: {said}. Name the commit with --revision.")


def _dirty_sentence(head: Commit) -> str:
    return (
        f"The folder holds changes that commit {head.sha[:12]} does not. Commit them, or take them with --allow-dirty."
    )


def _is_in_repository(folder: Path) -> bool:
    absolute = folder.absolute()
    return any((each / ".git").exists() for each in (absolute, *absolute.parents))


def _is_left_out(folder: Path | str, sha: str) -> bool:
    """Tell whether the commit holds nothing of the folder, as of one that Git was told to ignore."""
    listed = ask(folder, "ls-tree", sha)
    return listed is not None and listed.code == 0 and not listed.output


def _author(folder: Path | str, sha: str) -> str | None:
    answer = ask(folder, "log", "-1", "--no-show-signature", "--format=%an <%ae>", sha)
    return None if answer is None or answer.code else answer.text
