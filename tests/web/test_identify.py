"""Identify a key: a whole key goes in by a form, its name comes out, and nothing of it stays anywhere."""

import logging
import re

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.store.base import Base
from tests.web.house import Browser, Seeded

ORDER = {
    "name": "found on a screen",
    "service": "payments",
    "environment": "dev",
    "scope": "charges:read",
    "lifetime": "2592000",
}


def words(text: str) -> str:
    return re.sub(r"\s+", " ", BeautifulSoup(text, "html.parser").get_text(" "))


def make(browser: Browser, nonce: str) -> tuple[str, str]:
    """Ask for a key; its secret and its id."""
    page = BeautifulSoup(browser.post("/keys", {**ORDER, "nonce": nonce}).text, "html.parser")
    token = page.select_one("#token")
    assert token
    found = re.search(r"/keys/(key_\w+)", str(page))
    assert found
    return token.text.strip(), found.group(1)


def enter(app: Flask, name: str) -> Browser:
    browser = Browser(app)
    browser.enter(name)
    return browser


def dump(app: Flask) -> str:
    with Session(app.config["KEYMGR_ENGINE"]) as session:
        return "\n".join(str(row) for table in Base.metadata.sorted_tables for row in session.execute(select(table)))


@pytest.mark.parametrize("name", ["ben", "ada"])
def test_a_key_one_may_see_is_named_with_a_link(app: Flask, ben: Browser, name: str) -> None:
    token, key_id = make(ben, "i-1")
    page = enter(app, name).post("/keys/identify", {"token": f"  {token}\n"})
    assert page.status_code == 200
    assert "This is found on a screen, active" in words(page.text)
    assert f'href="/keys/{key_id}"' in page.text
    assert token[:40] not in page.text


def test_foreign_unknown_and_spoilt_keys_get_the_same_answer(app: Flask, ben: Browser) -> None:
    token, key_id = make(ben, "i-2")
    dana = enter(app, "dana")
    pages: set[str] = set()
    for text in (token, token[:-3], "km_dev_x", "eyJ", "zebra", "x" * 9000):
        answer = dana.post("/keys/identify", {"token": text})
        pages.add(re.sub(r'name="csrf_token"\s+value="[^"]+"', "", answer.text))
        assert answer.status_code == 200
    assert len(pages) == 1
    page = pages.pop()
    assert "This is not one of yours" in words(page)
    assert "found on a screen" not in page
    assert key_id not in page


def test_nothing_of_the_key_stays(app: Flask, ben: Browser, caplog: pytest.LogCaptureFixture) -> None:
    token, _ = make(ben, "i-3")
    before = dump(app)
    with caplog.at_level(logging.DEBUG):
        answer = ben.post("/keys/identify", {"token": token}, htmx=True)
    secret = token.rsplit(".", 1)[-1]
    assert secret not in answer.text + str(answer.headers) + caplog.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.sub(r"seen_at.*", "", dump(app)) == re.sub(r"seen_at.*", "", before)


def test_an_old_secret_is_told_from_the_new_one(ben: Browser) -> None:
    token, key_id = make(ben, "i-4")
    assert ben.post(f"/keys/{key_id}/rotate", {"overlap": "3600", "nonce": "r-1"}).status_code == 200
    page = words(ben.post("/keys/identify", {"token": token}).text)
    assert "This is an old secret of found on a screen, grace" in page
    assert "This secret works until" in page
    fields = {"reason": "leaked", "typed": "found on a screen", "nonce": "v-1"}
    assert ben.post(f"/keys/{key_id}/revoke", fields).status_code == 303
    page = words(ben.post("/keys/identify", {"token": token}).text)
    assert "This is an old secret of found on a screen, revoked" in page
    assert "This secret was good until" in page


def test_nothing_sent_is_said_beside_the_field(ben: Browser, seeded: Seeded) -> None:
    assert seeded.active
    answer = ben.post("/keys/identify", {"token": "   "})
    assert answer.status_code == 422
    assert "Paste the whole key." in words(answer.text)
    assert "<title>Error:" in answer.text
