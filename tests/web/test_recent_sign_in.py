"""A sign-in that is a while ago is confirmed by password before a secret is shown; the form waits, nothing is lost."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.keys import Key
from keymgr.store.people import Person, SignInSession
from tests.web.house import PASSWORDS, Browser, Seeded, address_of, make_app

ORDER: dict[str, str | list[str]] = {
    "name": "ci <b>é",
    "service": "payments",
    "environment": "dev",
    "scope": ["charges:read", "charges:write"],
    "justification": "Line one\nand “two”.",
    "nonce": "n-1",
}


def grow_old(app: Flask, minutes: int = 16) -> None:
    """Let every sign-in be longer ago, while its session is in use."""
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        for row in session.scalars(select(SignInSession)):
            row.signed_in_at = datetime.now(UTC) - timedelta(minutes=minutes)
    engine.dispose()


def count_keys(app: Flask) -> int:
    engine = connect(address_of(app))
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(Key)) or 0


def actions(app: Flask) -> list[str]:
    engine = connect(address_of(app))
    with Session(engine) as session:
        return list(session.scalars(select(AuditEvent.action).where(AuditEvent.action.startswith("person.confirm"))))


def carried(page: str) -> dict[str, list[str]]:
    """What the page that asks for the password would send."""
    fields: dict[str, list[str]] = {}
    for field in BeautifulSoup(page, "html.parser").select("main input[name]"):
        fields.setdefault(str(field["name"]), []).append(str(field.get("value", "")))
    return fields


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_the_form_waits_for_the_password_and_then_does_its_work_with_nothing_lost(
    app: Flask, ben: Browser, *, htmx: bool
) -> None:
    grow_old(app)
    before = count_keys(app)
    asked = ben.post("/keys", ORDER, htmx=htmx)
    assert asked.status_code == 403
    assert "Confirm that it is you" in asked.text
    assert asked.headers.get("HX-Retarget") == ("#main" if htmx else None)
    assert count_keys(app) == before
    fields = carried(asked.text)
    assert fields["scope"] == ORDER["scope"]
    assert fields["name"] == [ORDER["name"]]
    assert fields["justification"][0].replace("\r\n", "\n") == ORDER["justification"]
    assert BeautifulSoup(asked.text, "html.parser").select_one("main form[action='/keys'][method=post]")
    done = ben.post("/keys", {**fields, "password_again": PASSWORDS["ben"]})
    assert (done.status_code, "is ready" in done.text) == (200, True)
    assert count_keys(app) == before + 1
    assert actions(app) == ["person.confirmed"]
    assert ben.post("/keys", {**ORDER, "nonce": "n-2"}).status_code == 200


def test_a_wrong_password_is_said_so_and_the_form_still_waits(app: Flask, ben: Browser) -> None:
    grow_old(app)
    before = count_keys(app)
    for wrong, sentence in (("nonsense-but-long", "not your password"), ("", "Enter your password"), ("x" * 1001, "")):
        answer = ben.post("/keys", {**ORDER, "password_again": wrong})
        assert (answer.status_code, sentence in answer.text) == (422, True)
        assert "Error: Confirm" in " ".join(answer.text.split())
        assert carried(answer.text)["scope"] == ORDER["scope"]
        assert "nonsense" not in answer.text
    assert count_keys(app) == before
    assert actions(app) == ["person.confirm_refused"]


def test_tries_count_together_with_those_of_signing_in(app: Flask, ben: Browser, stranger: Browser) -> None:
    grow_old(app)
    stranger.get("/login")
    for _ in range(5):
        stranger.post("/login", {"name": "ben", "password": "wrong-but-long-enough"})
        ben.post("/keys", {**ORDER, "password_again": "wrong-but-long-enough"})
    answer = ben.post("/keys", {**ORDER, "password_again": PASSWORDS["ben"]})
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (429, True)


def test_rotating_is_asked_for_too_and_a_fresh_sign_in_is_not(app: Flask, ben: Browser, seeded: Seeded) -> None:
    fields = {"overlap": "0", "nonce": "x"}
    grow_old(app, minutes=14)
    assert ben.post("/keys", ORDER).status_code == 200
    grow_old(app)
    asked = ben.post(f"/keys/{seeded.active}/rotate", fields)
    assert asked.status_code == 403
    assert (
        ben.post(f"/keys/{seeded.active}/revoke", {"reason": "leaked", "typed": "checkout worker"}).status_code == 303
    )


def test_granting_alone_in_an_emergency_is_confirmed(app: Flask, seeded: Seeded) -> None:
    ada = Browser(app)
    ada.enter("ada")
    grow_old(app)
    fields = {"seen": "x", "emergency": "Cards are down.", "nonce": "x"}
    asked = ada.post(f"/approvals/{seeded.two_step}/break-glass", fields)
    assert asked.status_code == 403
    assert "Confirm that it is you" in asked.text
    assert carried(asked.text)["emergency"] == ["Cards are down."]


def test_somebody_suspended_meanwhile_confirms_nothing(app: Flask, ben: Browser) -> None:
    grow_old(app)
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.query(Person).filter_by(name="ben").one().password_hash = None
    engine.dispose()
    assert ben.post("/keys", {**ORDER, "password_again": PASSWORDS["ben"]}).status_code == 422


def test_the_operator_may_switch_it_off(portal_url: str, tmp_path: Path) -> None:
    app = make_app(portal_url, tmp_path, KEYMGR_REAUTH_MINUTES="0")
    browser = Browser(app)
    browser.enter("ben")
    grow_old(app, minutes=55)
    assert browser.post("/keys", ORDER).status_code == 200
    app.extensions["keymgr.api"].close()


def test_without_the_forms_token_no_password_is_looked_at(app: Flask, ben: Browser) -> None:
    grow_old(app)
    fields = {**ORDER, "password_again": PASSWORDS["ben"], "csrf_token": "forged"}
    assert ben.client.post("/keys", data=fields).status_code == 403
    assert actions(app) == []
