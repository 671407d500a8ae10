"""Service credentials as admins look after them: what services present when they ask whether a key is good."""

from itertools import groupby
from typing import assert_never

from flask import Response, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours
from keymgr.keys.service_credentials import (
    Created,
    Ended,
    create_service_credential,
    list_service_credentials,
    revoke_service_credential,
)
from keymgr.policy.model import PortalPermission
from keymgr.web.admin_people import show_once
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.once import once_only
from keymgr.web.permission import needs
from keymgr.web.portal import desk, go_to, needs_recent_sign_in, now, portal
from keymgr.web.visiting import actor, in_force


@portal.get("/admin/service-credentials")
@needs(PortalPermission.ADMIN)
def admin_credentials() -> ResponseReturnValue:
    """Show the credentials of each service, and the form that makes one."""
    return _page((), 200)


@portal.post("/admin/service-credentials")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_credential_create() -> ResponseReturnValue:
    """Make a credential for a service and show it once."""
    session, service = db.session(), request.form.get("service", "")
    if not service:
        return _page((Problem("service", "Choose the service that will present it."),), 422)
    outcome = once_only(
        "service_credential.create",
        service[:200],
        lambda: create_service_credential(
            session, in_force(), service=service[:200], actor=actor(), issuer=desk().issuer, now=now()
        ),
        lambda made: made.credential_id if isinstance(made, Created) else None,
    )
    session.commit()
    match outcome:
        case Created():
            back = url_for("web.admin_credentials")
            return show_once(f"A credential for {outcome.service}", "Credential", outcome.credential, back)
        case NotNow(sentence):
            return _page((Problem("service", sentence),), 422)
        case AlreadyDone():
            flash("This form made its credential before, and it was shown then. Revoke it below if it is lost.")
            return go_to(url_for("web.admin_credentials"))
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


@portal.post("/admin/service-credentials/<credential>/revoke")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_credential_revoke(credential: str) -> ResponseReturnValue:
    """Revoke a credential; calls that present it are refused from now on."""
    session = db.session()
    outcome = revoke_service_credential(
        session, credential_id=credential, actor=actor(), level=desk().issuer.audit_level, now=now()
    )
    session.commit()
    match outcome:
        case Ended():
            flash("The credential is revoked: calls that present it are refused.")
            return go_to(url_for("web.admin_credentials"))
        case NotNow(sentence):
            return _page((Problem("", sentence),), 409)
        case NotYours():
            raise NotFound
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _page(problems: tuple[Problem, ...], status: int) -> Response:
    opened = in_force()
    listed = groupby(list_service_credentials(db.session()), key=lambda each: each.service)
    page = render_template(
        "admin/credentials.html",
        services=[(service, list(rows)) for service, rows in listed],
        offered=[] if opened is None else sorted(opened.policy.services),
        typed=typed(),
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)
