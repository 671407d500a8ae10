"""Signing in and out."""

from typing import assert_never

from flask import Response, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_user, logout_user
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, Length

from keymgr import db
from keymgr.people.first_admin import waits_for_first_admin
from keymgr.people.sample import SAMPLE_PEOPLE
from keymgr.people.sessions import end
from keymgr.people.sign_in import SignedIn, WrongNameOrPassword, sign_in
from keymgr.people.throttle import Throttled
from keymgr.web.choosing import choose_first
from keymgr.web.drafts import carry_draft_over
from keymgr.web.forms import Form, Problem, tidy
from keymgr.web.portal import desk, go_to, now, open_to_all, portal, same_site_path
from keymgr.web.visiting import SignedInPerson, actor, is_signed_in, stranger, visitor


class LoginForm(Form):
    """A name and a password."""

    name = StringField(
        filters=[tidy], validators=[DataRequired("Enter your name."), Length(max=100, message="Enter your name.")]
    )
    password = PasswordField(
        validators=[DataRequired("Enter your password."), Length(max=1000, message="Enter your password.")]
    )


@portal.get("/login")
@open_to_all
def login() -> ResponseReturnValue:
    """Show the sign-in form; who is signed in already goes on."""
    target = same_site_path(request.args.get("next"))
    if is_signed_in():
        return go_to(target)
    return _page(LoginForm(), target, ())


@portal.post("/login")
@open_to_all
def login_submit() -> ResponseReturnValue:
    """Sign somebody in, which ends the session that this browser had, and go on to where they wanted to be."""
    form = LoginForm()
    target = same_site_path(request.form.get("next"))
    if not form.validate():
        return _page(form, target, form.problems(), 422)
    session = db.session()
    outcome = sign_in(
        session,
        name=form.name.data or "",
        password=form.password.data or "",
        actor=stranger(),
        demo=desk().demo,
        throttle=desk().throttle,
        now=now(),
    )
    if isinstance(outcome, SignedIn) and is_signed_in():
        end(session, visitor(), actor=actor(), now=now())
    session.commit()
    match outcome:
        case SignedIn():
            carry_draft_over()
            login_user(SignedInPerson(outcome.token))
            return go_to(target) if outcome.password_is_own else choose_first()
        case WrongNameOrPassword(sentence):
            return _page(form, target, (Problem("name", sentence),), 422)
        case Throttled(seconds, sentence):
            response = _page(form, target, (Problem("name", sentence),), 429)
            response.headers["Retry-After"] = str(seconds)
            return response
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


@portal.post("/logout")
def sign_out() -> ResponseReturnValue:
    """End this session and let the browser forget what it kept of it."""
    session = db.session()
    end(session, visitor(), actor=actor(), now=now())
    session.commit()
    logout_user()
    flash("You are signed out.")
    response = go_to(url_for("web.login"))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _page(form: LoginForm, target: str, problems: tuple[Problem, ...], status: int = 200) -> Response:
    page = render_template(
        "sign_in/login.html",
        name=form.name.data or "",
        target=target,
        problems=problems,
        sample_people=SAMPLE_PEOPLE if desk().demo else (),
        nobody_yet=waits_for_first_admin(db.session()),
    )
    return make_response(page, status)
