"""Ask for a key: the one way in, whichever door is used, and the preview that gives the very same answer."""

from datetime import datetime
from typing import assert_never

from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.formalities import lacking
from keymgr.keys.gate import gate, gate_under_lock
from keymgr.keys.held import with_keys_held
from keymgr.keys.hold import crowded, hold
from keymgr.keys.issue import issue
from keymgr.keys.issuer import Issuer
from keymgr.keys.moved import answer_moved
from keymgr.keys.nonce import Submit, once
from keymgr.keys.order import Order
from keymgr.keys.outcomes import AskOutcome, Closed, Incomplete, Issued, Lack, Pending, PolicyMoved, Refused
from keymgr.keys.overrides import stopped
from keymgr.keys.past import remember
from keymgr.keys.saying import KEY_INSIDE
from keymgr.keys.trail import Event, tell_refused
from keymgr.policy.decision import Allowed, Decision, Denied, Explanation, NeedsApproval
from keymgr.policy.explain import explain
from keymgr.policy.model import Asker, Evidence, InForce, Wish
from keymgr.store.audit import Actor
from keymgr.tokens.spotting import holds_secret


def ask(
    session: Session,
    in_force: InForce | None,
    *,
    asker: Asker,
    actor: Actor,
    order: Order,
    issuer: Issuer,
    now: datetime,
) -> AskOutcome:
    """Decide about a wish and act on the answer; `asker` would own the key, `actor` is who asks.

    The door has checked that the actor may act for the asker. It commits, and only then shows a token.
    """
    submit = Submit(order.nonce, order.person_id)

    def work() -> AskOutcome:
        opened = gate_under_lock(session, in_force, issuer, owner=asker.id)
        if isinstance(opened, Closed):
            return opened
        closed = stopped(session, asker, order.wish, now)
        if closed is not None:
            return closed
        evidence = with_keys_held(session, order.evidence, owner=asker.id, wish=order.wish, now=now)
        return _act(session, Case(opened, asker, actor, order.wish, evidence, issuer, now), order)

    return once(session, submit, "ask", now, work=work, made=_made)


def preview(
    session: Session,
    in_force: InForce | None,
    *,
    asker: Asker,
    wish: Wish,
    evidence: Evidence,
    issuer: Issuer,
    now: datetime,
) -> Explanation | Closed:
    """Say what `ask` would answer and why, scope by scope; writes nothing."""
    opened = gate(in_force, issuer)
    if isinstance(opened, Closed):
        return opened
    closed = stopped(session, asker, wish, now)
    if closed is not None:
        return closed
    counted = with_keys_held(session, evidence, owner=asker.id, wish=wish, now=now)
    return explain(opened.policy, asker, wish, counted, int(now.timestamp()))


def _act(session: Session, case: Case, order: Order) -> Issued | Pending | Refused | Incomplete | PolicyMoved:
    decision = case.decide()
    seen = order.seen_revision
    if seen is not None and answer_moved(session, case, seen, decision):
        return PolicyMoved(seen, case.in_force.revision, case.explain())
    lacks = lacks_of(decision, order) or _crowd(session, case, decision)
    if lacks:
        return Incomplete(lacks)
    remember(session, case, decision)
    match decision:
        case Allowed():
            return issue(session, case, decision, name=order.name)
        case NeedsApproval():
            return hold(session, case, decision, order)
        case Denied():
            return _refuse(session, case, decision, order.name)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def lacks_of(decision: Decision, order: Order) -> tuple[Lack, ...]:
    """List what the order does not say and the approval policy asks for, and where it says what it must not: a key."""
    if isinstance(decision, Denied):
        return ()
    ticket = str(order.evidence.facts.get("issuance.ticket", ""))
    written = {"name": order.name, "justification": order.justification, "ticket": ticket}
    secrets = (Lack(field, KEY_INSIDE) for field, text in written.items() if holds_secret(text))
    return (*secrets, *lacking(decision.rule.approval, reason=order.justification, ticket=ticket))


def _crowd(session: Session, case: Case, decision: Decision) -> tuple[Lack, ...]:
    crowd = crowded(session, case.asker.id, case.now) if isinstance(decision, NeedsApproval) else None
    return () if crowd is None else (crowd,)


def _refuse(session: Session, case: Case, decision: Denied, name: str) -> Refused:
    """Tell the trail, where its level wants refused attempts, and write nothing else."""
    wish, first = case.wish, decision.reasons[0]
    detail = {
        "name": name,
        "service": wish.service,
        "environment": wish.environment,
        "scopes": sorted(wish.scopes),
        "reasons": [unmet.reason.value for unmet in decision.reasons],
        "sentence": first.sentence,
        "nearest": None if decision.nearest is None else decision.nearest.rule.name,
        "revision": case.in_force.revision,
    }
    event = Event("key.asked", "owner", case.asker.id, detail, case.whole)
    tell_refused(session, case.issuer.audit_level, case.actor, case.now, event)
    return Refused(decision)


def _made(outcome: AskOutcome) -> str | None:
    match outcome:
        case Issued():
            return outcome.key_id
        case Pending():
            return outcome.request_id
        case _:
            return None
