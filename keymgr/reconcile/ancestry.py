"""Whether a commit comes after another one, as far as this copy of the history can tell."""

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from keymgr.reconcile.git import ask

DIRTY = "-dirty"
_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Descent(StrEnum):
    """`unknown`: there is no history here, or not enough of it."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


Descends = Callable[[str], Descent]
"""Tells whether what is to be applied descends from the commit that was applied, given by its label."""


def no_history(_applied: str) -> Descent:
    """Answer for a folder without Git."""
    return Descent.UNKNOWN


def descends(folder: Path | str, sha: str, applied: str) -> Descent:
    """Tell whether commit `sha` is `applied` or comes after it; `applied` is a label as revisions carry it.

    A shallow clone proves a descent, and that a commit is older, but never that two are unrelated.
    """
    label = applied.removesuffix(DIRTY)
    known = resolve(folder, label)
    if known is None:
        return Descent.NO if _WHOLE.fullmatch(label) and _is_whole(folder) else Descent.UNKNOWN
    if _is_ancestor(folder, known, sha):
        return Descent.YES
    if _is_ancestor(folder, sha, known) or _is_whole(folder):
        return Descent.NO
    return Descent.UNKNOWN


def resolve(folder: Path | str, revision: str) -> str | None:
    """Return the whole name of a commit that this repository has, None when it has none such."""
    if revision.startswith("-"):
        return None
    answer = ask(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    return None if answer is None or answer.code else answer.text


def _is_ancestor(folder: Path | str, older: str, newer: str) -> bool:
    answer = ask(folder, "merge-base", "--is-ancestor", older, newer)
    return answer is not None and answer.code == 0


def _is_whole(folder: Path | str) -> bool:
    answer = ask(folder, "rev-parse", "--is-shallow-repository")
    return answer is not None and answer.text == "false"
