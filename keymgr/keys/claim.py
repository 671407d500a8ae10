"""Claim an approved request: only now is the key made, and its token shown to who claims."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.decided import reroute, tell_barred, tell_denied
from keymgr.keys.hold import wish_digest
from keymgr.keys.issue import issue
from keymgr.keys.issuer import Issuer
from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import ClaimOutcome, Issued, NotNow, NotYours, Refused
from keymgr.keys.overrides import stopped
from keymgr.keys.request_states import not_open, standing
from keymgr.keys.rights import Rights
from keymgr.keys.routing import AskerOf, parties_of, route, signed_of, wish_of
from keymgr.keys.take_up import Taken, take_up
from keymgr.keys.trail import Event, tell
from keymgr.policy.approving import StepStanding, steps_of
from keymgr.policy.decision import Allowed, Denied, NeedsApproval
from keymgr.policy.model import InForce
from keymgr.policy.wording import all_of, count
from keymgr.store.audit import Actor
from keymgr.store.keys import KeyRequest, RequestState

_ACTION = "request.claimed"
_OWN_HANDS = "You approved this request, so somebody else has to claim it: the requester, or others who answer for {}."
_ALTERED = "The request “{}” is not what was approved. Nothing was issued; withdraw it and ask again."


def claim(
    session: Session,
    in_force: InForce | None,
    *,
    request_id: str,
    actor: Actor,
    rights: Rights,
    asker_of: AskerOf,
    submit: Submit | None,
    issuer: Issuer,
    now: datetime,
) -> ClaimOutcome:
    """Turn an approved request into a key, judged once more by the policy in force; it is minted once.

    Whoever may act for the owner may claim, unless they approved it. The door commits whatever the outcome: a request
    whose approval is not enough any more waits again.
    """

    def work() -> ClaimOutcome:
        taken = take_up(
            session, in_force, request_id=request_id, actor=actor, asker_of=asker_of, issuer=issuer, now=now
        )
        return _consider(session, taken, rights) if isinstance(taken, Taken) else taken

    return once(session, submit, "claim", now, about=request_id, work=work, made=_made)


def _consider(session: Session, taken: Taken, rights: Rights) -> ClaimOutcome:
    """Find out whether the person may claim, and whether there is something to claim."""
    request, case = taken.request, taken.case
    if request.owner not in rights.owners:
        tell_barred(session, request, case, _ACTION, "The request is none of theirs.")
        return NotYours()
    ended = not_open(request, case.now)
    if ended is not None:
        return ended
    signed = signed_of(session, request)
    granter = {request.decided_by} if request.break_glass else set()
    if case.actor.id in {person for person, _ in signed} | granter:
        sentence = _OWN_HANDS.format(request.owner.partition(":")[2])
        tell_barred(session, request, case, _ACTION, sentence)
        return NotNow(sentence)
    if wish_digest(request.owner, wish_of(request), request.justification) != request.wish_digest:
        return NotNow(_ALTERED.format(request.name))
    closed = stopped(session, case.asker, case.wish, case.now)
    return _judge(session, taken, granter) if closed is None else closed


def _judge(session: Session, taken: Taken, granter: set[str | None]) -> Issued | Refused | NotNow:
    request, case = taken.request, _with_approvers(session, taken, granter)
    decision = case.decide()
    match decision:
        case Denied():
            tell_denied(session, request, case, _ACTION, decision)
            return Refused(decision)
        case Allowed():
            return _mint(session, request, case, decision)
        case NeedsApproval():
            if request.state == RequestState.WAITING:
                return NotNow(f"{standing(request, case.now)} It can be claimed once it is approved.")
            missing = () if request.break_glass else _missing(session, taken, decision)
            if missing:
                return _wait_again(session, request, case, decision, missing)
            return _mint(session, request, case, decision)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def _with_approvers(session: Session, taken: Taken, granter: set[str | None]) -> Case:
    """Add who approved to what the key is issued on, where anybody did."""
    people = {person for person, _ in signed_of(session, taken.request)} | granter
    if not people:
        return taken.case
    names = tuple(sorted(person.partition(":")[2] for person in people if person is not None))
    evidence = taken.case.evidence
    return replace(taken.case, evidence=replace(evidence, facts={**evidence.facts, "issuance.approvers": names}))


def _missing(session: Session, taken: Taken, decision: NeedsApproval) -> tuple[StepStanding, ...]:
    """List the steps that lack signatures under the approval that is asked for now."""
    approval, request = decision.rule.approval, taken.request
    way = route(approval, signed_of(session, request), parties=parties_of(request), asker_of=taken.asker_of)
    return tuple(step for step in steps_of(approval, way.signatures) if not step.is_met)


def _mint(session: Session, request: KeyRequest, case: Case, decision: Allowed | NeedsApproval) -> Issued:
    issued = issue(session, case, decision, name=request.name)
    request.decided_at = request.decided_at or case.now
    request.state = RequestState.CLAIMED
    request.key_id = issued.key_id
    session.flush()
    detail = {"name": request.name, "owner": request.owner, "key": issued.key_id, "wish_digest": request.wish_digest}
    tell(session, case.issuer.audit_level, case.actor, case.now, Event(_ACTION, "request", request.id, detail))
    return issued


def _wait_again(
    session: Session, request: KeyRequest, case: Case, decision: NeedsApproval, missing: tuple[StepStanding, ...]
) -> NotNow:
    """Let others sign what the approval lacks by now; the signatures that count are kept."""
    request.state = RequestState.WAITING
    request.decided_at = request.decided_by = request.decision_reason = request.claim_until = None
    request.expires_at = case.now + timedelta(seconds=decision.rule.approval.request_ttl_seconds)
    reroute(request, case, decision)
    session.flush()
    lacks = all_of(f"“{step.name}” ({count(step.missing, 'more approval')})" for step in missing)
    detail = {"name": request.name, "missing": lacks, "rule": request.rule, "revision": request.revision_id}
    event = Event("request.reopened", "request", request.id, detail)
    tell(session, case.issuer.audit_level, case.actor, case.now, event)
    return NotNow(
        f"What was approved is not enough any more: the rule {request.rule} of the policy in force also asks for "
        f"{lacks}. The request waits again, and what counts of its approvals is kept."
    )


def _made(outcome: ClaimOutcome) -> str | None:
    return outcome.key_id if isinstance(outcome, Issued) else None
