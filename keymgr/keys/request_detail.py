"""One request with all that is known of it: the wish, how its approval stands, who signed, what was said."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.held import with_keys_held
from keymgr.keys.request_states import state_of
from keymgr.keys.routing import AskerOf, parties_of, route, signed_of, wish_of
from keymgr.keys.terms import evidence_of
from keymgr.policy.approving import Signature, StepStanding, could_approve, is_met, may_break, steps_of
from keymgr.policy.decide import decide
from keymgr.policy.decision import Allowed, Decision, Denied
from keymgr.policy.model import ApprovalPolicy, Asker, InForce, PortalPermission
from keymgr.store.base import EPOCH
from keymgr.store.keys import KeyRequest, RequestApproval, RequestMessage, RequestState

OPEN = frozenset({RequestState.WAITING, RequestState.APPROVED})
SEES_EVERY_REQUEST = frozenset({PortalPermission.ADMIN, PortalPermission.AUDITOR, PortalPermission.REVIEWER})


@dataclass(frozen=True, slots=True)
class Asked:
    """The wish as it was first sent, before an approver or an edit changed it."""

    scopes: tuple[str, ...]
    ttl_seconds: int
    cidrs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """One signature on the present wish; `counts` says whether its giver may still give it under this policy."""

    person: str
    step: int
    at: datetime
    note: str
    revision: int
    counts: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the conversation."""

    id: int
    author: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class RequestDetail:
    """Everything the pages of a request show.

    `state` is lapsed as soon as its time is over. `decision` is what the policy in force says to the wish now, while
    the request is open; `approval` is what it asks for, None where it refuses the wish or there is no policy.
    `is_claimable` says that a claim would go through as far as approval is concerned.
    """

    id: str
    name: str
    requester: str
    owner: str
    parties: frozenset[str]
    service: str
    environment: str
    scopes: tuple[str, ...]
    cidrs: tuple[str, ...]
    ttl_seconds: int
    justification: str
    facts: Mapping[str, Any]
    wish_digest: str
    asked: Asked | None
    rule: str
    rule_source: str
    revision: int
    created_at: datetime
    expires_at: datetime
    state: RequestState
    decided_at: datetime | None
    decided_by: str | None
    decision_reason: str | None
    claim_until: datetime | None
    key_id: str | None
    nudged_at: datetime | None
    break_glass: bool
    reviewed_at: datetime | None
    reviewed_by: str | None
    review_note: str | None
    decision: Decision | None
    approval: ApprovalPolicy | None
    counted: tuple[Signature, ...]
    steps: tuple[StepStanding, ...]
    signatures: tuple[SignatureRow, ...]
    messages: tuple[Message, ...]
    is_claimable: bool


def request_detail(
    session: Session, opened: InForce | None, request_id: str, *, asker_of: AskerOf, now: datetime
) -> RequestDetail | None:
    """Read one request; None when there is none. Who may see it is asked of `may_see`."""
    request = session.get(KeyRequest, request_id, populate_existing=True)
    if request is None:
        return None
    state = state_of(request, now)
    decision = _decision(session, opened, request, asker_of, now) if state in OPEN else None
    approval = _approval(opened, request, decision)
    counted = _counted(session, request, approval, asker_of)
    return RequestDetail(
        id=request.id,
        name=request.name,
        requester=request.requester,
        owner=request.owner,
        parties=parties_of(request),
        service=request.service,
        environment=request.environment,
        scopes=tuple(request.scopes),
        cidrs=tuple(request.cidrs),
        ttl_seconds=request.ttl_seconds,
        justification=request.justification,
        facts=request.evidence["facts"],
        wish_digest=request.wish_digest,
        asked=_asked(request),
        rule=request.rule,
        rule_source=request.rule_source,
        revision=request.revision_id,
        created_at=request.created_at,
        expires_at=request.expires_at,
        state=state,
        decided_at=request.decided_at,
        decided_by=request.decided_by,
        decision_reason=request.decision_reason,
        claim_until=request.claim_until,
        key_id=request.key_id,
        nudged_at=request.nudged_at,
        break_glass=request.break_glass,
        reviewed_at=request.reviewed_at,
        reviewed_by=request.reviewed_by,
        review_note=request.review_note,
        decision=decision,
        approval=approval,
        counted=counted,
        steps=() if approval is None else steps_of(approval, counted),
        signatures=_signatures(session, request, counted),
        messages=_messages(session, request.id),
        is_claimable=_is_claimable(request, state, decision, counted),
    )


def may_see(
    detail: RequestDetail, person: Asker, owners: Collection[str], portal: Collection[PortalPermission]
) -> bool:
    """Tell whether the person may know of the request: a party, whoever could approve or has signed, and officials."""
    if detail.owner in owners or person.id in detail.parties or not SEES_EVERY_REQUEST.isdisjoint(portal):
        return True
    if detail.approval is not None and could_approve(detail.approval, person):
        return True
    decided = {detail.decided_by, *(signature.person for signature in detail.signatures)}
    return person.id in decided or (detail.approval is not None and may_break(detail.approval, person))


def _decision(
    session: Session, opened: InForce | None, request: KeyRequest, asker_of: AskerOf, now: datetime
) -> Decision | None:
    asker = None if opened is None else asker_of(request.owner)
    if opened is None or asker is None:
        return None
    wish = wish_of(request)
    evidence = with_keys_held(session, evidence_of(request.evidence), owner=request.owner, wish=wish, now=now)
    return decide(opened.policy, asker, wish, evidence, int((now - EPOCH).total_seconds()))


def _approval(opened: InForce | None, request: KeyRequest, decision: Decision | None) -> ApprovalPolicy | None:
    """Take the approval of the rule that accepts now; for a request that has ended, of the rule that routed it."""
    if decision is not None:
        return None if isinstance(decision, Denied) else decision.rule.approval
    rule = None if opened is None else opened.policy.rules.get(request.rule)
    return None if rule is None else rule.approval


def _counted(
    session: Session, request: KeyRequest, approval: ApprovalPolicy | None, asker_of: AskerOf
) -> tuple[Signature, ...]:
    if approval is None:
        return ()
    signed = signed_of(session, request)
    return route(approval, signed, parties=parties_of(request), asker_of=asker_of).signatures


def _asked(request: KeyRequest) -> Asked | None:
    if request.asked is None:
        return None
    return Asked(tuple(request.asked["scopes"]), request.asked["ttl_seconds"], tuple(request.asked["cidrs"]))


def _signatures(session: Session, request: KeyRequest, counted: Collection[Signature]) -> tuple[SignatureRow, ...]:
    statement = select(RequestApproval).where(
        RequestApproval.request_id == request.id, RequestApproval.wish_digest == request.wish_digest
    )
    return tuple(
        SignatureRow(
            row.approver, row.step, row.at, row.note, row.revision_id, Signature(row.approver, row.step) in counted
        )
        for row in session.scalars(statement.order_by(RequestApproval.id))
    )


def _messages(session: Session, request_id: str) -> tuple[Message, ...]:
    columns = (RequestMessage.id, RequestMessage.author, RequestMessage.at, RequestMessage.text)
    statement = select(*columns).where(RequestMessage.request_id == request_id).order_by(RequestMessage.id)
    return tuple(Message(*row) for row in session.execute(statement))


def _is_claimable(
    request: KeyRequest, state: RequestState, decision: Decision | None, counted: Collection[Signature]
) -> bool:
    if isinstance(decision, Allowed):
        return True
    if decision is None or isinstance(decision, Denied) or state != RequestState.APPROVED:
        return False
    return request.break_glass or is_met(decision.rule.approval, tuple(counted))
