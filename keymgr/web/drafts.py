"""A form half filled in outlives a session that ended: kept in the signed cookie until the person is back.

Kept are fields by name, none of which ever holds a secret, together with the page that shows the form. That page takes
them once. What does not fit into a cookie loses its longest field.
"""

import json
import zlib
from urllib.parse import unquote_plus

from flask import g, request, session
from werkzeug.datastructures import MultiDict

from keymgr.web.portal import wants_part

_DRAFT = "draft"
_FIELDS = (
    *("name", "owner", "service", "environment", "scope", "lifetime", "cidrs", "ticket", "justification"),
    *("decision", "reason", "text", "emergency", "finding", "note", "typed", "overlap", "hours", "target"),
    *("display_name", "email", "team", "to"),
)
_COMPRESSED_BYTES_MAX = 2400  # Base64, the signature and the rest of the session still fit into one 4,093 byte cookie.


def keep_draft(page: str) -> None:
    """Keep what was sent for the page, an address of ours, that shows the form again."""
    fields = {name: request.form.getlist(name) for name in _FIELDS if any(request.form.getlist(name))}
    while fields and _is_too_long([page, fields]):
        del fields[max(fields, key=lambda name: sum(map(len, fields[name])))]
    if fields:
        session[_DRAFT] = [page, fields]


def typed() -> MultiDict[str, str]:
    """Return what was filled into the form of this page: as just sent, or as a sign-in interrupted it; else nothing."""
    if request.method == "POST":
        return request.form
    if "typed" not in g:
        g.typed = MultiDict() if wants_part() else _take()
    taken: MultiDict[str, str] = g.typed
    return taken


def carry_draft_over() -> None:
    """Empty the session for a new sign-in, except for the draft that is on its way back."""
    kept = session.get(_DRAFT)
    session.clear()
    if kept is not None:
        session[_DRAFT] = kept


def _take() -> MultiDict[str, str]:
    """Take the draft of this page out of the cookie; empty when there is none, or it belongs elsewhere."""
    page, fields = session.get(_DRAFT) or ("", {})
    if unquote_plus(page) != unquote_plus(request.full_path.rstrip("?")):
        return MultiDict()
    del session[_DRAFT]
    return MultiDict([(name, value) for name, values in fields.items() for value in values])


def _is_too_long(kept: object) -> bool:
    return len(zlib.compress(json.dumps(kept).encode())) > _COMPRESSED_BYTES_MAX
