"""Who somebody is: passwords whole and never cut, host names in any case, people who are no longer there."""

import unicodedata
from datetime import datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy.orm import Session

from keymgr.people.passwords import LONGEST, check_strength, hash_password, verify
from keymgr.people.service_accounts import add_service_account, set_service_account_state
from keymgr.store.audit import Actor
from keymgr.store.people import Person, PersonState, ServiceAccount
from tests.web.house import Browser, make_app

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
WORDS = "seven hungry otters paint "


def test_a_password_of_two_part_letters_that_was_accepted_opens_the_door(app: Flask, stranger: Browser) -> None:
    typed = unicodedata.normalize("NFD", ("\u00e9\u00e0\u00f1\u00fc" + WORDS) * 6)[: LONGEST + 40]
    assert len(typed) > LONGEST
    assert check_strength(typed) is None
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        session.query(Person).filter_by(name="ben").one().password_hash = hash_password(typed, QUICK)
    stranger.get("/login")
    assert stranger.post("/login", {"name": "ben", "password": typed + "x"}).status_code == 422
    assert stranger.post("/login", {"name": "ben", "password": typed}).status_code == 303


@pytest.mark.parametrize("more", ["x", "x" * 800, "\0", " "])
def test_a_longer_text_that_begins_with_the_password_is_another_one(more: str) -> None:
    password = (WORDS * 9)[:LONGEST]
    assert check_strength(password) is None
    stored = hash_password(password, QUICK)
    assert verify(stored, password, QUICK)
    assert not verify(stored, password + more, QUICK)
    assert not verify(stored, password[:-1], QUICK)


def test_the_allowed_hosts_are_names_in_any_case(portal_url: str, tmp_path: Path) -> None:
    app = make_app(portal_url, tmp_path, KEYMGR_ALLOWED_HOSTS="Keys.Example.org, LOCALHOST")
    browser = Browser(app)
    for host, status in (("keys.example.org", 200), ("KEYS.EXAMPLE.ORG:8000", 200), ("localhost", 200), ("evil", 400)):
        assert browser.get("/login", Host=host).status_code == status
    app.config["KEYMGR_ENGINE"].dispose()


def test_a_service_account_out_of_use_can_be_acted_for_by_nobody(
    portal_url: str, tmp_path: Path, now: datetime
) -> None:
    app = make_app(portal_url, tmp_path)
    ben = Browser(app)
    ben.enter("ben")
    order = {
        "name": "ci",
        "service": "payments",
        "environment": "dev",
        "scope": ["charges:read"],
        "owner": "svc:pay-ci",
    }
    assert ben.post("/keys/new", order).status_code == 200
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        account = session.query(ServiceAccount).filter_by(name="pay-ci").one()
        set_service_account_state(session, account, PersonState.SUSPENDED, actor=Actor("cli:root"), now=now)
        add_service_account(session, "payci", "shipping", actor=Actor("cli:root"), now=now)
    for owner in ("svc:pay-ci", "svc:payci", "svc:PAY-CI", "svc:", "user:"):
        assert ben.post("/keys", {**order, "owner": owner, "nonce": owner}).status_code == 404
        assert ben.post("/keys/new", {**order, "owner": owner}).status_code == 404
    app.config["KEYMGR_ENGINE"].dispose()
