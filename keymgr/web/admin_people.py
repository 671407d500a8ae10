"""People as admins look after them: who is here, why each may do what they may, adding one, passwords, sessions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never
from urllib.parse import urlencode

from flask import Response, abort, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from wtforms import StringField
from wtforms.validators import DataRequired, Length, Optional, Regexp

from keymgr import db
from keymgr.keys.leaving import keys_that_stay
from keymgr.keys.outcomes import AlreadyDone
from keymgr.people.directory import PeoplePage, find_people, find_person
from keymgr.people.enrol import NewPerson, NotAdded, enrol, set_password
from keymgr.people.names import BadName
from keymgr.people.passwords import fresh_password
from keymgr.people.roles import Belonging, belongings
from keymgr.people.session_list import device_of
from keymgr.people.sessions import end_all
from keymgr.people.whois import PERSON_PREFIX
from keymgr.policy.model import PortalPermission
from keymgr.store.people import Person, PersonState, SignInSession
from keymgr.web.drafts import typed
from keymgr.web.forge import Place, forge_of
from keymgr.web.forms import Form, Problem, new_nonce, one_line
from keymgr.web.once import once_only
from keymgr.web.permission import needs
from keymgr.web.portal import desk, go_to, needs_recent_sign_in, now, portal
from keymgr.web.visiting import actor, in_force, visitor

_DIGITS_MAX = 8


class PersonForm(Form):
    """Somebody to add; the password is made here and shown once."""

    name = StringField(filters=[one_line], validators=[DataRequired("Choose a name to sign in with.")])
    display_name = StringField(
        filters=[one_line],
        validators=[DataRequired("Enter what they are called."), Length(max=200, message="Shorten the name.")],
    )
    email = StringField(
        filters=[one_line],
        validators=[
            Optional(),
            Length(max=320, message="That is longer than an address can be."),
            Regexp(r"[^@\s]+@[^@\s]+\Z", message="Enter an address such as ana@example.org, or leave it out."),
        ],
    )


@dataclass(frozen=True, slots=True)
class Reason:
    """One team or role of a person with the reason for it, and where that is written."""

    belonging: Belonging
    place: Place | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One browser in which somebody is signed in."""

    at: datetime
    seen_at: datetime
    address: str
    browser: str


@portal.get("/admin/people")
@needs(PortalPermission.ADMIN)
def admin_people() -> ResponseReturnValue:
    """Show one page of the people who are known here."""
    search, state, number = _asked()
    page = find_people(db.session(), search=search, state=state, number=number)
    return render_template(
        "admin/people.html",
        page=page,
        search=search,
        state=state,
        states=tuple(PersonState),
        rows=[(person, reasons_of(person)) for person in page.people],
        urls=_urls(page, search, state),
        demo=desk().demo,
        now=now(),
    )


@portal.get("/admin/people/new")
@needs(PortalPermission.ADMIN)
def admin_person_new() -> ResponseReturnValue:
    """Show the form that adds somebody."""
    return _new_page(PersonForm(typed()), (), 200)


@portal.post("/admin/people")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_person_add() -> ResponseReturnValue:
    """Add somebody and show their first password, once."""
    form = PersonForm()
    if not form.validate():
        return _new_page(form, form.problems(), 422)
    password, session = fresh_password(), db.session()
    new = NewPerson(form.name.data or "", form.display_name.data or "", password, form.email.data or None)
    try:
        outcome = once_only(
            "person.add",
            new.name,
            lambda: enrol(session, new, actor=actor(), now=now()),
            lambda made: made.id if isinstance(made, Person) else None,
        )
    except BadName as error:
        session.rollback()
        return _new_page(form, (Problem("name", str(error)),), 422)
    session.commit()
    match outcome:
        case Person():
            return show_once(f"{outcome.display_name} can sign in", "Password", password, _page_of(outcome.name))
        case NotAdded(sentence):
            return _new_page(form, (Problem("name", sentence),), 422)
        case AlreadyDone():
            flash("This person was added before, and the password was shown then. Make a new one if it is lost.")
            return go_to(url_for("web.admin_people"))
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


@portal.get("/admin/people/<name>")
@needs(PortalPermission.ADMIN)
def admin_person(name: str) -> ResponseReturnValue:
    """Show somebody: why they may do what they may, what they hold and where they are signed in."""
    session, person = db.session(), read_person(name)
    opened = in_force()
    policy = None if opened is None else opened.policy
    return render_template(
        "admin/person.html",
        person=person,
        reasons=reasons_of(person),
        keys=keys_that_stay(session, PERSON_PREFIX + person.name, policy, now()),
        sessions=_sessions_of(person),
        is_me=person.id == visitor().person_id,
        nonce=new_nonce(),
        now=now(),
    )


@portal.post("/admin/people/<name>/password")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_person_password(name: str) -> ResponseReturnValue:
    """Make a new password for somebody, show it once, and end their sessions."""
    session, person, password = db.session(), read_person(name), fresh_password()
    outcome = once_only(
        "person.password",
        name,
        lambda: set_password(session, person, password, actor=actor(), now=now()),
        lambda _done: person.id,
    )
    session.commit()
    if isinstance(outcome, AlreadyDone):
        flash("A new password was made before by this form, and was shown then.")
        return go_to(_page_of(name))
    return show_once(f"A new password for {person.display_name}", "Password", password, _page_of(name))


@portal.post("/admin/people/<name>/sign-out")
@needs_recent_sign_in
@needs(PortalPermission.ADMIN)
def admin_person_sign_out(name: str) -> ResponseReturnValue:
    """End every session of somebody."""
    session, person = db.session(), read_person(name)
    end_all(session, person, actor=actor(), now=now())
    session.commit()
    flash(f"{person.display_name} is signed out everywhere.")
    return go_to(_page_of(name))


def read_person(name: str) -> Person:
    """Read a person, or answer that there is nobody of that name."""
    person = find_person(db.session(), name)
    if person is None:
        abort(404)
    return person


def reasons_of(person: Person) -> tuple[Reason, ...]:
    """List a person's teams and roles with the reason for each and where it is written."""
    opened = in_force()
    if opened is None:
        return tuple(Reason(each, None) for each in belongings(person, None))
    forge = forge_of(opened, desk().forge_url, desk().policy_folder)
    return tuple(
        Reason(each, None if each.source is None else forge.place(each.source))
        for each in belongings(person, opened.policy)
    )


def show_once(title: str, label: str, secret: str, back: str) -> Response:
    """Show a secret in this one answer: the caller has committed what it belongs to."""
    return make_response(render_template("admin/shown_once.html", title=title, label=label, secret=secret, back=back))


def _asked() -> tuple[str, PersonState | None, int]:
    state = next((word for word in PersonState if word.value == request.args.get("state")), None)
    number = request.args.get("page", "1")
    is_number = number.isascii() and number.isdecimal() and len(number) < _DIGITS_MAX
    return one_line(request.args.get("q"))[:80], state, int(number) if is_number else 1


def _urls(page: PeoplePage, search: str, state: PersonState | None) -> tuple[str | None, str | None]:
    """Return the addresses of the page before and of the one after, None where there is none."""
    chosen = {name: value for name, value in (("q", search), ("state", state or "")) if value}

    def url(number: int) -> str | None:
        if not 1 <= number <= page.pages:
            return None
        return f"{url_for('web.admin_people')}?{urlencode({**chosen, 'page': number})}"

    return url(page.number - 1), url(page.number + 1)


def _sessions_of(person: Person) -> list[SignedIn]:
    oldest = now() - timedelta(seconds=desk().session_absolute_seconds)
    unused = now() - timedelta(seconds=desk().session_idle_seconds)
    row = SignInSession
    alive = (row.person_id == person.id, row.created_at > oldest, row.seen_at > unused)
    statement = select(row.signed_in_at, row.seen_at, row.address, row.user_agent).where(*alive)
    found = db.session().execute(statement.order_by(row.seen_at.desc()))
    return [SignedIn(at, seen_at, address, device_of(agent)) for at, seen_at, address, agent in found]


def _page_of(name: str) -> str:
    return url_for("web.admin_person", name=name)


def _new_page(form: PersonForm, problems: tuple[Problem, ...], status: int) -> Response:
    return make_response(
        render_template("admin/person_new.html", form=form, problems=problems, nonce=new_nonce()), status
    )
