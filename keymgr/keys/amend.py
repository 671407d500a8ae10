"""Amend a request: a new wish is judged like a new ask, and every approval of the old one is void."""

from datetime import datetime
from typing import assert_never

from sqlalchemy.orm import Session

from keymgr.keys.approvals import CHANGED
from keymgr.keys.ask import lacks_of
from keymgr.keys.case import Case
from keymgr.keys.decided import approve_request, tell_denied, void_signatures
from keymgr.keys.held import with_keys_held
from keymgr.keys.hold import crowded, wished
from keymgr.keys.issuer import Issuer
from keymgr.keys.moved import answer_moved
from keymgr.keys.narrow import keep_first_wish
from keymgr.keys.nonce import Submit, once
from keymgr.keys.order import Order
from keymgr.keys.outcomes import (
    Amended,
    AmendOutcome,
    Approved,
    Changed,
    Closed,
    Incomplete,
    Lack,
    NotNow,
    NotYours,
    PolicyMoved,
    Refused,
)
from keymgr.keys.overrides import stopped
from keymgr.keys.past import remember
from keymgr.keys.request_states import not_open
from keymgr.keys.rights import Rights
from keymgr.keys.routing import AskerOf
from keymgr.keys.take_up import Taken, take_up
from keymgr.keys.trail import Event, tell
from keymgr.policy.decision import Allowed, Decision, Denied, NeedsApproval
from keymgr.policy.model import InForce
from keymgr.store.audit import Actor
from keymgr.store.keys import KeyRequest, RequestState

_ACTION = "request.amended"


def amend(
    session: Session,
    in_force: InForce | None,
    *,
    request_id: str,
    actor: Actor,
    rights: Rights,
    asker_of: AskerOf,
    order: Order,
    seen_digest: str,
    issuer: Issuer,
    now: datetime,
) -> AmendOutcome:
    """Put a new wish in the place of one that waits or was not claimed yet; only the owner stays.

    Whoever amends becomes a party and never counts as an approver. The wait starts anew; a wish that the policy grants
    at once can be claimed at once.
    """
    submit = Submit(order.nonce, order.person_id)

    def work() -> AmendOutcome:
        taken = take_up(
            session, in_force, request_id=request_id, actor=actor, asker_of=asker_of, issuer=issuer, now=now
        )
        if not isinstance(taken, Taken):
            return taken
        obstacle = _obstacle(taken.request, rights, seen_digest, now)
        return obstacle or _judge(session, taken.request, _case(session, taken, order), order)

    return once(session, submit, "amend", now, about=request_id, work=work, made=_made)


def _obstacle(
    request: KeyRequest, rights: Rights, seen_digest: str, now: datetime
) -> NotYours | NotNow | Changed | None:
    if request.owner not in rights.owners:
        return NotYours()
    if request.break_glass:
        return NotNow(
            "This was granted in an emergency, for exactly what it says. Claim it, or withdraw it and ask anew."
        )
    return not_open(request, now) or (None if seen_digest == request.wish_digest else Changed(CHANGED))


def _case(session: Session, taken: Taken, order: Order) -> Case:
    old = taken.case
    evidence = with_keys_held(session, order.evidence, owner=old.asker.id, wish=order.wish, now=old.now)
    return Case(old.in_force, old.asker, old.actor, order.wish, evidence, old.issuer, old.now)


def _judge(
    session: Session, request: KeyRequest, case: Case, order: Order
) -> Amended | Approved | Refused | Incomplete | Closed | PolicyMoved:
    """Judge the new wish as asking does, before anything is changed."""
    closed = stopped(session, case.asker, case.wish, case.now)
    if closed is not None:
        return closed
    decision = case.decide()
    seen = order.seen_revision
    if seen is not None and answer_moved(session, case, seen, decision):
        return PolicyMoved(seen, case.in_force.revision, case.explain())
    lacks = lacks_of(decision, order) or _crowd(session, request, case, decision)
    if lacks:
        return Incomplete(lacks)
    remember(session, case, decision)
    if isinstance(decision, Denied):
        tell_denied(session, request, case, _ACTION, decision)
        return Refused(decision)
    return _rewrite(session, request, case, decision, order)


def _crowd(session: Session, request: KeyRequest, case: Case, decision: Decision) -> tuple[Lack, ...]:
    needs = isinstance(decision, NeedsApproval)
    crowd = crowded(session, request.owner, case.now, beside=request.id) if needs else None
    return () if crowd is None else (crowd,)


def _rewrite(
    session: Session, request: KeyRequest, case: Case, decision: Allowed | NeedsApproval, order: Order
) -> Amended | Approved:
    keep_first_wish(request, changed_by=case.actor.id)
    void_signatures(session, request)
    for column, value in wished(case, decision, order).items():
        setattr(request, column, value)
    request.state = RequestState.WAITING
    request.decided_at = request.decided_by = request.decision_reason = request.claim_until = None
    session.flush()
    detail = {
        "name": request.name,
        "wish_digest": request.wish_digest,
        "rule": request.rule,
        "source": request.rule_source,
    }
    event = Event(_ACTION, "request", request.id, detail, case.whole)
    tell(session, case.issuer.audit_level, case.actor, case.now, event)
    match decision:
        case NeedsApproval():
            return Amended(request.id, request.expires_at, decision)
        case Allowed():
            return approve_request(session, request, case, by=None, reason="")
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def _made(outcome: AmendOutcome) -> str | None:
    return outcome.request_id if isinstance(outcome, Amended | Approved) else None
