"""The approver's inbox: what waits, and whether this person may approve it now or why not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.routing import (
    AskerOf,
    approval_now,
    concerned,
    parties_of,
    remembering,
    route,
    signed_of_waiting,
)
from keymgr.policy.approving import (
    May,
    MayNot,
    StepStanding,
    could_approve,
    may_approve,
    may_break,
    may_break_glass,
    steps_of,
)
from keymgr.policy.model import ApprovalPolicy, Asker, InForce, Risk
from keymgr.store.keys import KeyRequest, RequestState


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One waiting request as one person sees it.

    `is_own` means that the person is a party to it, `may_break_glass` that the policy lets them grant it alone in an
    emergency.
    """

    id: str
    name: str
    requester: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    risk: Risk | None
    ttl_seconds: int
    justification: str
    wish_digest: str
    rule: str
    created_at: datetime
    expires_at: datetime
    nudged_at: datetime | None
    steps: tuple[StepStanding, ...]
    verdict: May | MayNot
    is_own: bool
    may_break_glass: bool


def inbox(
    session: Session, opened: InForce, person: Asker, *, asker_of: AskerOf, now: datetime
) -> tuple[InboxRow, ...]:
    """List what waits and concerns the person, oldest first: what they could approve at any step, and their own.

    Who is named for emergencies sees what they could grant then.
    """
    return tuple(_rows(session, opened, person, asker_of, now))


def count_waiting(session: Session, opened: InForce, person: Asker, *, asker_of: AskerOf, now: datetime) -> int:
    """Count what the person may approve now; who is named nowhere costs no query."""
    if not any(could_approve(approval, person) for approval in concerned(opened)):
        return 0
    return sum(isinstance(row.verdict, May) for row in _rows(session, opened, person, asker_of, now))


def _rows(session: Session, opened: InForce, person: Asker, asker_of: AskerOf, now: datetime) -> Iterator[InboxRow]:
    look_up = remembering(asker_of)
    signed = signed_of_waiting(session)
    statement = select(KeyRequest).where(KeyRequest.state == RequestState.WAITING, KeyRequest.expires_at > now)
    for request in session.scalars(statement.order_by(KeyRequest.created_at, KeyRequest.id)):
        approval = approval_now(opened, request, look_up, now)
        parties = parties_of(request)
        if approval is None or not _concerns(approval, person, parties):
            continue
        way = route(approval, signed.get(request.id, ()), parties=parties, asker_of=look_up)
        yield InboxRow(
            id=request.id,
            name=request.name,
            requester=request.requester,
            owner=request.owner,
            service=request.service,
            environment=request.environment,
            scopes=tuple(request.scopes),
            risk=_risk(opened, request),
            ttl_seconds=request.ttl_seconds,
            justification=request.justification,
            wish_digest=request.wish_digest,
            rule=request.rule,
            created_at=request.created_at,
            expires_at=request.expires_at,
            nudged_at=request.nudged_at,
            steps=steps_of(approval, way.signatures),
            verdict=may_approve(approval, person, way.signatures, parties=parties),
            is_own=person.id in parties,
            may_break_glass=may_break_glass(approval, person, parties=parties) is None,
        )


def _concerns(approval: ApprovalPolicy, person: Asker, parties: frozenset[str]) -> bool:
    return person.id in parties or could_approve(approval, person) or may_break(approval, person)


def _risk(opened: InForce, request: KeyRequest) -> Risk | None:
    """Return the highest risk among the scopes; None where the policy knows none of them any more."""
    service = opened.policy.services.get(request.service)
    known = () if service is None else [service.scopes[name].risk for name in request.scopes if name in service.scopes]
    return max(known, key=list(Risk).index, default=None)
