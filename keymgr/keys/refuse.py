"""Refuse a request, with a reason that the requester reads."""

from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.keys.approvals import CHANGED
from keymgr.keys.gate import policy_under_lock
from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import (
    Changed,
    Closed,
    Incomplete,
    MayNotDecide,
    NotYours,
    RefuseOutcome,
    RequestRefused,
)
from keymgr.keys.request_states import not_waiting
from keymgr.keys.routing import AskerOf, approval_now, is_stranger, parties_of, routed
from keymgr.keys.saying import tidy_text
from keymgr.keys.take_up import lock_request, owner_of_request
from keymgr.keys.trail import Event, tell, tell_refused
from keymgr.policy.approving import barred, may_refuse
from keymgr.policy.model import ApprovalPolicy, Asker, InForce
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.keys import KeyRequest, RequestState

_WHY = "Say why, and what would have to be different; the requester reads it."


def refuse(
    session: Session,
    in_force: InForce | None,
    *,
    request_id: str,
    approver: Asker,
    actor: Actor,
    asker_of: AskerOf,
    seen_digest: str,
    reason: str,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> RefuseOutcome:
    """End the wait of a request with a no. Whoever is named in any step may, also while issuing is switched off."""
    tidied = tidy_text(reason, "reason", _WHY)
    if isinstance(tidied, Incomplete):
        return tidied

    def work() -> RefuseOutcome:
        owner = owner_of_request(session, request_id)
        if owner is None:
            return NotYours()
        opened = policy_under_lock(session, in_force, owner=owner)
        if isinstance(opened, Closed):
            return opened
        request = lock_request(session, request_id)
        approval = approval_now(opened, request, asker_of, now)
        barrier = _barrier(opened, request, approval, approver)
        if barrier is not None:
            event = Event("request.refused", "request", request.id, {"name": request.name})
            tell_refused(session, level, actor, now, event)
            return barrier
        obstacle = not_waiting(request, now) or (None if seen_digest == request.wish_digest else Changed(CHANGED))
        return obstacle or _end(session, request, approver, tidied, actor=actor, level=level, now=now)

    return once(session, submit, "refuse", now, about=request_id, work=work, made=_made)


def _barrier(
    opened: InForce, request: KeyRequest, approval: ApprovalPolicy | None, approver: Asker
) -> NotYours | MayNotDecide | None:
    if is_stranger(opened, request, approval, approver):
        return NotYours()
    parties = parties_of(request)
    known = [each for each in (approval, routed(opened, request)) if each is not None]
    bars = [barred(approver, parties), *(may_refuse(each, approver, parties=parties) for each in known)]
    first = bars[0] or (None if None in bars[1:] else bars[1])
    return None if first is None else MayNotDecide(first.sentence)


def _end(
    session: Session,
    request: KeyRequest,
    approver: Asker,
    reason: str,
    *,
    actor: Actor,
    level: AuditLevel,
    now: datetime,
) -> RequestRefused:
    request.state = RequestState.REFUSED
    request.decided_at = now
    request.decided_by = approver.id
    request.decision_reason = reason
    session.flush()
    detail = {"name": request.name, "owner": request.owner, "wish_digest": request.wish_digest}
    tell(session, level, actor, now, Event("request.refused", "request", request.id, detail))
    return RequestRefused(request.id, now)


def _made(outcome: RefuseOutcome) -> str | None:
    return outcome.request_id if isinstance(outcome, RequestRefused) else None
