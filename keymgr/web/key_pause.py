"""Taking a key out of use for a while and putting it back: an admin says why, and the page what follows."""

from typing import assert_never

from flask import Response, abort, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.detail import KeyDetail
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours, Resumed, ResumeOutcome, Suspended, SuspendOutcome
from keymgr.keys.revoke import NOTE_LENGTH_MAX, tidy_note
from keymgr.keys.suspend import resume, suspend
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.key_page import read_key
from keymgr.web.portal import desk, go_to, now, portal
from keymgr.web.visiting import actor, rights, visitor

_TELL = Problem("note", "Say why: those who use the key will read it, and so will auditors.")


@portal.get("/keys/<key_id>/suspend")
def key_suspend(key_id: str) -> ResponseReturnValue:
    """Say what stops working and ask why."""
    return _page(_any(key_id), resumes=False)


@portal.get("/keys/<key_id>/resume")
def key_resume(key_id: str) -> ResponseReturnValue:
    """Say why the key is out of use and ask why it may be used again."""
    return _page(_any(key_id), resumes=True)


@portal.post("/keys/<key_id>/suspend")
def key_suspend_submit(key_id: str) -> ResponseReturnValue:
    """Suspend, and go to the key's page, which says so."""
    key = _any(key_id)
    note = tidy_note(request.form.get("note", ""))
    if not note:
        return _page(key, (_TELL,), 422, resumes=False)
    outcome = suspend(
        db.session(),
        key_id=key_id,
        actor=actor(),
        rights=rights(),
        note=note,
        submit=_submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    return _answer(key, outcome, resumes=False)


@portal.post("/keys/<key_id>/resume")
def key_resume_submit(key_id: str) -> ResponseReturnValue:
    """Put the key back into use, and go to its page."""
    key = _any(key_id)
    note = tidy_note(request.form.get("note", ""))
    if not note:
        return _page(key, (_TELL,), 422, resumes=True)
    outcome = resume(
        db.session(),
        key_id=key_id,
        actor=actor(),
        rights=rights(),
        note=note,
        submit=_submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    return _answer(key, outcome, resumes=True)


def _any(key_id: str) -> KeyDetail:
    """Read a key that the visitor may stop and start again: admins only; for others the page does not exist."""
    if not rights().admin:
        abort(404)
    return read_key(key_id)


def _answer(key: KeyDetail, outcome: SuspendOutcome | ResumeOutcome, *, resumes: bool) -> ResponseReturnValue:
    db.session().commit()
    match outcome:
        case Suspended():
            flash(f"The key “{key.row.name}” is suspended. No service accepts it until it is resumed.")
        case Resumed():
            flash(f"The key “{key.row.name}” is in use again.")
        case AlreadyDone():
            pass
        case NotNow(sentence):
            return _page(key, (Problem("", sentence),), 409, resumes=resumes)
        case NotYours():
            abort(404)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.key_page", key_id=key.row.id))


def _page(key: KeyDetail, problems: tuple[Problem, ...] = (), status: int = 200, *, resumes: bool) -> Response:
    page = render_template(
        "keys/pause.html",
        key=key,
        resumes=resumes,
        note=typed().get("note", ""),
        longest=NOTE_LENGTH_MAX,
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)


def _submit() -> Submit:
    return Submit(request.form.get("nonce", "")[:64] or new_nonce(), visitor().person_id)
