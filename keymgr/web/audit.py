"""The audit trail: filtered by its address, page by page, each event as a sentence that opens to all it holds."""

from flask import Response, abort, make_response, render_template, request
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.policy.model import PortalPermission
from keymgr.store.audit_names import names_in
from keymgr.store.audit_reading import LOOKED_AT_MAX, Found, find_entries
from keymgr.web.audit_lines import line_of
from keymgr.web.audit_search import ACTIONS, OUTCOMES, Asked, read_filters
from keymgr.web.audit_words import KINDS, phrase
from keymgr.web.permission import lacking
from keymgr.web.portal import now, portal
from keymgr.web.visiting import in_force, visitor

READERS = frozenset({PortalPermission.ADMIN, PortalPermission.AUDITOR})
_PAGE = 50


@portal.get("/audit")
def audit_page() -> ResponseReturnValue:
    """Show one page of the trail to auditors and administrators."""
    check_reader()
    session = db.session()
    asked = read_filters(session, request.args)
    if asked.problems:
        return show(asked, Found((), None), 422)
    return show(asked, find_entries(session, asked.search, before=asked.before, most=_PAGE), 200)


def check_reader() -> None:
    """Let only people through who may read the trail."""
    if not READERS & visitor().portal:
        abort(403, lacking(PortalPermission.AUDITOR, in_force()))


def show(asked: Asked, found: Found, status: int) -> Response:
    """Draw the page."""
    names = names_in(db.session(), found.entries)
    opened = in_force()
    page = render_template(
        "audit/list.html",
        asked=asked,
        lines=[line_of(entry, names) for entry in found.entries],
        older=None if found.older is None else asked.older_url(found.older),
        stopped_at=found.stopped_at,
        looked_at=LOOKED_AT_MAX,
        actions=_action_choices(),
        kinds=KINDS,
        outcomes=OUTCOMES,
        services=sorted(opened.policy.services) if opened else [],
        problems=asked.problems,
        now=now(),
    )
    return make_response(page, status)


def _action_choices() -> dict[str, list[tuple[str, str]]]:
    """Offer every action in its words, by what it is about."""
    offered: dict[str, list[tuple[str, str]]] = {}
    for action in ACTIONS:
        said = phrase(action, "done")
        words = f"{said.before}…{said.after}" if said.names_it else said.before
        offered.setdefault(action.partition(".")[0].replace("_", " "), []).append((action, words))
    return offered
