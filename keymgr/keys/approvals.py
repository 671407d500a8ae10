"""Approve a request, as it is or with changes; enough approvals let the requester claim the key. Nothing is minted."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.decided import approve_request, reroute, sign, tell_barred, tell_denied
from keymgr.keys.issuer import Issuer
from keymgr.keys.narrow import Narrowed, narrower, rewrite
from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import (
    Approved,
    ApproveOutcome,
    Changed,
    Incomplete,
    MayNotDecide,
    NotNarrower,
    NotNow,
    NotYours,
    Refused,
    Signed,
)
from keymgr.keys.overrides import stopped
from keymgr.keys.request_states import not_waiting
from keymgr.keys.routing import AskerOf, is_stranger, parties_of, route, signed_of
from keymgr.keys.saying import tidy_text
from keymgr.keys.take_up import Taken, take_up
from keymgr.policy.approving import (
    May,
    MayNot,
    Signature,
    barred,
    is_met,
    may_approve,
    may_approve_narrower,
    steps_of,
)
from keymgr.policy.decision import Allowed, Decision, Denied, NeedsApproval
from keymgr.policy.model import ApprovalPolicy, Asker, InForce
from keymgr.store.audit import Actor

__all__ = ["CHANGED", "Narrowed", "approve"]

CHANGED = "The request was changed after you opened it. Nothing was decided; look at what it asks for now."
_ACTION = "request.approved"


@dataclass(frozen=True, slots=True)
class _Vote:
    approver: Asker
    seen_digest: str
    note: str
    narrowed: Narrowed | None


def approve(
    session: Session,
    in_force: InForce | None,
    *,
    request_id: str,
    approver: Asker,
    actor: Actor,
    asker_of: AskerOf,
    seen_digest: str,
    note: str,
    narrowed: Narrowed | None,
    submit: Submit | None,
    issuer: Issuer,
    now: datetime,
) -> ApproveOutcome:
    """Count the approver for the step that is asked next, under the policy in force now.

    `seen_digest` is the wish the approver saw: an approval is for exactly that. `narrowed` takes scopes or time away;
    what others signed is void then, because they agreed to something else.
    """
    tidied = tidy_text(note, "note")
    if isinstance(tidied, Incomplete):
        return tidied
    vote = _Vote(approver, seen_digest, tidied, narrowed)

    def work() -> ApproveOutcome:
        taken = take_up(
            session, in_force, request_id=request_id, actor=actor, asker_of=asker_of, issuer=issuer, now=now
        )
        return _consider(session, taken, vote) if isinstance(taken, Taken) else taken

    return once(session, submit, "approve", now, about=request_id, work=work, made=_made)


def _consider(session: Session, taken: Taken, vote: _Vote) -> ApproveOutcome:
    """Find out whether the vote can be judged at all, then judge it."""
    current = taken.case.decide()
    obstacle = _obstacle(session, taken, vote, current)
    if obstacle is not None:
        return obstacle
    wanted = _wanted(taken.case, vote.narrowed)
    if isinstance(wanted, NotNarrower):
        return wanted
    closed = stopped(session, wanted.asker, wanted.wish, wanted.now)
    return _judge(session, taken, vote, current, wanted) if closed is None else closed


def _obstacle(
    session: Session, taken: Taken, vote: _Vote, current: Decision
) -> NotYours | NotNow | Changed | MayNotDecide | None:
    request, case = taken.request, taken.case
    is_seen = vote.seen_digest == request.wish_digest
    if is_stranger(case.in_force, request, _approval(current), vote.approver) and not (
        isinstance(current, Allowed) and is_seen and vote.narrowed is None
    ):
        tell_barred(session, request, case, _ACTION, "The request is none of theirs.")
        return NotYours()
    bar = barred(vote.approver, parties_of(request))
    if bar is not None:
        tell_barred(session, request, case, _ACTION, bar.sentence)
        return MayNotDecide(bar.sentence)
    return not_waiting(request, case.now) or (None if is_seen else Changed(CHANGED))


def _wanted(case: Case, narrowed: Narrowed | None) -> Case | NotNarrower:
    """Return the case as the approver wants it; what changes nothing is no change."""
    if narrowed is None or (narrowed.scopes == case.wish.scopes and narrowed.ttl_seconds == case.wish.ttl_seconds):
        return case
    return narrower(case, narrowed)


def _judge(session: Session, taken: Taken, vote: _Vote, current: Decision, wanted: Case) -> ApproveOutcome:
    decision = current if wanted is taken.case else wanted.decide()
    if isinstance(decision, Denied):
        tell_denied(session, taken.request, wanted, _ACTION, decision)
        return Refused(decision)
    verdict = _verdict(session, taken, vote, current, decision)
    if isinstance(verdict, MayNot):
        tell_barred(session, taken.request, wanted, _ACTION, verdict.sentence)
        return MayNotDecide(verdict.sentence)
    if wanted is not taken.case:
        rewrite(session, taken.request, wanted)
    reroute(taken.request, wanted, decision)
    if isinstance(decision, Allowed) or verdict is None:
        return approve_request(session, taken.request, wanted, by=vote.approver.id, reason=vote.note)
    return _sign(session, taken, vote, wanted, decision, step=verdict.step)


def _verdict(
    session: Session, taken: Taken, vote: _Vote, current: Decision, decision: Allowed | NeedsApproval
) -> May | MayNot | None:
    """Tell for which step the approver counts; None where the policy asks for no approval any more."""
    person, parties = vote.approver, parties_of(taken.request)
    verdict: May | MayNot | None = None
    if isinstance(current, NeedsApproval):
        signatures = _signatures(session, taken, current.rule.approval)
        verdict = may_approve(current.rule.approval, person, signatures, parties=parties)
    if decision is current or isinstance(verdict, MayNot):
        return verdict
    if isinstance(decision, Allowed):
        return None
    if isinstance(current, NeedsApproval) and decision.rule.approval.steps == current.rule.approval.steps:
        return verdict
    return may_approve_narrower(decision.rule.approval, person, parties=parties)


def _sign(
    session: Session, taken: Taken, vote: _Vote, case: Case, decision: NeedsApproval, *, step: int
) -> Signed | Approved:
    request, approval = taken.request, decision.rule.approval
    sign(session, request, case, decision, person=vote.approver.id, step=step, note=vote.note)
    signatures = _signatures(session, taken, approval)
    if is_met(approval, signatures):
        return approve_request(session, request, case, by=vote.approver.id, reason=vote.note)
    return Signed(request.id, case.now, sum(standing.missing for standing in steps_of(approval, signatures)))


def _signatures(session: Session, taken: Taken, approval: ApprovalPolicy) -> tuple[Signature, ...]:
    signed = signed_of(session, taken.request)
    return route(approval, signed, parties=parties_of(taken.request), asker_of=taken.asker_of).signatures


def _approval(decision: Decision) -> ApprovalPolicy | None:
    return None if isinstance(decision, Denied) else decision.rule.approval


def _made(outcome: ApproveOutcome) -> str | None:
    return outcome.request_id if isinstance(outcome, Signed | Approved) else None
