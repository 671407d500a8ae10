"""The approver's inbox: what waits, and whether this person may approve it now or why not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from keymgr.keys.routing import (
    AskerOf,
    Signed,
    approval_now,
    concerned,
    parties,
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
    look_up, signed = remembering(asker_of), signed_of_waiting(session)
    waiting = session.scalars(select(KeyRequest).where(*_waits(now)).order_by(KeyRequest.created_at, KeyRequest.id))
    return tuple(_rows(waiting, opened, person, signed, asker_of=look_up, now=now))


def count_waiting(session: Session, opened: InForce, person: Asker, *, asker_of: AskerOf, now: datetime) -> int:
    """Count what the person may approve now, quickly enough for every page; who is named nowhere costs no query.

    Requests of one rule with the same signatures are judged once; only what another revision routed is read whole.
    """
    if not any(could_approve(approval, person) for approval in concerned(opened)):
        return 0
    look_up = remembering(asker_of)
    signed = signed_of_waiting(session)

    def may(approval: ApprovalPolicy, given: Signed, barred: frozenset[str]) -> bool:
        signatures = route(approval, given, parties=barred, asker_of=look_up).signatures
        return isinstance(may_approve(approval, person, signatures, parties=barred), May)

    @cache
    def may_by_rule(rule: str, given: Signed, barred: frozenset[str]) -> bool:
        return may(opened.policy.rules[rule].approval, given, barred)

    columns = (KeyRequest.id, KeyRequest.rule, KeyRequest.requester, KeyRequest.owner, KeyRequest.asked)
    fresh = session.execute(select(*columns).where(*_waits(now), KeyRequest.revision_id == opened.revision))
    total = 0
    for request_id, rule, requester, owner, asked in fresh:
        given = signed.get(request_id, ())
        relevant = {person.id, *(signer for signer, _ in given)}
        total += may_by_rule(rule, given, parties(requester, owner, asked) & relevant)
    older = select(KeyRequest).where(*_waits(now), KeyRequest.revision_id != opened.revision)
    for request in session.scalars(older):
        approval = approval_now(opened, request, look_up, now)
        if approval is not None and could_approve(approval, person):
            total += may(approval, signed.get(request.id, ()), parties_of(request))
    return total


def _waits(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return KeyRequest.state == RequestState.WAITING, KeyRequest.expires_at > now


def _rows(
    requests: Iterable[KeyRequest],
    opened: InForce,
    person: Asker,
    signed: Mapping[str, Signed],
    *,
    asker_of: AskerOf,
    now: datetime,
) -> Iterator[InboxRow]:
    for request in requests:
        approval = approval_now(opened, request, asker_of, now)
        involved = parties_of(request)
        if approval is None or not _concerns(approval, person, involved):
            continue
        way = route(approval, signed.get(request.id, ()), parties=involved, asker_of=asker_of)
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
            verdict=may_approve(approval, person, way.signatures, parties=involved),
            is_own=person.id in involved,
            may_break_glass=may_break_glass(approval, person, parties=involved) is None,
        )


def _concerns(approval: ApprovalPolicy, person: Asker, involved: frozenset[str]) -> bool:
    return person.id in involved or could_approve(approval, person) or may_break(approval, person)


def _risk(opened: InForce, request: KeyRequest) -> Risk | None:
    """Return the highest risk among the scopes; None where the policy knows none of them any more."""
    service = opened.policy.services.get(request.service)
    known = () if service is None else [service.scopes[name].risk for name in request.scopes if name in service.scopes]
    return max(known, key=list(Risk).index, default=None)
