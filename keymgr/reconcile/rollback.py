"""The way back: an earlier revision comes into force again as a new one, and what it undoes is kept out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.policy.compile import compile_policy
from keymgr.policy.documents import Document
from keymgr.policy.model import Policy
from keymgr.policy.problems import Problems
from keymgr.policy.read import ReadPolicy
from keymgr.reconcile.apply import WAIT_SECONDS, Blocked
from keymgr.reconcile.guarding import judge_change, spend
from keymgr.reconcile.history import Revision, documents_of, find_revision
from keymgr.reconcile.revisions import Entry, Head, Label, Pin, base_of, head_of, put_in_force, summarise
from keymgr.store.audit import AuditEvent, record
from keymgr.store.lock import own_policy
from keymgr.store.policies import PolicyHead


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Revision `to` is in force again as `revision`, in the place of `of`; without `changed` it was already."""

    revision: int
    digest: str
    to: int
    of: int
    changed: bool


@dataclass(frozen=True, slots=True)
class NoSuchRevision:
    """There is no revision of this number. Nothing was changed."""

    number: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is stored of the revision is not what was applied, or this version cannot read it. Nothing was changed."""

    number: int
    problems: Problems


RollbackOutcome = RolledBack | NoSuchRevision | Unreadable | Blocked


@dataclass(frozen=True, slots=True)
class Unpinned:
    """Whatever was rolled back may be applied again; `reason` is why it was kept out, None where nothing was."""

    reason: str | None


def roll_back(
    session: Session,
    *,
    to: int,
    reason: str,
    applied_by: str,
    now: datetime,
    acks: Iterable[Document] = (),
    wait_seconds: float = WAIT_SECONDS,
) -> RollbackOutcome:
    """Bring the state of revision `to` back into force, pinned for `reason`, from the caller's commit on.

    Guards stand in the way as of any change; `acks` are ChangeAck documents for this one. `session` must not have
    begun. Raises `LockNotObtained` as an apply does.
    """
    own_policy(session, wait_seconds)
    target, head = find_revision(session, to), head_of(session)
    if target is None or head is None:
        return NoSuchRevision(to)
    documents = documents_of(session, to)
    policy = compile_policy(documents)
    if not isinstance(policy, Policy) or policy.digest != target.digest:
        return Unreadable(to, () if isinstance(policy, Policy) else policy)
    if head.stands and head.digest == target.digest:
        return RolledBack(head.revision, head.digest, to, head.revision, changed=False)
    judged = judge_change(session, base_of(session, head, policy.digest), ReadPolicy((*documents, *acks), policy), now)
    if judged.report.blocking:
        return Blocked(judged.report, head.digest)
    entry = _entry(target, head, ReadPolicy(documents, policy), applied_by, reason)
    entry = replace(entry, detail=judged.detail | entry.detail)
    number = put_in_force(session, entry, head.read, now, judged)
    spend(session, judged.report, number)
    return RolledBack(number, policy.digest, to, head.revision, changed=True)


def unpin(session: Session, *, actor: str, now: datetime, wait_seconds: float = WAIT_SECONDS) -> Unpinned:
    """Let what was rolled back in again; nothing else changes. `session` must not have begun."""
    own_policy(session, wait_seconds)
    head = session.get(PolicyHead, 1)
    if head is None or head.pinned_reason is None:
        return Unpinned(None)
    reason, bad_digest = head.pinned_reason, head.bad_digest
    head.pinned_reason, head.bad_digest = None, None
    told = AuditEvent(
        at=now,
        actor=actor[:80],
        action="policy.unpinned",
        object_kind="policy_revision",
        object_id=str(head.revision_id),
        outcome="done",
        detail={"reason": reason, "bad_digest": bad_digest},
    )
    record(session, told)
    return Unpinned(reason)


def _entry(target: Revision, head: Head, read: ReadPolicy, applied_by: str, reason: str) -> Entry:
    """Return the new revision: the old one's state and label, and the digest that is kept out from now on."""
    summary = summarise(head.documents, read.documents)
    return Entry(
        head=read,
        label=Label(target.commit, target.ref, target.author, target.signer),
        applied_by=applied_by,
        summary=summary | {"rollback": {"to": target.number, "of": head.revision}},
        action="policy.rolled_back",
        of=head.revision,
        pin=Pin(reason, head.digest),
        detail={"to": target.number, "of": head.revision, "reason": reason, "bad_digest": head.digest},
    )
