"""The first page: what needs the visitor, and nothing else."""

from datetime import timedelta

from flask import render_template
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.flagged import flagged_keys
from keymgr.keys.listing import Filters, KeyRow, Sort, listing
from keymgr.keys.requests import requests_of
from keymgr.keys.status import EXPIRING, Status
from keymgr.people.whois import owners_of
from keymgr.store.keys import RequestState
from keymgr.web.portal import now, portal
from keymgr.web.visiting import visitor

_SHOWN = 5
_ROTATE_SOON = timedelta(days=7)


@portal.get("/")
def home() -> ResponseReturnValue:
    """Show keys that no longer fit, that end soon or want a new secret, and requests that wait."""
    session, owners = db.session(), owners_of(visitor())
    first = listing(session, owners, now=now(), sort=Sort.EXPIRES)
    live = [row for row in first.rows if row.status not in {Status.EXPIRED, Status.REVOKED}]
    expiring = [row for row in live if row.expires_at <= now() + EXPIRING]
    due = [row for row in live if row not in expiring and _is_due(row)]
    grace = listing(session, owners, now=now(), filters=Filters(status=Status.GRACE)).rows
    waiting = [row for row in requests_of(session, owners, now=now()) if row.state is RequestState.WAITING]
    return render_template(
        "home/home.html",
        me=visitor(),
        flagged=flagged_keys(session, owners, now(), most=_SHOWN),
        expiring=expiring[:_SHOWN],
        due=due[:_SHOWN],
        grace=[row for row in grace if row not in expiring and row not in due][:_SHOWN],
        waiting=waiting[:_SHOWN],
        has_keys=first.total > 0,
        now=now(),
    )


def _is_due(row: KeyRow) -> bool:
    """Tell whether the key wants a new secret soon: its rule says so, or its token ends before the key does."""
    ends_early = row.token_expires_at < row.expires_at and row.token_expires_at <= now() + EXPIRING
    return ends_early or (row.rotate_by is not None and row.rotate_by <= now() + _ROTATE_SOON)
