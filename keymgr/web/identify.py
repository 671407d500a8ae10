"""Which key is this? A full key is posted, recognised on the server, and neither echoed nor logged."""

from dataclasses import dataclass

from flask import Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.identify import Identified, identify
from keymgr.web.forms import Problem
from keymgr.web.portal import desk, now, only_reads, portal
from keymgr.web.visiting import rights


@dataclass(frozen=True, slots=True)
class Answered:
    """What the page says of the key that was sent; `found` is None for foreign, unknown and spoilt ones alike."""

    found: Identified | None


@portal.get("/keys/identify")
def key_identify() -> ResponseReturnValue:
    """Ask for the key."""
    return _page(None, (), 200)


@portal.post("/keys/identify")
@only_reads
def key_identify_posted() -> ResponseReturnValue:
    """Say whose it is, if the visitor may know."""
    text = request.form.get("token", "").strip()
    if not text:
        return _page(None, (Problem("token", "Paste the whole key."),), 422)
    found = identify(db.session(), text, rights=rights(), pepper=desk().issuer.pepper, now=now())
    return _page(Answered(found), (), 200)


def _page(answered: Answered | None, problems: tuple[Problem, ...], status: int) -> Response:
    page = render_template("keys/identify.html", answered=answered, problems=problems, now=now())
    return make_response(page, status)
