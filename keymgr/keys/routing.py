"""Where a request goes: the approval that the policy in force asks for, and which of its signatures count."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.terms import evidence_of
from keymgr.policy.approving import Signature, could_approve, counted, may_break
from keymgr.policy.decide import decide
from keymgr.policy.decision import Denied
from keymgr.policy.model import ApprovalPolicy, Asker, InForce, Wish
from keymgr.store.base import EPOCH
from keymgr.store.keys import KeyRequest, RequestApproval, RequestState

AskerOf = Callable[[str], Asker | None]
"""How the door finds who `user:ana` or `svc:pay-ci` is under the policy it passes; None when there is no such owner."""

Signed = tuple[tuple[str, int], ...]
"""The signatures given to a request's present wish: who and for which step, oldest first."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a waiting request needs: `signatures` are those that count under `approval`."""

    approval: ApprovalPolicy
    signatures: tuple[Signature, ...]


def wish_of(request: KeyRequest) -> Wish:
    """Read the wish of a request back, defaults filled in."""
    return Wish(
        service=request.service,
        environment=request.environment,
        scopes=frozenset(request.scopes),
        ttl_seconds=request.ttl_seconds,
        cidrs=tuple(request.cidrs),
    )


def parties_of(request: KeyRequest) -> frozenset[str]:
    """Name who never counts as an approver: who asked, who would own the key, and everybody who changed the wish."""
    return parties(request.requester, request.owner, request.asked)


def parties(requester: str, owner: str, asked: Mapping[str, Any] | None) -> frozenset[str]:
    """Name the same from the columns of a request."""
    return frozenset({requester, owner, *(asked or {}).get("by", ())})


def approval_now(opened: InForce, request: KeyRequest, asker_of: AskerOf, now: datetime) -> ApprovalPolicy | None:
    """Find the approval a request needs under the policy in force; None where the policy refuses the wish now.

    A request that was routed by this very revision is not judged again, so that lists stay quick.
    """
    if request.revision_id == opened.revision:
        return opened.policy.rules[request.rule].approval
    asker = asker_of(request.owner)
    if asker is None:
        return None
    seconds = int((now - EPOCH).total_seconds())
    decision = decide(opened.policy, asker, wish_of(request), evidence_of(request.evidence), seconds)
    return None if isinstance(decision, Denied) else decision.rule.approval


def routed(opened: InForce, request: KeyRequest) -> ApprovalPolicy | None:
    """Find what the rule that routed the request asks for now; None where that rule is gone."""
    rule = opened.policy.rules.get(request.rule)
    return None if rule is None else rule.approval


def is_stranger(opened: InForce, request: KeyRequest, approval: ApprovalPolicy | None, person: Asker) -> bool:
    """Tell whether the request is none of the person's business, so that to them it looks as if it were not there."""
    if person.id in parties_of(request):
        return False
    known = [each for each in (approval, routed(opened, request)) if each is not None]
    return not any(could_approve(each, person) or may_break(each, person) for each in known)


def route(approval: ApprovalPolicy, signed: Signed, *, parties: frozenset[str], asker_of: AskerOf) -> Route:
    """Choose the signatures that count: their givers are looked up as they are now."""
    people = ((asker_of(person), step) for person, step in signed)
    known = [(person, step) for person, step in people if person is not None]
    return Route(approval, counted(approval, known, parties=parties))


def signed_of(session: Session, request: KeyRequest) -> Signed:
    """Read the signatures given to a request's present wish."""
    statement = select(RequestApproval.approver, RequestApproval.step).where(
        RequestApproval.request_id == request.id, RequestApproval.wish_digest == request.wish_digest
    )
    return tuple((person, step) for person, step in session.execute(statement.order_by(RequestApproval.id)))


def signed_of_waiting(session: Session) -> Mapping[str, Signed]:
    """Read the signatures given to all requests that wait, by request."""
    statement = (
        select(RequestApproval.request_id, RequestApproval.approver, RequestApproval.step)
        .join(KeyRequest, KeyRequest.id == RequestApproval.request_id)
        .where(KeyRequest.state == RequestState.WAITING, KeyRequest.wish_digest == RequestApproval.wish_digest)
        .order_by(RequestApproval.id)
    )
    found: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for request_id, person, step in session.execute(statement):
        found[request_id].append((person, step))
    return {request_id: tuple(given) for request_id, given in found.items()}


def remembering(asker_of: AskerOf) -> AskerOf:
    """Look everybody up once, for lists."""
    return cache(asker_of)


def concerned(opened: InForce) -> Collection[ApprovalPolicy]:
    """Return the approvals that rules of the policy ask for, each once."""
    return {rule.approval.name: rule.approval for rule in opened.policy.rules.values()}.values()
