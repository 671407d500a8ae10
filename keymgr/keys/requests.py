"""Lists of requests: what one's wishes that need approval have come to."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.store.keys import KeyRequest, RequestState

SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One line of the list; a waiting request whose time is over is shown as lapsed before the clock says so."""

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


def requests_of(session: Session, owners: frozenset[str] | None, *, now: datetime) -> tuple[RequestRow, ...]:
    """List the newest requests for keys of `owners` (None: of everybody), at most 200."""
    statement = select(KeyRequest).order_by(KeyRequest.created_at.desc(), KeyRequest.id.desc()).limit(SHOWN_MAX)
    if owners is not None:
        statement = statement.where(KeyRequest.owner.in_(sorted(owners)))
    return tuple(_row(request, now) for request in session.scalars(statement))


def _row(request: KeyRequest, now: datetime) -> RequestRow:
    over = request.state == RequestState.WAITING and request.expires_at <= now
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
        state=RequestState.LAPSED if over else RequestState(request.state),
        created_at=request.created_at,
        expires_at=request.expires_at,
        decided_at=request.decided_at,
    )
