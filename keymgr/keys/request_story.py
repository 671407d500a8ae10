"""What the audit trail tells of one request."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.detail import Told
from keymgr.store.audit import AuditEvent

EVENTS_MAX = 200


def request_story(session: Session, request_id: str) -> tuple[Told, ...]:
    """List the events of a request, newest first, at most 200."""
    columns = (AuditEvent.at, AuditEvent.actor, AuditEvent.action, AuditEvent.outcome, AuditEvent.detail)
    of_request = (AuditEvent.object_kind == "request", AuditEvent.object_id == request_id)
    statement = select(*columns, AuditEvent.address, AuditEvent.request_id).where(*of_request)
    return tuple(Told(*row) for row in session.execute(statement.order_by(AuditEvent.id.desc()).limit(EVENTS_MAX)))
