"""Revoking a key: a page that says what will break, and asks twice only where it matters."""

from typing import assert_never

from flask import Response, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.detail import KeyDetail
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours, Revoked
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.status import Status
from keymgr.policy.model import Tier
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.key_page import read_key, was_used_recently
from keymgr.web.portal import desk, go_to, now, portal
from keymgr.web.visiting import actor, in_force, rights, visitor

REASONS = (
    (RevokeReason.LEAKED, "It leaked", "Somebody may have it who should not."),
    (RevokeReason.NOT_NEEDED, "It is not needed any more", ""),
    (RevokeReason.OWNER_LEFT, "Its owner left", ""),
    (RevokeReason.OTHER, "Something else", ""),
)


@portal.get("/keys/<key_id>/revoke")
def key_revoke(key_id: str) -> ResponseReturnValue:
    """Say what will break and ask for a reason."""
    return _page(read_key(key_id), (), 200)


@portal.post("/keys/<key_id>/revoke")
def key_revoke_submit(key_id: str) -> ResponseReturnValue:
    """Revoke, and go to the key's page, which says so."""
    key = read_key(key_id)
    reason = next((word for word in RevokeReason if word.value == request.form.get("reason")), None)
    problems = _problems(key, reason)
    if reason is None or problems:
        return _page(key, problems, 422)
    session = db.session()
    outcome = revoke(
        session,
        key_id=key_id,
        actor=actor(),
        rights=rights(),
        reason=reason,
        note=request.form.get("note", ""),
        submit=Submit(request.form.get("nonce", "")[:64] or new_nonce(), visitor().person_id),
        level=desk().issuer.audit_level,
        now=now(),
    )
    session.commit()
    match outcome:
        case Revoked():
            flash(f"The key “{key.row.name}” is revoked.")
            return go_to(url_for("web.key_page", key_id=key_id))
        case AlreadyDone():
            return go_to(url_for("web.key_page", key_id=key_id))
        case NotNow(sentence):
            return _page(key, (Problem("", sentence),), 409)
        case NotYours():
            raise NotFound
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _problems(key: KeyDetail, reason: RevokeReason | None) -> tuple[Problem, ...]:
    found = []
    if reason is None:
        found.append(Problem("reason", "Choose why the key is revoked."))
    typed = request.form.get("typed", "").strip().casefold()
    if _asks_for_name(key) and typed != key.row.name.strip().casefold():
        found.append(Problem("typed", f"Type the name of the key to go on: {key.row.name}"))
    return tuple(found)


def _asks_for_name(key: KeyDetail) -> bool:
    """Ask twice where something will notice: used within a day, or in production, or nobody knows."""
    opened = in_force()
    environment = None if opened is None else opened.policy.environments.get(key.row.environment)
    return was_used_recently(key, now()) or environment is None or environment.tier is Tier.PROD


def _page(key: KeyDetail, problems: tuple[Problem, ...], status: int) -> Response:
    page = render_template(
        "keys/revoke.html",
        key=key,
        reasons=REASONS,
        chosen=typed().get("reason", ""),
        note=typed().get("note", ""),
        typed=typed().get("typed", ""),
        asks_for_name=_asks_for_name(key),
        is_over=key.row.status is Status.REVOKED,
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)
