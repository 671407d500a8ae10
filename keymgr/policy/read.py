"""Reads policy files all the way: the documents and the policy they make, or every problem of every file in one go."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keymgr.policy.compile import check
from keymgr.policy.documents import Document
from keymgr.policy.load import read_documents
from keymgr.policy.model import Policy
from keymgr.policy.problems import Problems


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """Documents without a problem and the policy they make."""

    documents: tuple[Document, ...]
    policy: Policy


def read_policy(files: Mapping[str, bytes], *, now: datetime) -> ReadPolicy | Problems:
    """Return the policy that `files` (path to content) make, or all problems, those that only follow left out."""
    readable = read_documents(files)
    policy, unfit = check(readable.documents, whole=readable.whole, now=now)
    problems = tuple(sorted({*readable.problems, *unfit}))
    return problems or ReadPolicy(readable.documents, policy)
