"""The revision in force as those who replace it see it, and the one way in which another takes its place."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr import __version__
from keymgr.policy.documents import Document
from keymgr.policy.load import from_snapshot, to_snapshot
from keymgr.policy.read import ReadPolicy
from keymgr.reconcile.effects_of_apply import after_apply
from keymgr.reconcile.guarding import Judgement
from keymgr.reconcile.live import stored_policy
from keymgr.store.audit import AuditEvent, record
from keymgr.store.policies import PolicyHead, PolicyRevision

Summary = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Head:
    """The revision in force. `read` is None when what is stored is no policy, or not one for this version."""

    revision: int
    digest: str
    documents: tuple[Document, ...]
    read: ReadPolicy | None
    pinned_reason: str | None
    bad_digest: str | None

    @property
    def stands(self) -> bool:
        """Whether what is stored still is what was applied."""
        return self.read is not None and self.read.policy.digest == self.digest


@dataclass(frozen=True, slots=True)
class Label:
    """What a revision is called and who vouches for it: the commit, where it comes from, whose signature it has."""

    commit: str | None = None
    ref: str | None = None
    author: str | None = None
    signer: str | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """Why nothing that equals `bad_digest` may be applied for now."""

    reason: str
    bad_digest: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be in force next; `of` is the revision that a rollback undoes, `detail` goes into the audit trail."""

    head: ReadPolicy
    label: Label
    applied_by: str
    summary: Summary
    action: str = "policy.applied"
    of: int | None = None
    pin: Pin | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def head_of(session: Session) -> Head | None:
    """Return the revision in force, None where there is none; take the lock first."""
    row = session.execute(
        select(
            PolicyRevision.id,
            PolicyRevision.digest,
            PolicyRevision.documents,
            PolicyHead.pinned_reason,
            PolicyHead.bad_digest,
        ).join(PolicyHead)
    ).one_or_none()
    if row is None:
        return None
    policy = stored_policy(session, row.id)
    documents = () if policy is None else from_snapshot(row.documents)
    read = None if policy is None else ReadPolicy(documents, policy)
    return Head(row.id, row.digest, documents, read, row.pinned_reason, row.bad_digest)


def tip_of(session: Session) -> str | None:
    """Return the commit that must be an ancestor of what comes next: the last one applied, also if rolled back."""
    statement = select(PolicyRevision.commit).where(
        PolicyRevision.commit.is_not(None), PolicyRevision.rollback_of.is_(None)
    )
    return session.scalar(statement.order_by(PolicyRevision.id.desc()).limit(1))


def base_of(session: Session, head: Head | None, digest: str) -> ReadPolicy | None:
    """Return the policy that guards judge a change to `digest` by; None where there is nothing to judge.

    Where what is in force cannot be read, it is the newest revision that can be: damage is no way round the guards.
    What was applied already is judged no more when it comes back in the place of something damaged.
    """
    if head is None or head.digest == digest:
        return None
    return head.read or next(_readable(session, head.revision), None)


def _readable(session: Session, before: int) -> Iterator[ReadPolicy]:
    numbers = select(PolicyRevision.id).where(PolicyRevision.id < before).order_by(PolicyRevision.id.desc())
    for number in session.scalars(numbers).all():
        policy = stored_policy(session, number)
        if policy is not None:
            documents = session.scalar(select(PolicyRevision.documents).where(PolicyRevision.id == number))
            yield ReadPolicy(from_snapshot(documents or []), policy)


def summarise(before: Iterable[Document], after: Iterable[Document]) -> Summary:
    """Count what is added, changed and removed, by kind; moving a document to another file changes nothing."""
    old = {(document.kind, document.name): document.data for document in before}
    new = {(document.kind, document.name): document.data for document in after}
    return {
        "added": dict(Counter(kind for kind, _ in sorted(new.keys() - old.keys()))),
        "changed": dict(Counter(key[0] for key in sorted(new.keys() & old.keys()) if new[key] != old[key])),
        "removed": dict(Counter(kind for kind, _ in sorted(old.keys() - new.keys()))),
    }


def put_in_force(
    session: Session, entry: Entry, before: ReadPolicy | None, now: datetime, judged: Judgement | None = None
) -> int:
    """Write the next revision, point the head at it, tell the audit trail, and see to all that follows from it.

    `before` is what was in force, None where nothing was or it cannot be read; `judged` what guards said of the change.
    """
    row = PolicyRevision(
        name=entry.head.policy.name,
        digest=entry.head.policy.digest,
        applied_at=now,
        applied_by=entry.applied_by[:200],
        app_version=__version__,
        documents=to_snapshot(entry.head.documents),
        summary=entry.summary,
        commit=_short(entry.label.commit, 64),
        ref=_short(entry.label.ref, 200),
        author=_short(entry.label.author, 320),
        signer=_short(entry.label.signer, 320),
        rollback_of=entry.of,
    )
    session.add(row)
    session.flush()
    _point_at(session, row.id, entry.pin)
    detail = {"digest": row.digest, "commit": row.commit, "author": row.author, "summary": row.summary}
    told = AuditEvent(
        at=now,
        actor=entry.applied_by[:80],
        action=entry.action,
        object_kind="policy_revision",
        object_id=str(row.id),
        outcome="done",
        detail=detail | entry.detail,
    )
    record(session, told)
    after_apply(session, before.policy if before else None, entry.head.policy, row.id, now, judged=judged)
    return row.id


def _point_at(session: Session, revision: int, pin: Pin | None) -> None:
    """Make the revision the one in force; whatever is applied takes an older pin off."""
    head = session.get(PolicyHead, 1)
    if head is None:
        head = PolicyHead(id=1, revision_id=revision)
        session.add(head)
    head.revision_id = revision
    head.pinned_reason, head.bad_digest = (None, None) if pin is None else (pin.reason[:500], pin.bad_digest)
    session.flush()


def _short(label: str | None, length: int) -> str | None:
    return None if label is None else label[:length]
