"""Nudge the approvers of a waiting request, at most once a day."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import NotNow, NotYours, Nudged, NudgeOutcome
from keymgr.keys.request_states import not_waiting
from keymgr.keys.rights import Rights
from keymgr.keys.take_up import lock_request, owner_of_request
from keymgr.keys.trail import Event, tell
from keymgr.store.audit import Actor, AuditLevel

NUDGE_EVERY = timedelta(hours=24)


def nudge(
    session: Session,
    *,
    request_id: str,
    actor: Actor,
    rights: Rights,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> NudgeOutcome:
    """Mark a waiting request of the actor, or of a service account the actor may act for, as pressing."""

    def work() -> NudgeOutcome:
        if owner_of_request(session, request_id) not in rights.owners:
            return NotYours()
        request = lock_request(session, request_id)
        ended = not_waiting(request, now)
        if ended is not None:
            return ended
        if request.nudged_at is not None and now < request.nudged_at + NUDGE_EVERY:
            again = request.nudged_at + NUDGE_EVERY
            return NotNow(
                f"The approvers were reminded within the last day. You can again from {again:%d %b, %H:%M} UTC."
            )
        request.nudged_at = now
        session.flush()
        tell(session, level, actor, now, Event("request.nudged", "request", request.id, {"name": request.name}))
        return Nudged(request.id, now)

    return once(session, submit, "nudge", now, about=request_id, work=work, made=_made)


def _made(outcome: NudgeOutcome) -> str | None:
    return outcome.request_id if isinstance(outcome, Nudged) else None
