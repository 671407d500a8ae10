"""Look at what was granted in an emergency: by somebody else, with a note. What nobody reviewed stays listed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import Incomplete, MayNotDecide, NotNow, NotYours, Reviewed, ReviewOutcome
from keymgr.keys.request_states import state_of
from keymgr.keys.routing import parties_of
from keymgr.keys.saying import tidy_text
from keymgr.keys.take_up import lock_request, owner_of_request
from keymgr.keys.trail import Event, tell, tell_refused
from keymgr.policy.model import Asker
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.keys import Key, KeyRequest, RequestState

_ACTION = "request.reviewed"
_WHY = "Say what you found: whether the emergency was one, and what follows."


@dataclass(frozen=True, slots=True)
class Unreviewed:
    """One request that was granted in an emergency and that nobody else has looked at yet."""

    id: str
    name: str
    requester: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    state: RequestState
    granted_by: str | None
    granted_at: datetime | None
    reason: str | None
    key_id: str | None


def review(
    session: Session,
    *,
    request_id: str,
    reviewer: Asker,
    actor: Actor,
    note: str,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> ReviewOutcome:
    """Write down what the review found. The door lets only reviewers, auditors and admins in."""
    tidied = tidy_text(note, "note", _WHY)
    if isinstance(tidied, Incomplete):
        return tidied

    def work() -> ReviewOutcome:
        if owner_of_request(session, request_id) is None:
            return NotYours()
        request = lock_request(session, request_id)
        if not request.break_glass:
            return NotNow(f"The request “{request.name}” was not granted in an emergency; there is nothing to review.")
        if request.reviewed_at is not None:
            return NotNow(f"The request “{request.name}” has been reviewed by {_name(request.reviewed_by)} already.")
        if reviewer.id in _involved(session, request):
            event = Event(_ACTION, "request", request.id, {"name": request.name})
            tell_refused(session, level, actor, now, event)
            return MayNotDecide("You had a part in this, so somebody else has to review it.")
        return _close(session, request, reviewer, tidied, actor=actor, level=level, now=now)

    return once(session, submit, "review", now, about=request_id, work=work, made=_made)


def unreviewed(session: Session, *, now: datetime) -> tuple[Unreviewed, ...]:
    """List what was granted in an emergency and not reviewed yet, oldest first, whatever became of it."""
    statement = select(KeyRequest).where(KeyRequest.break_glass.is_(True), KeyRequest.reviewed_at.is_(None))
    return tuple(_row(request, now) for request in session.scalars(statement.order_by(KeyRequest.decided_at)))


def _involved(session: Session, request: KeyRequest) -> frozenset[str | None]:
    """Name the parties, who granted it, and who claimed the key."""
    claimed_by = session.scalar(select(Key.created_by).where(Key.id == request.key_id))
    return parties_of(request) | {request.decided_by, claimed_by}


def _close(
    session: Session,
    request: KeyRequest,
    reviewer: Asker,
    note: str,
    *,
    actor: Actor,
    level: AuditLevel,
    now: datetime,
) -> Reviewed:
    request.reviewed_at = now
    request.reviewed_by = reviewer.id
    request.review_note = note
    session.flush()
    detail = {"name": request.name, "granted_by": request.decided_by}
    tell(session, level, actor, now, Event(_ACTION, "request", request.id, detail))
    return Reviewed(request.id, now)


def _row(request: KeyRequest, now: datetime) -> Unreviewed:
    return Unreviewed(
        id=request.id,
        name=request.name,
        requester=request.requester,
        owner=request.owner,
        service=request.service,
        environment=request.environment,
        scopes=tuple(request.scopes),
        state=state_of(request, now),
        granted_by=request.decided_by,
        granted_at=request.decided_at,
        reason=request.decision_reason,
        key_id=request.key_id,
    )


def _name(person: str | None) -> str:
    return (person or "").partition(":")[2]


def _made(outcome: ReviewOutcome) -> str | None:
    return outcome.request_id if isinstance(outcome, Reviewed) else None
