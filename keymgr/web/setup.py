"""The first set-up: a form for the code of the server's log, then a list of what is left to do, then nothing."""

from flask import abort, flash, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, Length

from keymgr import db
from keymgr.people.enrol import NotAdded
from keymgr.people.first_admin import BadSetupToken, claim_setup, waits_for_first_admin
from keymgr.people.names import BadName
from keymgr.web.forms import Form, Problem, tidy
from keymgr.web.portal import go_to, now, open_to_all, portal
from keymgr.web.setup_tasks import is_under_way, tasks_page
from keymgr.web.visiting import is_signed_in, stranger


class SetupForm(Form):
    """Who the first admin is, and the code that proves it."""

    token = StringField(
        filters=[tidy],
        validators=[DataRequired("Enter the code of the server's log."), Length(max=200, message="That is no code.")],
    )
    display_name = StringField(
        filters=[tidy], validators=[DataRequired("Enter your name."), Length(max=200, message="Shorten your name.")]
    )
    name = StringField(filters=[tidy], validators=[DataRequired("Choose a name to sign in with.")])
    password = PasswordField(validators=[DataRequired("Choose a password.")])


@portal.get("/setup")
@open_to_all
def setup() -> ResponseReturnValue:
    """Show the form while there is nobody, then the tasks to an admin; the code is typed: an address would keep it."""
    if waits_for_first_admin(db.session()):
        return render_template("sign_in/setup.html", form=SetupForm(), problems=())
    if not is_signed_in() or not is_under_way():
        abort(404)
    return tasks_page((), 200)


@portal.post("/setup")
@open_to_all
def setup_submit() -> ResponseReturnValue:
    """Make the first admin, who then signs in like everybody else."""
    if not waits_for_first_admin(db.session()):
        abort(404)
    form = SetupForm()
    problems = form.problems() if not form.validate() else _claim(form)
    if problems:
        return render_template("sign_in/setup.html", form=form, problems=problems), 422
    flash("You are the first administrator. Sign in with your new name and password.")
    return go_to(url_for("web.login", next=url_for("web.setup")))


def _claim(form: SetupForm) -> tuple[Problem, ...]:
    """Spend the token; what has to be corrected is returned and leaves the token good."""
    session = db.session()
    try:
        outcome = claim_setup(
            session,
            form.token.data or "",
            form.name.data or "",
            form.password.data or "",
            now=now(),
            display_name=form.display_name.data or "",
            actor=stranger(),
        )
    except BadName as error:
        return (Problem("name", str(error)),)
    match outcome:
        case BadSetupToken(sentence):
            return (Problem("token", sentence),)
        case NotAdded(sentence):
            return (Problem("password", sentence),)
        case _:
            session.commit()
            return ()
