"""Requests that wait for approval: the visitor's own, and taking one back."""

from typing import assert_never

from flask import abort, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours, Withdrawn
from keymgr.keys.requests import requests_of
from keymgr.keys.withdraw import withdraw
from keymgr.people.whois import owners_of
from keymgr.web.forms import new_nonce
from keymgr.web.portal import desk, go_to, now, portal
from keymgr.web.visiting import actor, in_force, rights, visitor


@portal.get("/requests")
def request_list() -> ResponseReturnValue:
    """Show what was asked for and what came of it."""
    return render_template(
        "requests/list.html",
        requests=requests_of(db.session(), owners_of(visitor()), now=now()),
        policy=None if (opened := in_force()) is None else opened.policy,
        nonce=new_nonce(),
        now=now(),
    )


@portal.post("/requests/<request_id>/withdraw")
def request_withdraw(request_id: str) -> ResponseReturnValue:
    """Take a waiting request back."""
    session = db.session()
    outcome = withdraw(
        session,
        request_id=request_id,
        actor=actor(),
        rights=rights(),
        submit=Submit(request.form.get("nonce", "")[:64] or new_nonce(), visitor().person_id),
        level=desk().issuer.audit_level,
        now=now(),
    )
    session.commit()
    match outcome:
        case Withdrawn():
            flash("The request is withdrawn. Nothing was issued.")
        case NotNow(sentence):
            abort(409, sentence)
        case NotYours():
            raise NotFound
        case AlreadyDone():
            pass
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.request_list"))
