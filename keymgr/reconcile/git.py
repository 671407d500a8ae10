"""Says which commit a folder is at, for the label of a revision; no repository and no git are fine as well."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SECONDS_MAX = 10
_SAFE = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that is checked out. `ref` is the branch, None when there is none.

    `dirty` means that the folder holds changes that the commit does not.
    """

    sha: str
    ref: str | None
    author: str
    dirty: bool


def describe(path: Path | str) -> Commit | None:
    """Return the commit that the folder is at; None without a repository, a commit, or git. Never raises."""
    head = _git(path, "log", "-1", "--no-show-signature", "--format=%H%n%an <%ae>")
    if head is None:
        return None
    sha, _, author = head.partition("\n")
    changes = _git(path, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    return Commit(
        sha=sha, ref=_git(path, "symbolic-ref", "--quiet", "--short", "HEAD"), author=author, dirty=changes != ""
    )


def _git(path: Path | str, *arguments: str) -> str | None:
    """Return what git answers; None when it fails, takes too long, or is not there.

    It runs without the caller's environment and settings, so that neither can change the answer, and without the
    programs that a repository may name.
    """
    program = shutil.which("git")
    if program is None:
        return None
    environment = {
        "PATH": os.pathsep.join((str(Path(program).parent), os.defpath)),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
    }
    command = [program, *_SAFE, "-C", str(path), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - the program is git and the arguments are ours; the path is one argument.
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS_MAX,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()
