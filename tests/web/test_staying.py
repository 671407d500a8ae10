"""Every page knows when the sign-in ends, and one click lets it go on."""

import re
from datetime import UTC, datetime, timedelta

from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from keymgr.store.people import SignInSession
from tests.web.house import Browser, address_of


def move(app: Flask, *, seen_minutes_ago: float, began_hours_ago: float = 1) -> None:
    """Let every session be unused, and old."""
    now = datetime.now(UTC)
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        seen, began = now - timedelta(minutes=seen_minutes_ago), now - timedelta(hours=began_hours_ago)
        session.execute(update(SignInSession).values(seen_at=seen, created_at=began))
    engine.dispose()


def ends(page: str) -> dict[str, int]:
    return {name: int(seconds) for name, seconds in re.findall(r'data-(seconds|final|idle)="(\d+)"', page)}


def test_each_page_says_when_the_sign_in_ends_unless_it_is_used(app: Flask, ben: Browser) -> None:
    move(app, seen_minutes_ago=0.5)
    found = ends(ben.get("/keys").text)
    assert found["idle"] == 3600
    assert 3560 <= found["seconds"] <= 3571
    assert 10 * 3600 <= found["final"] <= 11 * 3600
    move(app, seen_minutes_ago=50)
    assert ends(ben.get("/keys").text)["seconds"] == 3600


def test_in_any_case_it_ends_when_the_day_is_over(app: Flask, ben: Browser) -> None:
    move(app, seen_minutes_ago=0.5, began_hours_ago=11.99)
    assert ends(ben.get("/keys").text)["final"] <= 36


def test_staying_works_by_a_form_by_htmx_and_by_an_address(app: Flask, ben: Browser) -> None:
    move(app, seen_minutes_ago=59)
    assert ben.post("/stay", htmx=True).status_code == 204
    assert "You stay signed in" in ben.post("/stay").text
    assert "You stay signed in" in ben.get("/stay").text
    move(app, seen_minutes_ago=61)
    answer = ben.post("/stay", htmx=True)
    assert (answer.status_code, answer.headers["HX-Redirect"].startswith("/login")) == (401, True)


def test_a_page_without_a_visitor_says_nothing_of_it(stranger: Browser) -> None:
    assert 'id="ending"' not in stranger.get("/login").text
