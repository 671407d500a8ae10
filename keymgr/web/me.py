"""The visitor's own page: how the portal looks and speaks to them, where they are signed in, and what they are."""

from dataclasses import dataclass
from typing import assert_never

from flask import Response, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import logout_user

from keymgr import db
from keymgr.people.preferences import Preferences, Preferred, UnknownZone, prefer, zone_names
from keymgr.people.roles import Belonging, Way, belongings
from keymgr.people.session_list import NoSuchSession, SessionEnded, end_one, sessions_of
from keymgr.people.sessions import end_all
from keymgr.store.people import Person
from keymgr.web.forge import Place, forge_of
from keymgr.web.forms import Problem
from keymgr.web.frame import THEME_COOKIE, Theme, theme
from keymgr.web.portal import desk, go_to, now, only_reads, portal
from keymgr.web.visiting import actor, in_force, visitor
from keymgr.web.zone import preferences

_A_YEAR_SECONDS = 365 * 86_400
_WAYS = {
    Way.NAME: "you are named in it",
    Way.GROUP: "by the group {by} of the identity provider",
    Way.TEAM: "by the team {by}",
    Way.FIRST_ADMIN: "you set this portal up",
}
SHORTCUTS = (
    ("/", "Search"),
    ("n", "Request a key"),
    ("g k", "My keys"),
    ("g a", "Approvals"),
    ("?", "This list"),
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One team or role of the visitor, why they have it, and where that is written."""

    words: str
    because: str
    gives: str
    place: Place | None


@portal.get("/me")
def me() -> ResponseReturnValue:
    """Show the visitor's own page."""
    return _page(preferences(), (), 200)


@portal.post("/me/theme")
@only_reads
def set_theme() -> ResponseReturnValue:
    """Keep the chosen colours in this browser."""
    chosen = next((word for word in Theme if word.value == request.form.get("theme")), Theme.SYSTEM)
    response = go_to(url_for("web.me"))
    flash("Colours are set for this browser.")
    response.set_cookie(
        THEME_COOKIE,
        chosen.value,
        max_age=_A_YEAR_SECONDS,
        secure=desk().public_url.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )
    return response


@portal.post("/me/preferences")
def set_preferences() -> ResponseReturnValue:
    """Keep the time zone and whether single keys are shortcuts, on every browser."""
    wanted = Preferences(request.form.get("time_zone", "")[:64], shortcuts=request.form.get("shortcuts") == "on")
    session = db.session()
    outcome = prefer(session, visitor().person_id, wanted)
    match outcome:
        case UnknownZone(sentence):
            return _page(wanted, (Problem("time_zone", sentence),), 422)
        case Preferred():
            session.commit()
            flash(f"Times are shown in {wanted.time_zone}. Shortcuts are {'on' if wanted.shortcuts else 'off'}.")
            return go_to(url_for("web.me"))
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


@portal.post("/me/sessions/<handle>/end")
def end_session(handle: str) -> ResponseReturnValue:
    """End one of the visitor's sessions; ending this one is signing out."""
    session = db.session()
    outcome = end_one(session, visitor(), handle, actor=actor(), now=now())
    session.commit()
    match outcome:
        case SessionEnded(was_this=True):
            return _signed_out("You are signed out on this browser.")
        case SessionEnded():
            flash("That browser is signed out.")
        case NoSuchSession():
            flash("That browser was signed out already.")
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.me"))


@portal.post("/me/sign-out-everywhere")
def sign_out_everywhere() -> ResponseReturnValue:
    """End every session of the visitor, this one too."""
    session = db.session()
    person = session.get_one(Person, visitor().person_id)
    end_all(session, person, actor=actor(), now=now())
    session.commit()
    return _signed_out("You are signed out on every browser.")


def _signed_out(sentence: str) -> Response:
    logout_user()
    flash(sentence)
    response = go_to(url_for("web.login"))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _page(chosen: Preferences, problems: tuple[Problem, ...], status: int) -> Response:
    page = render_template(
        "me/me.html",
        me=visitor(),
        reasons=_reasons(),
        sessions=sessions_of(
            db.session(),
            visitor(),
            now(),
            idle_seconds=desk().session_idle_seconds,
            absolute_seconds=desk().session_absolute_seconds,
        ),
        chosen=chosen,
        zones=zone_names(),
        shortcuts=SHORTCUTS,
        themes=tuple(Theme),
        theme=theme(),
        problems=problems,
        now=now(),
    )
    return make_response(page, status)


def _reasons() -> tuple[Reason, ...]:
    opened = in_force()
    person = db.session().get_one(Person, visitor().person_id)
    return tuple(_reason(each) for each in belongings(person, None if opened is None else opened.policy))


def _reason(each: Belonging) -> Reason:
    opened = in_force()
    place = None
    if each.source is not None and opened is not None:
        place = forge_of(opened, desk().forge_url, desk().policy_folder).place(each.source)
    words = f"{each.kind.capitalize()} {each.name}" if each.name else "First admin"
    gives = ", ".join(sorted(permission.value for permission in each.portal))
    return Reason(words, _WAYS[each.way].format(by=each.by), gives, place)
