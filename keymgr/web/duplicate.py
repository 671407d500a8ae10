"""Asking for another key like this one: the ask form, filled in."""

from math import ceil
from urllib.parse import urlencode

from flask import abort, url_for
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.listing import find_row
from keymgr.keys.order import NAME_LENGTH_MAX
from keymgr.store.keys import Key
from keymgr.web.portal import go_to, now, portal
from keymgr.web.visiting import rights

_MARK = " copy"


@portal.get("/keys/<key_id>/duplicate")
def key_duplicate(key_id: str) -> ResponseReturnValue:
    """Lead to the ask form with what this key has; an owner whom the visitor may not act for is left out."""
    row = find_row(db.session(), key_id, rights().stoppable, now=now())
    if row is None:
        abort(404)
    fields = [
        ("name", row.name[: NAME_LENGTH_MAX - len(_MARK)] + _MARK),
        ("service", row.service),
        ("environment", row.environment),
        *(("scope", scope) for scope in row.scopes),
        ("lifetime", str(ceil((row.expires_at - row.created_at).total_seconds()))),
        ("cidrs", " ".join(db.session().get_one(Key, key_id).cidrs)),
        ("owner", row.owner if row.owner in rights().owners else ""),
    ]
    return go_to(url_for("web.key_new") + "?" + urlencode([(name, value) for name, value in fields if value]))
