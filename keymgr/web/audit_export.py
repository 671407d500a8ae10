"""Takes the audit trail out as a file; that somebody did is in the trail before the first byte leaves."""

from flask import Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from keymgr import db
from keymgr.keys.trail import Event, tell
from keymgr.store.audit import AuditEvent
from keymgr.store.audit_reading import Found
from keymgr.web.audit import check_reader, show
from keymgr.web.audit_file import FileKind, file_lines
from keymgr.web.audit_search import Asked, read_filters
from keymgr.web.portal import desk, now, portal
from keymgr.web.visiting import actor

_TYPES = {FileKind.CSV: "text/csv", FileKind.NDJSON: "application/x-ndjson"}


@portal.post("/audit/export")
def audit_export() -> ResponseReturnValue:
    """Send everything that the filters find, beginning with the entry about this very export."""
    check_reader()
    asked = read_filters(db.session(), request.form)
    if asked.problems:
        return show(asked, Found((), None), 422)
    kind = FileKind.NDJSON if request.form.get("format") == FileKind.NDJSON else FileKind.CSV
    below = _tell(asked, kind) + 1
    lines = file_lines(db.readers(), asked.search, below=below, kind=kind)
    response = Response(lines, mimetype=_TYPES[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="audit-{now():%Y-%m-%d}.{kind}"'
    return response


def _tell(asked: Asked, kind: FileKind) -> int:
    """Write into the trail who takes what, in a transaction of its own, and return the newest entry's number."""
    session = db.session()
    filters = {name: text for name, text in asked.typed.items() if text}
    event = Event("audit.exported", "audit", kind.value, {"filters": filters})
    tell(session, desk().issuer.audit_level, actor(), now(), event)
    newest = session.scalar(select(func.max(AuditEvent.id))) or 0
    session.commit()
    return newest
