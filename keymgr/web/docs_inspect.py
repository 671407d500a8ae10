"""Paste a token to inspect: decoded in the page by a script, or here when there is none; neither keeps it."""

from dataclasses import replace
from datetime import datetime
from http import HTTPStatus

from flask import render_template, request
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.identify import identify
from keymgr.keys.out_of_use import status_indexes_out_of_use
from keymgr.keys.signing_keys import load_keyring
from keymgr.keys.status import Status
from keymgr.web.docs import aim
from keymgr.web.docs_claims import CLAIMS, HEADER
from keymgr.web.docs_decode import House, Inspected, Said, Tone, inspect_token
from keymgr.web.forms import Problem
from keymgr.web.portal import desk, now, only_reads, open_to_all, portal
from keymgr.web.visiting import is_signed_in, rights
from keymgr.web.wording import owner_words
from keymgr.web.zone import preferences

_LENGTH_MAX = 8192


@portal.get("/docs/inspect")
@open_to_all
def docs_inspect() -> ResponseReturnValue:
    """Show the form; with a script the answer comes without a request."""
    return _page(None, ())


@portal.post("/docs/inspect")
@open_to_all
@only_reads
def docs_inspect_posted() -> ResponseReturnValue:
    """Decode the posted token, for browsers without a script; it is not repeated in the answer."""
    token = request.form.get("token", "").strip()
    if not token:
        return _page(None, (Problem("token", "Paste a token first."),)), HTTPStatus.UNPROCESSABLE_ENTITY
    if len(token) > _LENGTH_MAX or not token.isascii() or not token.isprintable():
        problem = Problem("token", f"A token of ours is plain ASCII of at most {_LENGTH_MAX} characters.")
        return _page(None, (problem,)), HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(_known(_inspected(token, now()), token, now()), ())


def _page(found: Inspected | None, problems: tuple[Problem, ...]) -> str:
    return render_template(
        "docs/inspect.html",
        aim=aim(),
        found=found,
        problems=problems,
        meanings={**HEADER, **CLAIMS},
        issuer=desk().issuer.url,
        zone=preferences().time_zone,
    )


def _inspected(token: str, moment: datetime) -> Inspected:
    issuer = desk().issuer
    ring = load_keyring(db.session(), issuer)
    chosen = aim().chosen
    house = House(issuer.url, {} if ring is None else ring.verifying, chosen)
    found = inspect_token(token, house, moment)
    if found.place is None:
        return found
    _, out_of_use = status_indexes_out_of_use(db.session(), moment)
    standing = (
        Said(Tone.BAD, "Out of use: revoked, suspended or replaced.")
        if found.place in out_of_use
        else Said(Tone.GOOD, "In use: neither revoked, suspended nor replaced.")
    )
    return replace(found, said=(*found.said, standing))


def _known(found: Inspected, token: str, moment: datetime) -> Inspected:
    """Say which key it is and how it stands, to somebody who may see it; the secret inside has to fit."""
    if not is_signed_in():
        return replace(found, key_id=None)
    key = identify(db.session(), token, rights=rights(), pepper=desk().issuer.pepper, now=moment)
    if key is None:
        return replace(found, key_id=None)
    is_over = key.row.status in {Status.REVOKED, Status.EXPIRED, Status.SUSPENDED}
    whose = f"“{key.row.name}” of {owner_words(key.row.owner)}"
    which = whose if key.is_current else f"an older secret of {whose}"
    said = Said(Tone.BAD if is_over else Tone.GOOD, f"It is {which}: {key.row.status.value.lower()}.")
    return replace(found, said=(*found.said, said), key_id=key.row.id)
