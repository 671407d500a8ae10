"""Signing keys as admins look after them: where each stands, letting the next one sign, retiring one that is done."""

from typing import assert_never

from flask import Response, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours
from keymgr.keys.signing_key_list import list_signing_keys
from keymgr.keys.signing_keys import Retired, Rolled, ensure_active, retire, roll
from keymgr.policy.model import PortalPermission
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.once import once_only
from keymgr.web.permission import needs
from keymgr.web.portal import desk, go_to, needs_recent_sign_in, now, portal
from keymgr.web.visiting import actor

CONFIRMATION = "roll"


@portal.get("/admin/signing-keys")
@needs(PortalPermission.ADMIN)
def admin_signing_keys() -> ResponseReturnValue:
    """Show the signing keys in the order of their lives."""
    return _page((), 200)


@portal.post("/admin/signing-keys/roll")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_signing_key_roll() -> ResponseReturnValue:
    """Let the next key sign, or make the first one where there is none."""
    session = db.session()
    if not list_signing_keys(session, now()):
        ensure_active(session, desk().issuer, now())
        session.commit()
        flash("The first signing key is made, and the one that comes next is published beside it.")
        return go_to(url_for("web.admin_signing_keys"))
    if request.form.get("typed", "").strip().casefold() != CONFIRMATION:
        return _page((Problem("typed", f"Type {CONFIRMATION} to go on."),), 422)
    outcome = once_only(
        "signing_key.roll",
        "",
        lambda: roll(session, desk().issuer, actor=actor(), now=now()),
        lambda rolled: rolled.active[:40],
    )
    session.commit()
    match outcome:
        case Rolled():
            flash(
                f"{outcome.active} signs from now on. {outcome.retiring} only verifies; nothing that it signed breaks."
            )
        case AlreadyDone():
            pass
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.admin_signing_keys"))


@portal.post("/admin/signing-keys/<kid>/retire")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_signing_key_retire(kid: str) -> ResponseReturnValue:
    """Publish a retiring key no more, once no live secret needs it."""
    session = db.session()
    outcome = retire(session, kid=kid, actor=actor(), level=desk().issuer.audit_level, now=now())
    session.commit()
    match outcome:
        case Retired():
            flash(f"{kid} is retired and published no more.")
            return go_to(url_for("web.admin_signing_keys"))
        case NotNow(sentence):
            return _page((Problem("", sentence),), 409)
        case NotYours():
            raise NotFound
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _page(problems: tuple[Problem, ...], status: int) -> Response:
    page = render_template(
        "admin/signing_keys.html",
        keys=list_signing_keys(db.session(), now()),
        algorithm=desk().issuer.algorithm,
        jwks=f"{desk().public_url}/.well-known/jwks.json",
        confirmation=CONFIRMATION,
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)
