"""Whether what is stored still is what was applied, and the way back to it when it is not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.policy.compile import compile_policy
from keymgr.policy.model import Policy
from keymgr.policy.plan_objects import ObjectChange
from keymgr.policy.read import ReadPolicy
from keymgr.reconcile.apply import WAIT_SECONDS
from keymgr.reconcile.history import Revision, changes_between, documents_of, find_revision, history
from keymgr.reconcile.revisions import Entry, Head, Label, Pin, head_of, put_in_force, summarise
from keymgr.store.audit import AuditEvent
from keymgr.store.lock import own_policy
from keymgr.store.policies import PolicyHead, PolicyRevision


class DriftKind(StrEnum):
    """In which way the stored state is not the applied one."""

    DIFFERS = "differs"
    HEAD_MISSING = "head_missing"
    HEAD_MOVED = "head_moved"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Drift:
    """What is wrong with what is stored.

    `revision` is the last one that was applied, `expected` its digest then. `changes` names the objects that differ,
    None where nothing is left to compare with.
    """

    kind: DriftKind
    revision: int
    expected: str
    sentence: str
    changes: tuple[ObjectChange, ...] | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """The applied state is in force again, as a revision of its own; `drift` is what was wrong."""

    revision: int
    digest: str
    drift: Drift


@dataclass(frozen=True, slots=True)
class NotFixed:
    """Nothing here holds the applied state any more. Nothing was changed."""

    drift: Drift
    commit: str | None


def find_drift(session: Session, folder: ReadPolicy | None = None) -> Drift | None:
    """Return how the stored state differs from the applied one, None when it does not or nothing was ever applied.

    `folder` helps to name what differs where it is the policy that was applied.
    """
    last = next(iter(history(session, most=1)), None)
    if last is None:
        return None
    expected = _applied_digest(session, last)
    kind, sentence = _what_is_wrong(session, last, expected)
    if kind is None:
        return None
    intact = _intact(session, expected, folder)
    stored = documents_of(session, last.number)
    changes = None if intact is None else changes_between(intact.documents, stored)
    return Drift(kind, last.number, expected, sentence, changes)


def fix_drift(
    session: Session,
    *,
    folder: ReadPolicy | None,
    applied_by: str,
    now: datetime,
    wait_seconds: float = WAIT_SECONDS,
) -> Fixed | NotFixed | None:
    """Put the applied state in force again, from `folder` or from another revision that holds it; None: no drift.

    `session` must not have begun. Raises `LockNotObtained` as an apply does.
    """
    own_policy(session, wait_seconds)
    drift, last = find_drift(session, folder), next(iter(history(session, most=1)), None)
    if drift is None or last is None:
        return None
    intact = _intact(session, drift.expected, folder)
    if intact is None:
        return NotFixed(drift, last.commit)
    head = head_of(session)
    entry = Entry(
        head=intact,
        label=Label(last.commit, last.ref, last.author, last.signer),
        applied_by=applied_by,
        summary=summarise(head.documents if head else (), intact.documents),
        action="policy.drift_fixed",
        of=last.rollback_of,
        pin=_pin(session, last, head),
        detail={"drift": drift.kind.value, "of": drift.revision},
    )
    number = put_in_force(session, entry, head.read if head else None, now)
    return Fixed(number, drift.expected, drift)


def _what_is_wrong(session: Session, last: Revision, expected: str) -> tuple[DriftKind | None, str]:
    head = session.scalar(select(PolicyHead.revision_id))
    compiled = compile_policy(documents_of(session, last.number))
    if head is None:
        return DriftKind.HEAD_MISSING, f"Revision {last.number} was applied last, but nothing is in force."
    if head != last.number:
        return DriftKind.HEAD_MOVED, f"Revision {last.number} was applied last, but revision {head} is in force."
    if not isinstance(compiled, Policy):
        return DriftKind.UNREADABLE, f"What is stored of revision {last.number} is no policy that can be read."
    if expected not in (last.digest, "") or compiled.digest != expected:
        sentence = f"What is stored of revision {last.number} is {compiled.digest}, not {expected}, which was applied."
        return DriftKind.DIFFERS, sentence
    return None, ""


def _applied_digest(session: Session, last: Revision) -> str:
    """Return the digest that the audit trail has, because one statement can change a row and its digest together."""
    told = select(AuditEvent.detail).where(
        AuditEvent.object_kind == "policy_revision",
        AuditEvent.object_id == str(last.number),
        AuditEvent.action.in_(("policy.applied", "policy.rolled_back", "policy.drift_fixed")),
    )
    detail = session.scalar(told.order_by(AuditEvent.id.desc()).limit(1))
    return last.digest if detail is None else str(detail["digest"])


def _intact(session: Session, expected: str, folder: ReadPolicy | None) -> ReadPolicy | None:
    """Find the applied state: in the folder, or in any revision that still holds it."""
    if folder is not None and folder.policy.digest == expected:
        return folder
    return next(_revisions_with(session, expected), None)


def _revisions_with(session: Session, expected: str) -> Iterator[ReadPolicy]:
    numbers = select(PolicyRevision.id).where(PolicyRevision.digest == expected).order_by(PolicyRevision.id.desc())
    for number in session.scalars(numbers).all():
        documents = documents_of(session, number)
        policy = compile_policy(documents)
        if isinstance(policy, Policy) and policy.digest == expected:
            yield ReadPolicy(documents, policy)


def _pin(session: Session, last: Revision, head: Head | None) -> Pin | None:
    """Keep the pin there is; where the head is gone and a rollback was the last step, what it undid stays out."""
    if head is not None:
        known = head.pinned_reason is not None and head.bad_digest is not None
        return Pin(head.pinned_reason or "", head.bad_digest or "") if known else None
    undone = None if last.rollback_of is None else find_revision(session, last.rollback_of)
    return None if undone is None else Pin("The pin was lost with the head and set again.", undone.digest)
