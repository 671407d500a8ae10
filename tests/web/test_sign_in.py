"""Signing in and out, and the first admin."""

import re
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from sqlalchemy.orm import Session

from keymgr.people.first_admin import make_setup_token
from keymgr.store.engine import connect
from keymgr.store.people import Person
from tests.web.house import Browser, make_app


def test_the_demo_lists_its_people_and_says_so_on_every_page(ben: Browser, stranger: Browser) -> None:
    page = stranger.get("/login").text
    assert "ben-likes-blue-doors" in page
    for text in (page, ben.get("/").text, ben.get("/keys").text, ben.get("/nowhere").text):
        assert "Sample people with known passwords" in text


def test_a_wrong_name_and_a_wrong_password_look_the_same(stranger: Browser) -> None:
    stranger.get("/login")
    answers = [
        stranger.post("/login", {"name": name, "password": "wrong-but-long-enough"}) for name in ("ben", "nobody")
    ]
    assert {answer.status_code for answer in answers} == {422}
    texts = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}
    assert len(texts) == 1
    assert "<title>Error:" in texts.pop().replace("\n", "").replace("  ", "")


def test_empty_fields_are_named_and_linked(stranger: Browser) -> None:
    stranger.get("/login")
    page = stranger.post("/login", {"name": " ", "password": ""}).text
    assert 'href="#name"' in page
    assert 'aria-invalid="true"' in page
    assert 'role="alert"' in page


def test_after_too_many_attempts_the_page_says_when_to_try_again(stranger: Browser) -> None:
    stranger.get("/login")
    attempts = [stranger.post("/login", {"name": "ben", "password": "wrong-but-long-enough"}) for _ in range(11)]
    response = attempts[-1]
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0
    assert "minute" in response.text


def test_signing_in_gives_a_new_session_and_form_token(stranger: Browser) -> None:
    stranger.get("/login")
    before = stranger.token
    stranger.sign_in("ben")
    assert stranger.token != before
    assert stranger.get("/login").status_code == 303


def test_signing_out_ends_the_session_and_clears_the_browser(ben: Browser) -> None:
    cookie = ben.client.get_cookie("keymgr")
    response = ben.post("/logout")
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert ben.get("/keys").status_code == 303
    assert cookie
    ben.client.set_cookie("keymgr", cookie.value)
    assert ben.get("/keys").status_code == 303


def test_signing_out_everywhere_ends_the_other_browsers_too(app: Flask, ben: Browser) -> None:
    other = Browser(app)
    other.sign_in("ben")
    assert other.get("/me").status_code == 200
    ben.get("/me")
    ben.post("/me/sign-out-everywhere")
    assert other.get("/me").status_code == 303


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: Browser) -> None:
    cookie = stranger.get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_over_https_the_cookie_stays_on_this_host_and_on_https(portal_url: str, tmp_path: Path) -> None:
    app = make_app(portal_url, tmp_path, KEYMGR_PUBLIC_URL="https://keys.example.org", KEYMGR_DEMO="false")
    cookie = app.test_client().get("/login", base_url="https://keys.example.org").headers["Set-Cookie"]
    assert cookie.startswith("__Host-keymgr=")
    assert "Secure" in cookie
    app.extensions["keymgr.api"].close()


def test_outside_the_demo_sample_people_are_neither_shown_nor_let_in(portal_url: str, tmp_path: Path) -> None:
    app = make_app(portal_url, tmp_path, KEYMGR_DEMO="false")
    browser = Browser(app)
    page = browser.get("/login").text
    assert "ben-likes-blue-doors" not in page
    assert "Sample people" not in page
    fields = {"name": "ben", "password": "ben-likes-blue-doors"}
    assert browser.post("/login", fields).status_code == 422
    app.extensions["keymgr.api"].close()


def setup_token(url: str) -> str:
    engine = connect(url)
    with Session(engine) as session, session.begin():
        token = make_setup_token(session, datetime.now(UTC))
    engine.dispose()
    assert token
    return token


def test_the_first_admin_comes_in_by_the_token_once(sqlite_url: str, tmp_path: Path) -> None:
    app = make_app(sqlite_url, tmp_path, KEYMGR_DEMO="false")
    token = setup_token(sqlite_url)
    browser = Browser(app)
    assert browser.get("/setup").status_code == 200
    assert "/setup" in browser.get("/login").text
    password = "four words in a row"
    wrong = {"token": "guessed", "display_name": "Root", "name": "root", "password": password}
    refused = browser.post("/setup", wrong)
    assert (refused.status_code, "code of the server" in refused.text) == (422, True)
    assert "guessed" not in refused.text
    fields = {"token": token, "display_name": "Root", "name": "Not A Name", "password": "short"}
    assert "sign-in name" in browser.post("/setup", fields).text
    fields["name"] = "root"
    assert browser.post("/setup", fields).status_code == 422
    fields["password"] = password
    assert browser.post("/setup", {**fields, "display_name": ""}).status_code == 422
    assert browser.post("/setup", fields).status_code == 303
    assert browser.get("/setup").status_code == 404
    assert "/setup" not in browser.get("/login").text
    assert browser.post("/setup", fields).status_code == 404
    browser.get("/login")
    assert browser.post("/login", {"name": "root", "password": "four words in a row"}).location == "/"
    app.extensions["keymgr.api"].close()


def test_before_any_policy_the_pages_say_what_is_missing(sqlite_url: str, tmp_path: Path) -> None:
    app = make_app(sqlite_url, tmp_path, KEYMGR_DEMO="false")
    token = setup_token(sqlite_url)
    browser = Browser(app)
    browser.get("/setup")
    password = "four words in a row"
    browser.post("/setup", {"token": token, "display_name": "Root", "name": "root", "password": password})
    browser.get("/login")
    browser.post("/login", {"name": "root", "password": password})
    assert "No policy is in force" in browser.get("/policy").text
    assert browser.get("/keys/new").status_code == 409
    assert "policy apply" in browser.get("/keys/new").text
    assert browser.get("/keys/new", htmx=True).headers["HX-Reselect"] == "#main"
    assert "You have no keys yet" in browser.get("/keys").text
    browser.get("/")
    assert browser.post("/keys", {"name": "x"}).status_code == 409
    app.extensions["keymgr.api"].close()


def test_somebody_suspended_is_out_at_the_next_click(ben: Browser, portal_url: str) -> None:
    assert ben.get("/keys").status_code == 200
    engine = connect(portal_url)
    with Session(engine) as session, session.begin():
        session.query(Person).filter_by(name="ben").one().state = "suspended"
    engine.dispose()
    assert ben.get("/keys").status_code == 303
