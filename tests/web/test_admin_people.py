"""Admins look after people and service accounts: each step audited, once per form, and never against themselves."""

import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.people.enrol import NewPerson, enrol
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.engine import connect
from keymgr.store.people import Person, ServiceAccount
from tests.web.house import QUICK, Browser, Seeded, address_of
from tests.web.test_recent_sign_in import grow_old

EVE = {"name": "Eve.Adams", "display_name": "Eve <b>Adams</b>", "email": "eve@example.org", "nonce": "n"}


@pytest.fixture
def ada(app: Flask) -> Browser:
    browser = Browser(app)
    browser.enter("ada")
    return browser


def state_of(app: Flask, name: str) -> str | None:
    engine = connect(address_of(app))
    with Session(engine) as session:
        return session.scalar(select(Person.state).where(Person.name == name))


def story(app: Flask) -> list[tuple[str, str, str]]:
    engine = connect(address_of(app))
    with Session(engine) as session:
        rows = session.execute(
            select(AuditEvent.action, AuditEvent.object_id, AuditEvent.actor)
            .where(AuditEvent.actor == "user:ada")
            .order_by(AuditEvent.id)
        )
        return [(row.action, row.object_id, row.actor) for row in rows]


def secret_in(page: str) -> str:
    found = re.search(r"data-secret[^>]*>([^<]+)</textarea>", page)
    assert found
    return found[1]


def test_somebody_who_is_added_signs_in_with_the_password_that_was_shown_once(app: Flask, ada: Browser) -> None:
    made = ada.post("/admin/people", EVE)
    assert made.status_code == 200
    assert made.headers["Cache-Control"] == "no-store"
    password = secret_in(made.text)
    assert ada.post("/admin/people", EVE).status_code == 303
    assert password not in ada.get("/admin/people").text
    page = ada.get("/admin/people/eve.adams").text
    assert "Eve &lt;b&gt;Adams" in page
    assert "The policy names them nowhere" in page
    eve = Browser(app)
    eve.get("/login")
    assert eve.post("/login", {"name": "eve.adams", "password": password}).status_code == 303
    assert story(app) == [("person.added", "eve.adams", "user:ada")]


def test_a_password_that_an_admin_made_opens_nothing_but_the_choice_of_another(app: Flask, ada: Browser) -> None:
    """Or an admin could act as somebody, approve their own request say, and nobody would notice."""
    eve, own = Browser(app), "eve-has-chosen-these-words"
    for path, fields in (("/admin/people", EVE), ("/admin/people/eve.adams/password", {"nonce": "p"})):
        password = secret_in(ada.post(path, fields).text)
        eve.get("/login")
        entered = eve.post("/login", {"name": "eve.adams", "password": password, "next": "/keys/new"})
        assert entered.location == "/me/password"
        assert "made by somebody else" in eve.get("/me/password").text
        for page in ("/", "/keys", "/keys.csv", "/requests", "/approvals", "/me", "/policy"):
            assert eve.get(page).location == "/me/password"
        assert eve.post("/keys", {"name": "x"}).location == "/me/password"
        assert eve.get("/keys", htmx=True).headers["HX-Redirect"] == "/me/password"
        assert eve.post("/stay", htmx=True).status_code == 204
        assert eve.post("/me/password", {"old": password, "new": "short"}).status_code == 422
        assert eve.post("/me/password", {"old": password, "new": own}).location == "/me"
        assert eve.get("/keys").status_code == 200
        assert "made by somebody else" not in eve.get("/me/password").text
        eve.post("/logout")
        eve.get("/login")
        assert eve.post("/login", {"name": "eve.adams", "password": own, "next": "/keys"}).location == "/keys"
        own += "-again"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "Choose a name"),
        ({"name": "ben"}, "already called ben"),
        ({"name": "Not A Name"}, "A sign-in name has at most"),
        ({"display_name": " "}, "Enter what they are called"),
        ({"email": "nowhere"}, "Enter an address"),
    ],
    ids=["no name", "taken", "bad name", "called nothing", "no address"],
)
def test_what_is_wrong_with_a_new_person_is_said_and_nobody_is_added(
    app: Flask, ada: Browser, changed: dict[str, str], said: str
) -> None:
    answer = ada.post("/admin/people", {**EVE, **changed})
    assert (answer.status_code, said in answer.text) == (422, True)
    assert story(app) == []


def test_the_source_of_each_role_is_told_with_its_line(ada: Browser) -> None:
    page = " ".join(ada.get("/admin/people/cleo").text.split())
    assert "team payments, named as cleo" in page
    assert "role developer, by the team payments" in page
    assert "policies/roles/portal.yaml:" in page
    assert "in the portal: reviewer" in page


def test_people_are_searched_filtered_and_paged(app: Flask, ada: Browser) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        for number in range(55):
            new = NewPerson(f"robot{number:02}", f"Robot {number}", email=f"r{number}@robots.example")
            enrol(session, new, actor=Actor("cli:test"), now=datetime.now(UTC), hasher=QUICK)
    engine.dispose()
    assert "Page 1 of 2" in ada.get("/admin/people").text
    assert 'href="/admin/people/robot54"' in ada.get("/admin/people?page=2").text
    assert "robot54" in ada.get("/admin/people?page=999").text
    assert "robot07" in ada.get("/admin/people?q=R7%40ROBOTS").text
    assert "Nobody matches “zebra”" in ada.get("/admin/people?q=zebra").text
    assert "Nobody matches" in ada.get("/admin/people?state=left").text
    assert ada.get("/admin/people?state=nonsense&page=x").status_code == 200


def test_before_somebody_leaves_the_page_says_what_becomes_of_each_key(app: Flask, ada: Browser, ben: Browser) -> None:
    page = " ".join(ada.get("/admin/people/ben/state?to=left").text.split())
    assert "3 live keys" in page
    assert "checkout worker" in page
    assert "Is suspended, and works again if its owner comes back" in page
    fields = {"to": "left", "reason": "moved on", "typed": "", "nonce": "n"}
    refused = ada.post("/admin/people/ben/state", fields)
    assert (refused.status_code, "Type the name to go on: ben" in refused.text) == (422, True)
    assert state_of(app, "ben") == "active"
    assert ada.post("/admin/people/ben/state", {**fields, "typed": " Ben "}).status_code == 303
    assert state_of(app, "ben") == "left"
    assert ben.get("/keys").status_code == 303
    assert ("person.state_set", "ben", "user:ada") in story(app)
    page = ada.get("/admin/people/ben").text
    assert "Reactivate" in page
    assert ada.get("/admin/people/ben/state?to=active").status_code == 200
    assert ada.post("/admin/people/ben/state", {"to": "active", "nonce": "m"}).status_code == 303
    assert state_of(app, "ben") == "active"


def test_a_form_without_a_state_offers_the_choice(app: Flask, ada: Browser) -> None:
    answer = ada.post("/admin/people/finn/state", {"to": "nonsense"})
    assert (answer.status_code, 'type="radio"' in answer.text) == (422, True)
    assert ada.get("/admin/people/finn/state").status_code == 200
    assert ada.post("/admin/people/finn/state", {"to": "suspended", "nonce": "n"}).status_code == 303
    assert state_of(app, "finn") == "suspended"


@pytest.mark.parametrize("to", ["suspended", "left"])
def test_admins_do_not_lock_themselves_out(app: Flask, ada: Browser, to: str) -> None:
    assert "This is you" in ada.get(f"/admin/people/ada/state?to={to}").text
    assert ada.post("/admin/people/ada/state", {"to": to, "typed": "ada"}).status_code == 422
    assert state_of(app, "ada") == "active"


def test_a_new_password_is_shown_once_and_ends_every_session(app: Flask, ada: Browser) -> None:
    finn = Browser(app)
    finn.enter("finn")
    shown = ada.post("/admin/people/finn/password", {"nonce": "n"})
    password = secret_in(shown.text)
    assert finn.get("/keys").status_code == 303
    assert ada.post("/admin/people/finn/password", {"nonce": "n"}).status_code == 303
    finn.get("/login")
    assert finn.post("/login", {"name": "finn", "password": password}).status_code == 303
    assert ada.post("/admin/people/finn/sign-out").status_code == 303
    assert finn.get("/keys").status_code == 303
    assert "Nowhere." in ada.get("/admin/people/finn").text


def test_administering_wants_a_recent_sign_in(app: Flask, ada: Browser) -> None:
    grow_old(app)
    for path, fields in (
        ("/admin/people", EVE),
        ("/admin/people/finn/password", {}),
        ("/admin/people/finn/sign-out", {}),
        ("/admin/people/finn/state", {"to": "suspended"}),
        ("/admin/service-accounts", {"name": "x", "team": "payments"}),
        ("/admin/service-accounts/pay-ci/state", {"to": "suspended"}),
        ("/admin/service-credentials", {"service": "payments"}),
        ("/admin/service-credentials/svc_none/revoke", {}),
        ("/admin/signing-keys/roll", {"typed": "roll"}),
        ("/admin/signing-keys/none/retire", {}),
    ):
        answer = ada.post(path, fields)
        assert (answer.status_code, "Confirm that it is you" in answer.text) == (403, True), path
    assert story(app) == []


def test_nobody_of_that_name_is_not_there(ada: Browser) -> None:
    for path in ("/admin/people/nobody", "/admin/people/nobody/state", "/admin/service-accounts/nobody/state"):
        assert ada.get(path).status_code == 404
    assert ada.post("/admin/people/nobody/password").status_code == 404


def test_a_service_account_is_added_suspended_and_retired(app: Flask, ada: Browser, seeded: Seeded) -> None:
    assert seeded.active
    for fields, said in (
        ({"name": "", "team": "payments"}, "Choose a name"),
        ({"name": "x-ci", "team": "nobody"}, "Choose the team"),
        ({"name": "Not A Name", "team": "payments"}, "A sign-in name"),
        ({"name": "pay-ci", "team": "payments"}, "already a service account"),
    ):
        answer = ada.post("/admin/service-accounts", {**fields, "nonce": "n"})
        assert (answer.status_code, said in answer.text) == (422, True)
    fields = {"name": "ship-ci", "team": "shipping", "nonce": "n"}
    assert [ada.post("/admin/service-accounts", fields).status_code for _ in range(2)] == [303, 303]
    assert "ship-ci" in ada.get("/admin/service-accounts").text
    path = "/admin/service-accounts/ship-ci/state"
    assert "no live keys" in ada.get(f"{path}?to=left").text
    assert ada.post(path, {"to": "suspended", "nonce": "a"}).status_code == 303
    assert ada.post(path, {"to": "left", "nonce": "b"}).status_code == 303
    engine = connect(address_of(app))
    with Session(engine) as session:
        assert session.scalar(select(ServiceAccount.state).where(ServiceAccount.name == "ship-ci")) == "left"
        assert session.scalar(select(func.count()).select_from(ServiceAccount)) == 3
    engine.dispose()
    assert [action for action, *_ in story(app)] == ["service_account.added", *["service_account.state_set"] * 2]
