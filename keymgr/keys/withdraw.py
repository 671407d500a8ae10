"""Withdraw a wish that waits for approval, or that was approved and is not claimed yet."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import NotYours, Withdrawn, WithdrawOutcome
from keymgr.keys.request_states import not_open
from keymgr.keys.rights import Rights
from keymgr.keys.trail import Event, tell
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.keys import KeyRequest, RequestState


def withdraw(
    session: Session,
    *,
    request_id: str,
    actor: Actor,
    rights: Rights,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> WithdrawOutcome:
    """Take back an open request of the actor or of a service account the actor may act for."""

    def work() -> WithdrawOutcome:
        request = _read(session, request_id, rights)
        if request is None:
            return NotYours()
        ended = not_open(request, now)
        if ended is not None:
            return ended
        if request.state == RequestState.WAITING:
            request.decided_at = now
        request.state = RequestState.WITHDRAWN
        session.flush()
        tell(session, level, actor, now, Event("request.withdrawn", "request", request.id, {"name": request.name}))
        return Withdrawn(request.id, now)

    return once(session, submit, "withdraw", now, about=request_id, work=work, made=_made)


def _read(session: Session, request_id: str, rights: Rights) -> KeyRequest | None:
    statement = select(KeyRequest).where(KeyRequest.id == request_id, KeyRequest.owner.in_(rights.owners))
    return session.scalar(statement.with_for_update().execution_options(populate_existing=True))


def _made(outcome: WithdrawOutcome) -> str | None:
    return outcome.request_id if isinstance(outcome, Withdrawn) else None
