"""The time zone that this request speaks in: the visitor's, and UTC where nobody is signed in."""

from datetime import UTC, tzinfo
from typing import cast

from flask import g, has_request_context

from keymgr import db
from keymgr.people.preferences import Preferences, preferences_of, zone_named
from keymgr.web.visiting import is_signed_in, visitor


def preferences() -> Preferences:
    """Return what the visitor prefers; asked once for a request, and never where the database may be what is broken."""
    if not has_request_context() or "without_visitor" in g or not is_signed_in():
        return Preferences()
    if "preferences" not in g:
        g.preferences = preferences_of(db.session(), visitor().person_id)
    return cast("Preferences", g.preferences)


def zone() -> tzinfo:
    """Return the zone to write times in."""
    return zone_named(preferences().time_zone) or UTC
