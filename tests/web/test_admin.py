"""The pages of admins: who may open them, and that they show and do what they say."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keymgr.keys.signing_keys import ensure_active
from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.keys import ServiceCredential, SigningKey
from keymgr.store.leases import Lease
from keymgr.store.people import Person
from keymgr.store.policies import ForgeDelivery
from keymgr.web.desk import Desk
from keymgr.web.portal import DESK
from tests.web.house import Browser, address_of, make_app

PAGES = [
    "/admin",
    "/admin/people",
    "/admin/people/new",
    "/admin/people/ben",
    "/admin/people/ben/state?to=left",
    "/admin/service-accounts",
    "/admin/service-accounts/pay-ci/state?to=suspended",
    "/admin/identity",
    "/admin/signing-keys",
    "/admin/service-credentials",
    "/admin/webhooks",
    "/admin/settings",
    "/admin/about",
]


@pytest.fixture
def ada(app: Flask) -> Browser:
    browser = Browser(app)
    browser.enter("ada")
    return browser


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.mark.parametrize("path", PAGES)
def test_only_admins_open_the_pages_and_others_learn_who_can_grant_that(ben: Browser, ada: Browser, path: str) -> None:
    assert ada.get(path).status_code == 200
    refused = ben.get(path)
    assert refused.status_code == 403
    assert "portal permission “admin”" in refused.text
    assert "portal-admin (roles/portal.yaml:" in refused.text


def test_only_admins_see_the_way_there(ben: Browser, ada: Browser) -> None:
    assert 'href="/admin"' in ada.get("/").text
    assert 'href="/admin"' not in ben.get("/").text


def test_without_any_such_role_the_first_administrator_is_named(portal_url: str, tmp_path: Path) -> None:
    app = make_app(portal_url, tmp_path)
    desk: Desk = app.extensions[DESK]
    object.__setattr__(desk, "in_force", lambda _session: None)
    browser = Browser(app)
    browser.enter("ben")
    assert "the first administrator can put one into the policy" in browser.get("/admin").text
    app.extensions["keymgr.api"].close()


def test_jobs_and_health_are_told_worst_first_with_what_to_do(app: Flask, ada: Browser) -> None:
    page = text_of(ada.get("/admin").text)
    assert "Worker Look None is running" in page
    assert "Database OK SQLite answers and is up to date" in page
    assert "Counters OK" in page
    assert "Nothing is broken" in page
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.add(Lease(name="clock", holder="node-1:7", until=datetime.now(UTC) + timedelta(seconds=20)))
        session.execute(update(AuditEvent).values(at=datetime.now(UTC) + timedelta(hours=1)))
    engine.dispose()
    page = text_of(ada.get("/admin").text)
    assert "Worker OK One is running: node-1:7" in page
    assert page.index("Clock Mend") < page.index("Database OK")
    assert "1 to mend" in page


def test_a_secret_setting_is_never_shown(app: Flask, ada: Browser) -> None:
    page = ada.get("/admin/settings").text
    for name in ("KEYMGR_PUBLIC_URL", "KEYMGR_SECRET_KEY", "KEYMGR_KEK", "KEYMGR_DATABASE_URL"):
        assert name in page
    assert "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY" not in page
    assert str(app.config["SQLALCHEMY_DATABASE_URI"].database) not in page
    assert "set, not shown" in page


def test_what_the_policy_expects_of_a_provider_is_shown_and_nothing_is_promised(ada: Browser) -> None:
    page = text_of(ada.get("/admin/identity").text)
    assert "local accounts only" in page
    assert "names no group of a provider" in page


def test_deliveries_of_the_forge_are_shown(portal_url: str, tmp_path: Path) -> None:
    app = make_app(
        portal_url,
        tmp_path,
        KEYMGR_FORGE_KIND="gitlab",
        KEYMGR_FORGE_WEBHOOK_SECRET="s" * 20,
        KEYMGR_POLICY_PULL_URL="https://git.example/p.git",
    )
    engine = connect(portal_url)
    with Session(engine) as session, session.begin():
        session.add(ForgeDelivery(id="d-<b>1", seen_at=datetime.now(UTC)))
    engine.dispose()
    browser = Browser(app)
    browser.enter("ada")
    page = browser.get("/admin/webhooks").text
    assert "GitLab may call" in page
    assert "d-&lt;b&gt;1" in page
    assert "s" * 20 not in page
    app.extensions["keymgr.api"].close()


def test_the_next_signing_key_signs_only_after_the_word_was_typed(app: Flask, ada: Browser) -> None:
    def active() -> str | None:
        engine = connect(address_of(app))
        with Session(engine) as session:
            return session.scalar(select(SigningKey.kid).where(SigningKey.state == "active"))

    before = active()
    page = text_of(ada.get("/admin/signing-keys").text)
    assert "live secrets that it signed" in page
    refused = ada.post("/admin/signing-keys/roll", {"typed": "x", "nonce": "n"})
    assert (refused.status_code, "Type roll" in refused.text, active() == before) == (422, True, True)
    for _ in range(2):
        assert ada.post("/admin/signing-keys/roll", {"typed": " Roll ", "nonce": "n"}).status_code == 303
    after = active()
    assert after != before
    assert "signs from now on" in ada.get("/admin/signing-keys").text
    answer = ada.post(f"/admin/signing-keys/{before}/retire", {"nonce": "n"})
    assert (answer.status_code, "less than an hour ago" in answer.text) == (409, True)
    assert ada.post("/admin/signing-keys/none/retire", {"nonce": "n"}).status_code == 404


def test_a_key_that_nothing_needs_is_retired_by_hand(sqlite_url: str, tmp_path: Path) -> None:
    app = make_app(sqlite_url, tmp_path)
    engine = connect(sqlite_url)
    with Session(engine) as session, session.begin():
        session.add(Person(id="usr_1", name="root", display_name="Root", created_at=datetime.now(UTC)))
        session.query(Person).one().bootstrap_admin = True
    browser = Browser(app)
    browser.enter("root")
    assert "No signing key yet" in browser.get("/admin/signing-keys").text
    browser.post("/admin/signing-keys/roll")
    browser.get("/admin/signing-keys")
    browser.post("/admin/signing-keys/roll", {"typed": "roll"})
    with Session(engine) as session, session.begin():
        row = session.query(SigningKey).filter_by(state="retiring").one()
        kid, row.retiring_at = row.kid, datetime.now(UTC) - timedelta(hours=2)
        desk: Desk = app.extensions[DESK]
        ensure_active(session, desk.issuer, datetime.now(UTC))
    engine.dispose()
    assert "Retire now" in browser.get("/admin/signing-keys").text
    assert browser.post(f"/admin/signing-keys/{kid}/retire").status_code == 303
    assert "Retired" in browser.get("/admin/signing-keys").text
    app.extensions["keymgr.api"].close()


def test_a_service_credential_is_shown_once_and_revoked(app: Flask, ada: Browser) -> None:
    assert "No service may ask yet" in ada.get("/admin/service-credentials").text
    for service, said in (("", "Choose the service"), ("nowhere", "has no service nowhere")):
        answer = ada.post("/admin/service-credentials", {"service": service, "nonce": "n"})
        assert (answer.status_code, said in answer.text) == (422, True)
    made = ada.post("/admin/service-credentials", {"service": "payments", "nonce": "n"})
    secret = re.search(r"data-secret[^>]*>([^<]+)</textarea>", made.text)
    assert secret
    again = ada.post("/admin/service-credentials", {"service": "payments", "nonce": "n"})
    assert again.status_code == 303
    page = ada.get("/admin/service-credentials").text
    assert secret[1] not in page
    engine = connect(address_of(app))
    with Session(engine) as session:
        (credential,) = session.scalars(select(ServiceCredential.id)).all()
    engine.dispose()
    assert ada.post(f"/admin/service-credentials/{credential}/revoke").status_code == 303
    assert "Revoked" in ada.get("/admin/service-credentials").text
    assert ada.post(f"/admin/service-credentials/{credential}/revoke").status_code == 409
    assert ada.post("/admin/service-credentials/svc_none/revoke").status_code == 404
