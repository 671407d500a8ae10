"""Asks git about a repository: which commit a folder is at, and whatever else; no git at all is an answer as well."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SECONDS_MAX = 10
_SAFE = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "protocol.allow=never")


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that is checked out. `ref` is the branch, None when there is none.

    `dirty` means that the folder holds changes that the commit does not.
    """

    sha: str
    ref: str | None
    author: str
    dirty: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What git said: its exit code, stdout as it is, stderr as text."""

    code: int
    output: bytes
    error: str

    @property
    def text(self) -> str:
        """The output as text, without the line end."""
        return self.output.decode(errors="replace").strip()


def describe(path: Path | str) -> Commit | None:
    """Return the commit that the folder is at; None without a repository, a commit, or git. Never raises."""
    head = _told(path, "log", "-1", "--no-show-signature", "--format=%H%n%an <%ae>")
    if head is None:
        return None
    sha, _, author = head.partition("\n")
    changes = _told(path, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    return Commit(
        sha=sha, ref=_told(path, "symbolic-ref", "--quiet", "--short", "HEAD"), author=author, dirty=changes != ""
    )


def ask(
    path: Path | str,
    *arguments: str,
    given: bytes = b"",
    variables: Mapping[str, str] | None = None,
    seconds: float = _SECONDS_MAX,
) -> Answer | None:
    """Return what git answers; None when it takes too long, or is not there. Never raises.

    It runs without the caller's environment and settings, so that neither can change the answer, without the programs
    that a repository may name, and without the network unless `variables`, which are added to what it sees, allow it.
    `given` is its stdin.
    """
    program = shutil.which("git")
    if program is None:
        return None
    environment = {
        "PATH": os.pathsep.join((str(Path(program).parent), os.defpath)),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
    }
    command = [program, *_SAFE, "-C", str(path), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - the program is git and the arguments are ours; the path is one argument.
            command,
            env=environment | dict(variables or {}),
            input=given,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Answer(done.returncode, done.stdout, done.stderr.decode(errors="replace").strip())


def _told(path: Path | str, *arguments: str) -> str | None:
    """Return what git says when all is well, None otherwise."""
    answer = ask(path, *arguments)
    return None if answer is None or answer.code else answer.text
