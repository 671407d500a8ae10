"""The visitor's own page: who they are to the policy, how pages look, and where they are signed in."""

from datetime import timedelta

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import logout_user
from sqlalchemy import select

from keymgr import db
from keymgr.people.sessions import end_all
from keymgr.store.people import Person, SignInSession
from keymgr.web.frame import THEME_COOKIE, Theme, theme
from keymgr.web.portal import desk, go_to, now, only_reads, portal
from keymgr.web.visiting import actor, visitor

_A_YEAR_SECONDS = 365 * 86_400


@portal.get("/me")
def me() -> ResponseReturnValue:
    """Show the visitor's own page."""
    oldest = now() - timedelta(seconds=desk().session_absolute_seconds)
    unused = now() - timedelta(seconds=desk().session_idle_seconds)
    statement = (
        select(SignInSession)
        .where(
            SignInSession.person_id == visitor().person_id,
            SignInSession.created_at > oldest,
            SignInSession.seen_at > unused,
        )
        .order_by(SignInSession.seen_at.desc())
    )
    return render_template(
        "me/me.html",
        me=visitor(),
        sessions=tuple(db.session().scalars(statement)),
        themes=tuple(Theme),
        theme=theme(),
        now=now(),
    )


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


@portal.post("/me/sign-out-everywhere")
def sign_out_everywhere() -> ResponseReturnValue:
    """End every session of the visitor, this one too."""
    session = db.session()
    person = session.get_one(Person, visitor().person_id)
    end_all(session, person, actor=actor(), now=now())
    session.commit()
    logout_user()
    flash("You are signed out on every browser.")
    response = go_to(url_for("web.login"))
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response
