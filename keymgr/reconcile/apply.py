"""Puts a policy folder in force: all of it in one transaction, or nothing and the last good one stays."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr import __version__
from keymgr.policy.documents import Document
from keymgr.policy.load import from_snapshot, to_snapshot
from keymgr.policy.model import Policy
from keymgr.policy.problems import Problems
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.policy.testing import TestReport, run_tests
from keymgr.reconcile.live import stored_policy
from keymgr.store.audit import AuditEvent, record
from keymgr.store.lock import own_policy
from keymgr.store.policies import PolicyHead, PolicyRevision

WAIT_SECONDS = 30.0
Summary = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Applied:
    """The policy of the folder is in force as `revision`; without `changed` it already was, and nothing was written.

    `summary` counts added, changed and removed documents by kind.
    """

    revision: int
    digest: str
    changed: bool
    summary: Summary


@dataclass(frozen=True, slots=True)
class Invalid:
    """The folder is not a policy; every problem has its place and remedy. Nothing was changed."""

    problems: Problems


@dataclass(frozen=True, slots=True)
class TestsFailed:
    """The policy's own tests did not pass, or there are none. Nothing was changed."""

    __test__ = False  # pytest takes a class of this name for one of its own.

    report: TestReport


@dataclass(frozen=True, slots=True)
class Stale:
    """The policy in force is not the one this change was made for. Nothing was changed; `digest` is in force."""

    expected: str
    digest: str | None


ApplyOutcome = Applied | Invalid | TestsFailed | Stale


@dataclass(frozen=True, slots=True)
class Proposed:
    """A folder that is whole, compiles and passes its tests."""

    documents: tuple[Document, ...]
    policy: Policy


def apply_policy(
    session: Session,
    files: Mapping[str, bytes],
    *,
    revision: str | None,
    ref: str | None,
    author: str | None,
    applied_by: str,
    now: datetime,
    expect_base: str | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> ApplyOutcome:
    """Make the policy of a folder the one that decides, from the caller's commit on.

    `revision` is the commit; `expect_base` the digest that must still be in force. `session` must not have begun.
    Raises `LockNotObtained` when another apply, or decisions in progress, do not end within `wait_seconds`.
    """
    proposed = examine(files, now=now)
    if not isinstance(proposed, Proposed):
        return proposed
    own_policy(session, wait_seconds)
    head = session.execute(
        select(PolicyRevision.id, PolicyRevision.digest, PolicyRevision.documents).join(PolicyHead)
    ).one_or_none()
    base = None if head is None else head.digest
    if expect_base is not None and expect_base != base:
        return Stale(expect_base, base)
    if head is not None and _stands(session, head.id, head.digest, proposed.policy.digest):
        return Applied(head.id, head.digest, changed=False, summary=summarise((), ()))
    summary = summarise(() if head is None else from_snapshot(head.documents), proposed.documents)
    row = _revision(proposed, summary, applied_by=applied_by, now=now)
    row.commit, row.ref, row.author = _short(revision, 64), _short(ref, 200), _short(author, 320)
    _put_in_force(session, row)
    return Applied(row.id, row.digest, changed=True, summary=summary)


def examine(files: Mapping[str, bytes], *, now: datetime) -> Proposed | Invalid | TestsFailed:
    """Load, compile and test a folder; reads no database."""
    found = read_policy(files, now=now)
    if not isinstance(found, ReadPolicy):
        return Invalid(found)
    report = run_tests(found.documents, found.policy)
    return Proposed(found.documents, found.policy) if report.passed else TestsFailed(report)


def summarise(before: Iterable[Document], after: Iterable[Document]) -> Summary:
    """Count what is added, changed and removed, by kind; moving a document to another file changes nothing."""
    old = {(document.kind, document.name): document.data for document in before}
    new = {(document.kind, document.name): document.data for document in after}
    return {
        "added": dict(Counter(kind for kind, _ in sorted(new.keys() - old.keys()))),
        "changed": dict(Counter(key[0] for key in sorted(new.keys() & old.keys()) if new[key] != old[key])),
        "removed": dict(Counter(kind for kind, _ in sorted(old.keys() - new.keys()))),
    }


def _stands(session: Session, revision_id: int, digest: str, proposed: str) -> bool:
    """Tell whether the same policy is in force already, and is still stored as it was applied."""
    stored = stored_policy(session, revision_id) if digest == proposed else None
    return stored is not None and stored.digest == proposed


def _revision(proposed: Proposed, summary: Summary, *, applied_by: str, now: datetime) -> PolicyRevision:
    return PolicyRevision(
        name=proposed.policy.name,
        digest=proposed.policy.digest,
        applied_at=now,
        applied_by=applied_by[:200],
        app_version=__version__,
        documents=to_snapshot(proposed.documents),
        summary=summary,
    )


def _put_in_force(session: Session, row: PolicyRevision) -> None:
    session.add(row)
    session.flush()
    head = session.get(PolicyHead, 1)
    if head is None:
        session.add(PolicyHead(id=1, revision_id=row.id))
    else:
        head.revision_id = row.id
    detail: dict[str, Any] = {"digest": row.digest, "commit": row.commit, "author": row.author, "summary": row.summary}
    event = AuditEvent(
        at=row.applied_at,
        actor=row.applied_by[:80],
        action="policy.applied",
        object_kind="policy_revision",
        object_id=str(row.id),
        outcome="done",
        detail=detail,
    )
    record(session, event)


def _short(label: str | None, length: int) -> str | None:
    return None if label is None else label[:length]
