"""A form half filled in outlives a session that ended: kept in the signed cookie until the person is back.

Only the ask form has anything worth keeping, and nothing in it is secret. A draft that does not fit into a cookie goes
without its justification.
"""

import json
import zlib

from flask import request, session
from werkzeug.datastructures import MultiDict

_DRAFT = "draft"
_FIELDS = ("name", "owner", "service", "environment", "scope", "lifetime", "cidrs", "ticket", "justification")
_COMPRESSED_BYTES_MAX = 2400  # Base64, the signature and the rest of the session still fit into one 4,093 byte cookie.


def keep_draft() -> bool:
    """Keep what was sent if this is the ask form, and tell whether it is; anything else has nothing to keep."""
    if request.method != "POST" or request.path not in {"/keys", "/keys/new"}:
        return False
    fields = {name: request.form.getlist(name) for name in _FIELDS if name in request.form}
    if len(zlib.compress(json.dumps(fields).encode())) > _COMPRESSED_BYTES_MAX:
        fields = {name: values for name, values in fields.items() if name != "justification"}
    if len(zlib.compress(json.dumps(fields).encode())) <= _COMPRESSED_BYTES_MAX:
        session[_DRAFT] = fields
    return True


def take_draft() -> MultiDict[str, str]:
    """Return the kept draft once; empty when there is none."""
    kept: dict[str, list[str]] = session.pop(_DRAFT, {})
    return MultiDict([(name, value) for name, values in kept.items() for value in values])


def carry_draft_over() -> None:
    """Empty the session for a new sign-in, except for the draft that is on its way back."""
    kept = session.get(_DRAFT)
    session.clear()
    if kept is not None:
        session[_DRAFT] = kept
