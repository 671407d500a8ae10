"""What is due because time has passed: requests lapse, old secrets and signing keys retire, spent rows go."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, Delete, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from keymgr.keys.signing_keys import retire_unneeded
from keymgr.keys.trail import CLOCK, Event, tell
from keymgr.store.audit import AuditLevel
from keymgr.store.changes import Change, ChangeKind, announce
from keymgr.store.keys import Credential, CredentialState, FormNonce, KeyRequest, RequestState
from keymgr.store.outbox import forget_done
from keymgr.store.people import SignInSession
from keymgr.store.standing import PastDecision
from keymgr.store.usage import KeySource, UsageDay

BATCH = 200
"""How many rows one tick changes at most, so that nobody waits long for its transaction."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long rows are kept that are of no use any more, and what makes a sign-in session dead."""

    session_idle: timedelta = timedelta(hours=1)
    session_absolute: timedelta = timedelta(hours=12)
    nonces: timedelta = timedelta(days=7)
    changes: timedelta = timedelta(days=1)
    decisions: timedelta = timedelta(days=90)
    effects: timedelta = timedelta(days=30)
    sources: timedelta = timedelta(days=30)
    usage_days: timedelta = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one tick did, counted."""

    lapsed: int
    retired: int
    nonces: int
    sessions: int
    changes: int
    decisions: int = 0
    effects: int = 0
    sources: int = 0
    usage_days: int = 0
    signing_keys: int = 0


def tick(session: Session, now: datetime, *, level: AuditLevel, keep: Keep | None = None) -> Ticked:
    """Do what is due at `now`; the caller holds the clock's lease and commits."""
    kept = keep or Keep()
    return Ticked(
        lapsed=_lapse_requests(session, now, level),
        retired=_retire_credentials(session, now, level),
        nonces=_count(session, delete(FormNonce).where(FormNonce.used_at < now - kept.nonces)),
        sessions=_count(session, _dead_sessions(now, kept)),
        changes=_count(session, _old_changes(now, kept)),
        decisions=_count(session, delete(PastDecision).where(PastDecision.at < now - kept.decisions)),
        effects=forget_done(session, now - kept.effects),
        sources=_count(session, delete(KeySource).where(KeySource.last_at < now - kept.sources)),
        usage_days=_count(session, delete(UsageDay).where(UsageDay.day < (now - kept.usage_days).date())),
        signing_keys=retire_unneeded(session, level=level, now=now),
    )


def _lapse_requests(session: Session, now: datetime, level: AuditLevel) -> int:
    """End the requests that nobody decided in time, and the approved ones that nobody claimed."""
    undecided = and_(KeyRequest.state == RequestState.WAITING, KeyRequest.expires_at <= now)
    unclaimed = and_(KeyRequest.state == RequestState.APPROVED, KeyRequest.claim_until <= now)
    statement = select(KeyRequest).where(or_(undecided, unclaimed)).order_by(KeyRequest.id)
    requests = session.scalars(statement.limit(BATCH).with_for_update()).all()
    for request in requests:
        was = request.state
        if was == RequestState.WAITING:
            request.decided_at = now
        request.state = RequestState.LAPSED
        session.flush()
        detail = {"name": request.name, "was": was}
        tell(session, level, CLOCK, now, Event("request.lapsed", "request", request.id, detail))
    return len(requests)


def _retire_credentials(session: Session, now: datetime, level: AuditLevel) -> int:
    """Retire the old secrets whose overlap is over; verifiers refuse them from that moment on by themselves."""
    due = (Credential.state == CredentialState.RETIRING, Credential.retires_at <= now)
    statement = select(Credential).where(*due).order_by(Credential.key_id).limit(BATCH).with_for_update()
    credentials = session.scalars(statement).all()
    for credential in credentials:
        credential.state = CredentialState.RETIRED
        credential.retired_at = now
        session.flush()
        event = Event("credential.retired", "key", credential.key_id, {"credential": credential.id})
        tell(session, level, CLOCK, now, event)
        announce(session, ChangeKind.KEY, credential.key_id, now)
    return len(credentials)


def _dead_sessions(now: datetime, keep: Keep) -> Delete:
    idle = SignInSession.seen_at < now - keep.session_idle
    old = SignInSession.created_at < now - keep.session_absolute
    return delete(SignInSession).where(or_(idle, old))


def _old_changes(now: datetime, keep: Keep) -> Delete:
    """Trim the feed, but keep its newest row: verifiers compare their place with it."""
    newest = select(func.max(Change.id)).scalar_subquery()
    return delete(Change).where(Change.at < now - keep.changes, Change.id < newest)


def _count(session: Session, statement: Delete) -> int:
    result: Any = session.execute(statement)
    assert isinstance(result, CursorResult)  # noqa: S101 - what a DELETE answers; the annotation is wider.
    return result.rowcount
