"""The members of a call for a plan, checked one by one: every fault is reported with its place, unknown ones too."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from keymgr.api.problem import Fault, Problem, ProblemCode
from keymgr.policy.characters import first_forbidden

BYTES_MAX = 2 * 1024 * 1024
FILES_MAX = 2_000
FORMATS = ("json", "markdown", "human", "github")
REPLAY_DAYS_MAX = 90
_PATH_MAX = 255
_FAULTS_MAX = 20
_FIELDS = ("files", "commit", "base_digest", "folder", "format", "replay_days", "show_owners")
_ENDINGS = (".yaml", ".yml")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_DIGEST = re.compile(r"[!-~]{1,80}")


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """Files as data and how the answer is wanted; `folder` only goes before the places that a report names."""

    files: Mapping[str, str]
    commit: str | None
    base_digest: str | None
    folder: str
    form: str
    replay_days: int
    show_owners: bool


def read_plan_question(body: Mapping[str, Any]) -> PlanQuestion | Problem:
    """Read the whole question, or say all that is wrong with it."""
    faults = [
        Fault("#", f"There is no member {ascii(name)[:100]}; there are {', '.join(_FIELDS)}.")
        for name in body
        if name not in _FIELDS
    ]
    faults += [*_file_faults(body.get("files")), *_word_faults(body)]
    if faults:
        detail = "The question is not well formed; errors lists what is wrong with it."
        return Problem(ProblemCode.BAD_REQUEST, detail, faults[:_FAULTS_MAX])
    return PlanQuestion(
        files=body["files"],
        commit=body.get("commit"),
        base_digest=body.get("base_digest"),
        folder=body.get("folder", ""),
        form=body.get("format", "json"),
        replay_days=body.get("replay_days", REPLAY_DAYS_MAX),
        show_owners=body.get("show_owners", False),
    )


def is_plain_path(path: str) -> bool:
    """Tell whether a path stays inside the folder it is relative to and reads the same everywhere."""
    parts = path.split("/")
    is_odd = "\\" in path or "\n" in path or first_forbidden(path) is not None
    return len(path) <= _PATH_MAX and not is_odd and not {"", ".", ".."} & set(parts)


def _file_faults(files: object) -> list[Fault]:
    if not isinstance(files, dict) or not 1 <= len(files) <= FILES_MAX:
        return [Fault("#/files", f"This must be an object of 1 to {FILES_MAX} paths with the text of each file.")]
    faults = []
    for number, (path, text) in enumerate(files.items(), start=1):
        if not is_plain_path(path) or PurePosixPath(path).suffix not in _ENDINGS:
            faults.append(
                Fault("#/files", f"Path {number} must be relative, without . or .., and end with .yaml or .yml.")
            )
        elif not isinstance(text, str):
            faults.append(Fault("#/files", f"Path {number} must have the text of the file."))
    return faults


def _word_faults(body: Mapping[str, Any]) -> list[Fault]:
    commit, digest, folder = body.get("commit"), body.get("base_digest"), body.get("folder", "")
    days = body.get("replay_days", 0)
    checks = (
        ("commit", commit is None or _fits(_COMMIT, commit), "the hexadecimal name of a commit, or null"),
        ("base_digest", digest is None or _fits(_DIGEST, digest), "the digest of a policy, or null"),
        ("folder", folder == "" or (isinstance(folder, str) and is_plain_path(folder)), "a plain relative path"),
        ("format", body.get("format", "json") in FORMATS, f"one of {', '.join(FORMATS)}"),
        ("replay_days", type(days) is int and 0 <= days <= REPLAY_DAYS_MAX, f"a number from 0 to {REPLAY_DAYS_MAX}"),
        ("show_owners", isinstance(body.get("show_owners", False), bool), "true or false"),
    )
    return [Fault(f"#/{name}", f"This must be {what}.") for name, fits, what in checks if not fits]


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
