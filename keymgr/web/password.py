"""Choosing a password of one's own."""

from typing import assert_never

from flask import Response, flash, make_response, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_user

from keymgr import db
from keymgr.people.own_password import Chosen, NotChosen, choose_password
from keymgr.people.passwords import SHORTEST
from keymgr.people.throttle import Throttled
from keymgr.web.choosing import must_choose
from keymgr.web.forms import Problem
from keymgr.web.portal import desk, go_to, now, portal
from keymgr.web.visiting import SignedInPerson, actor, visitor

_LENGTH_MAX = 1000


@portal.get("/me/password")
def password() -> ResponseReturnValue:
    """Ask for the old password and a new one."""
    return _page((), 200)


@portal.post("/me/password")
def password_choose() -> ResponseReturnValue:
    """Put the new password in force and go on in a fresh sign-in, the only one that is left."""
    old, new = request.form.get("old", ""), request.form.get("new", "")
    problems = tuple(_problems(old, new))
    if problems:
        return _page(problems, 422)
    database = db.session()
    database.rollback()  # Reading who is there has begun a transaction, and the hashes take a while.
    outcome = choose_password(database, visitor(), old=old, new=new, actor=actor(), throttle=desk().throttle, now=now())
    database.commit()
    match outcome:
        case Chosen(token):
            session.clear()
            login_user(SignedInPerson(token))
            flash("Your new password is in force. Every other browser is signed out.")
            return go_to(url_for("web.me"))
        case NotChosen(which, sentence):
            return _page((Problem(which, sentence),), 422)
        case Throttled(seconds, sentence):
            response = _page((Problem("old", sentence),), 429)
            response.headers["Retry-After"] = str(seconds)
            return response
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _problems(old: str, new: str) -> list[Problem]:
    found = []
    if not old or len(old) > _LENGTH_MAX:
        found.append(Problem("old", "Enter the password you have."))
    if not new or len(new) > _LENGTH_MAX:
        found.append(Problem("new", "Enter the password you want."))
    return found


def _page(problems: tuple[Problem, ...], status: int) -> Response:
    page = render_template(
        "me/password.html", name=visitor().name, shortest=SHORTEST, is_first=must_choose(), problems=problems
    )
    return make_response(page, status)
