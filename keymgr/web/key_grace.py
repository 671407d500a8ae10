"""The grace after a rotation: its page, and ending it, extending it, and undoing the rotation."""

from datetime import datetime
from typing import assert_never

from flask import abort, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.detail import KeyDetail
from keymgr.keys.grace import (
    EndGraceOutcome,
    ExtendGraceOutcome,
    GraceEnded,
    GraceExtended,
    end_grace,
    extend_grace,
)
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours
from keymgr.keys.undo_rotation import RotationUndone, UndoRotationOutcome, undo_rotation
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.grace_view import running
from keymgr.web.key_page import read_key
from keymgr.web.portal import desk, go_to, now, polled, portal
from keymgr.web.visiting import actor, in_force, rights, visitor
from keymgr.web.wording import clock


@portal.get("/keys/<key_id>/grace")
@polled
def key_grace(key_id: str) -> ResponseReturnValue:
    """Show the grace of one key; the key's page takes the part that goes out of date from here, once a minute."""
    return _page(read_key(key_id))


@portal.post("/keys/<key_id>/grace/end")
def key_grace_end(key_id: str) -> ResponseReturnValue:
    """Take the old secret out of use now."""
    outcome = end_grace(
        db.session(),
        key_id=key_id,
        actor=actor(),
        rights=rights(),
        submit=_submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    return _answer(key_id, outcome)


@portal.post("/keys/<key_id>/grace/extend")
def key_grace_extend(key_id: str) -> ResponseReturnValue:
    """Let the old secret work longer, to one of the moments on offer."""
    key = read_key(key_id)
    until = _until(request.form.get("until", ""))
    if until is None:
        return _page(key, (Problem("until", "Choose until when the old secret should work."),), 422)
    outcome = extend_grace(
        db.session(),
        in_force(),
        key_id=key_id,
        until=until,
        actor=actor(),
        rights=rights(),
        submit=_submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    return _answer(key_id, outcome)


@portal.post("/keys/<key_id>/grace/undo")
def key_grace_undo(key_id: str) -> ResponseReturnValue:
    """Make the old secret the key's secret again, as long as nobody used the new one."""
    outcome = undo_rotation(
        db.session(),
        key_id=key_id,
        actor=actor(),
        rights=rights(),
        submit=_submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    return _answer(key_id, outcome)


def _answer(key_id: str, outcome: EndGraceOutcome | ExtendGraceOutcome | UndoRotationOutcome) -> ResponseReturnValue:
    db.session().commit()
    match outcome:
        case GraceEnded():
            flash("The old secret is out of use.")
        case GraceExtended(_, until):
            flash(f"The old secret works until {clock(until)}.")
        case RotationUndone():
            flash("The rotation is undone: the old secret stands again, the new one is out of use.")
        case AlreadyDone():
            pass
        case NotNow(sentence):
            return _page(read_key(key_id), (Problem("", sentence),), 409)
        case NotYours():
            abort(404)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.key_page", key_id=key_id))


def _page(key: KeyDetail, problems: tuple[Problem, ...] = (), status: int = 200) -> ResponseReturnValue:
    page = render_template(
        "keys/grace.html",
        key=key,
        running=running(db.session(), key.row.id),
        is_owner=key.row.owner in rights().owners,
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)


def _submit() -> Submit:
    return Submit(request.form.get("nonce", "")[:64] or new_nonce(), visitor().person_id)


def _until(text: str) -> datetime | None:
    """Read one of the moments on offer; whether it may be chosen is for the verb to say."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
