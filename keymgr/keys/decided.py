"""What deciding a request writes: signatures on its wish, the end of its wait, and why it may be granted now."""

from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from keymgr.keys.case import Case
from keymgr.keys.outcomes import Approved
from keymgr.keys.trail import Event, tell, tell_refused
from keymgr.policy.decision import Allowed, Denied, NeedsApproval
from keymgr.store.keys import KeyRequest, RequestApproval, RequestState

CLAIM_SECONDS = 72 * 3600
"""How long an approved request can be claimed."""


def sign(
    session: Session, request: KeyRequest, case: Case, decision: NeedsApproval, *, person: str, step: int, note: str
) -> None:
    """Write down one person's agreement to the present wish; an older one of theirs does not count and makes way."""
    session.execute(
        delete(RequestApproval).where(RequestApproval.request_id == request.id, RequestApproval.approver == person)
    )
    signature = RequestApproval(
        request_id=request.id,
        step=step,
        approver=person,
        wish_digest=request.wish_digest,
        revision_id=case.in_force.revision,
        at=case.now,
        note=note,
    )
    session.add(signature)
    session.flush()
    detail = {"name": request.name, "step": decision.rule.approval.steps[step].name, **_why(request)}
    tell(session, case.issuer.audit_level, case.actor, case.now, Event("request.signed", "request", request.id, detail))


def approve_request(
    session: Session, request: KeyRequest, case: Case, *, by: str | None, reason: str, action: str = "request.approved"
) -> Approved:
    """End the wait: the request can be claimed from now on. `by` None means that the policy asks nobody any more."""
    request.state = RequestState.APPROVED
    request.decided_at = case.now
    request.decided_by = by
    request.decision_reason = reason or None
    request.claim_until = until = case.now + timedelta(seconds=CLAIM_SECONDS)
    session.flush()
    detail = {"name": request.name, "owner": request.owner, "claim_until": until.isoformat(), **_why(request)}
    tell(
        session, case.issuer.audit_level, case.actor, case.now, Event(action, "request", request.id, detail, case.whole)
    )
    return Approved(request.id, until)


def reroute(request: KeyRequest, case: Case, decision: Allowed | NeedsApproval) -> None:
    """Note by which rule of the policy in force the wish is granted now."""
    request.rule = decision.rule.name
    request.rule_source = str(decision.rule.source)
    request.revision_id = case.in_force.revision


def void_signatures(session: Session, request: KeyRequest) -> None:
    """Forget who agreed to a wish that has changed; the audit trail keeps it."""
    session.execute(delete(RequestApproval).where(RequestApproval.request_id == request.id))


def tell_denied(session: Session, request: KeyRequest, case: Case, action: str, decision: Denied) -> None:
    """Tell the trail, where its level wants refused attempts, that the policy stands in the way."""
    reasons = [unmet.reason.value for unmet in decision.reasons]
    detail = {"name": request.name, "reasons": reasons, "sentence": decision.reasons[0].sentence}
    event = Event(action, "request", request.id, detail, case.whole)
    tell_refused(session, case.issuer.audit_level, case.actor, case.now, event)


def tell_barred(session: Session, request: KeyRequest, case: Case, action: str, sentence: str) -> None:
    """Tell the trail, where its level wants refused attempts, that the person may not do this."""
    event = Event(action, "request", request.id, {"name": request.name, "sentence": sentence})
    tell_refused(session, case.issuer.audit_level, case.actor, case.now, event)


def _why(request: KeyRequest) -> dict[str, object]:
    return {
        "wish_digest": request.wish_digest,
        "rule": request.rule,
        "source": request.rule_source,
        "revision": request.revision_id,
    }
