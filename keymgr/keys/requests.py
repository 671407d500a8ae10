"""Lists of requests: what one's wishes that need approval have come to."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.request_states import state_of
from keymgr.store.keys import KeyRequest, RequestState

SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One line of the list; a request whose time is over is shown as lapsed before the clock says so.

    An approved one can be claimed until `claim_until`; `key_id` is the key that came of it.
    """

    id: str
    name: str
    requester: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    ttl_seconds: int
    justification: str
    rule: str
    rule_source: str
    state: RequestState
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision_reason: str | None
    claim_until: datetime | None
    key_id: str | None
    nudged_at: datetime | None
    break_glass: bool
    wish_digest: str


def requests_of(session: Session, owners: frozenset[str] | None, *, now: datetime) -> tuple[RequestRow, ...]:
    """List the newest requests for keys of `owners` (None: of everybody), at most 200."""
    statement = select(KeyRequest).order_by(KeyRequest.created_at.desc(), KeyRequest.id.desc()).limit(SHOWN_MAX)
    if owners is not None:
        statement = statement.where(KeyRequest.owner.in_(sorted(owners)))
    return tuple(_row(request, now) for request in session.scalars(statement))


def _row(request: KeyRequest, now: datetime) -> RequestRow:
    return RequestRow(
        id=request.id,
        name=request.name,
        requester=request.requester,
        owner=request.owner,
        service=request.service,
        environment=request.environment,
        scopes=tuple(request.scopes),
        ttl_seconds=request.ttl_seconds,
        justification=request.justification,
        rule=request.rule,
        rule_source=request.rule_source,
        state=state_of(request, now),
        created_at=request.created_at,
        expires_at=request.expires_at,
        decided_at=request.decided_at,
        decided_by=request.decided_by,
        decision_reason=request.decision_reason,
        claim_until=request.claim_until,
        key_id=request.key_id,
        nudged_at=request.nudged_at,
        break_glass=request.break_glass,
        wish_digest=request.wish_digest,
    )
