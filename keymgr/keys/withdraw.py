"""Withdraw a wish that still waits for approval."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import NotNow, NotYours, Withdrawn, WithdrawOutcome
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
    """Take back a waiting request of the actor or of a service account the actor may act for."""

    def work() -> WithdrawOutcome:
        request = _read(session, request_id, rights)
        if request is None:
            return NotYours()
        if request.state != RequestState.WAITING:
            return NotNow(f"The request “{request.name}” is {request.state}; only a waiting one can be withdrawn.")
        request.state = RequestState.WITHDRAWN
        request.decided_at = now
        session.flush()
        tell(session, level, actor, now, Event("request.withdrawn", "request", request.id, {"name": request.name}))
        return Withdrawn(request.id, now)

    return once(session, submit, "withdraw", now, about=request_id, work=work, made=_made)


def _read(session: Session, request_id: str, rights: Rights) -> KeyRequest | None:
    statement = select(KeyRequest).where(KeyRequest.id == request_id, KeyRequest.owner.in_(rights.owners))
    return session.scalar(statement.with_for_update().execution_options(populate_existing=True))


def _made(outcome: WithdrawOutcome) -> str | None:
    return outcome.request_id if isinstance(outcome, Withdrawn) else None
