"""One's own page: time zone and shortcuts for every page, sessions that can be ended, roles with their reason."""

import re
from datetime import UTC, datetime, timedelta

from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keymgr.people.session_list import device_of
from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.people import Person, SignInSession
from tests.web.house import Browser, Seeded, address_of


def soup(browser: Browser, path: str = "/me") -> BeautifulSoup:
    return BeautifulSoup(browser.get(path).text, "html.parser")


def words(page: BeautifulSoup) -> str:
    return " ".join(page.get_text(" ").split())


def main(browser: Browser, path: str) -> str:
    found = soup(browser, path).select_one("main")
    assert found is not None
    return " ".join(found.get_text(" ").split())


def prefer(browser: Browser, zone: str, **more: str) -> int:
    browser.get("/me")
    return browser.post("/me/preferences", {"time_zone": zone, **more}).status_code


def test_a_zone_once_chosen_is_that_of_every_page(ben: Browser, seeded: Seeded) -> None:
    keys = (f"/keys/{seeded.active}", f"/keys/{seeded.grace}", f"/keys/{seeded.active}/rotate")
    paths = [path for path in ("/", "/me", "/policy/revisions", *keys) if re.search(r":\d\d UTC", main(ben, path))]
    assert len(paths) >= 5
    assert prefer(ben, "Asia/Kolkata") == 303
    for path in paths:
        assert re.search(r"\d\d:\d\d IST", main(ben, path)), path
        assert not re.search(r"\d\d:\d\d UTC", main(ben, path)), path


def test_the_machine_readable_time_stays_the_same_instant(ben: Browser, seeded: Seeded) -> None:
    def moments() -> list[str]:
        page = soup(ben, f"/keys/{seeded.revoked}")
        return [str(time["datetime"]) for time in page.select("#story ~ ol time")]

    before = moments()
    assert before
    prefer(ben, "America/Sao_Paulo")
    assert moments() == before
    assert "UTC-03:00" in words(soup(ben, f"/keys/{seeded.revoked}"))


def test_exports_stay_in_utc(ben: Browser) -> None:
    before = ben.get("/policy/matrix.csv").text
    prefer(ben, "Asia/Kolkata")
    assert ben.get("/policy/matrix.csv").text == before


def test_a_zone_that_is_none_changes_nothing_and_says_so(ben: Browser) -> None:
    ben.get("/me")
    response = ben.post("/me/preferences", {"time_zone": "Mars/Olympus", "shortcuts": "on"})
    assert response.status_code == 422
    page = BeautifulSoup(response.text, "html.parser")
    assert page.title is not None
    assert page.title.text.startswith("Error: ")
    assert page.select_one("#time_zone[aria-invalid=true]") is not None
    assert "data-shortcuts" not in ben.get("/me").text


def test_shortcuts_are_off_until_they_are_switched_on(ben: Browser) -> None:
    assert "data-shortcuts" not in ben.get("/").text
    assert prefer(ben, "UTC", shortcuts="on") == 303
    assert "data-shortcuts" in ben.get("/").text
    assert prefer(ben, "UTC") == 303
    assert "data-shortcuts" not in ben.get("/").text


def test_one_other_browser_can_be_signed_out(app: Flask, ben: Browser) -> None:
    other = Browser(app)
    other.enter("ben")
    page = soup(ben)
    lines = page.select("#sessions ~ ul > li")
    assert len(lines) == 2
    theirs = next(line for line in lines if "this browser" not in line.text)
    form = theirs.select_one("form")
    assert form is not None
    assert ben.post(str(form["action"])).headers["Location"] == "/me"
    assert "That browser is signed out." in words(soup(ben))
    assert other.get("/me").status_code == 303
    assert ben.get("/me").status_code == 200
    assert ben.post(str(form["action"])).status_code == 303
    assert "signed out already" in words(soup(ben))
    engine = connect(address_of(app))
    with Session(engine) as session:
        told = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id.desc()).limit(1)).one()
    engine.dispose()
    assert told == "person.session_ended"


def test_ending_this_session_is_signing_out(ben: Browser) -> None:
    line = next(line for line in soup(ben).select("#sessions ~ ul > li") if "this browser" in line.text)
    assert line.form is not None
    response = ben.post(str(line.form["action"]))
    assert response.headers["Location"].startswith("/login")
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert ben.get("/me").status_code == 303


def test_another_persons_session_cannot_be_ended(app: Flask, ben: Browser) -> None:
    dana = Browser(app)
    dana.enter("dana")
    engine = connect(address_of(app))
    with Session(engine) as session:
        danas = session.scalars(
            select(SignInSession.id).join(Person, Person.id == SignInSession.person_id).where(Person.name == "dana")
        ).one()
    engine.dispose()
    ben.get("/me")
    assert ben.post(f"/me/sessions/{danas[:16]}/end").status_code == 303
    assert "signed out already" in words(soup(ben))
    assert dana.get("/me").status_code == 200


def test_a_session_that_is_over_is_not_listed(app: Flask, ben: Browser) -> None:
    other = Browser(app)
    other.enter("ben")
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        newest = select(SignInSession.id).order_by(SignInSession.created_at.desc()).limit(1).scalar_subquery()
        old = datetime.now(UTC) - timedelta(days=2)
        session.execute(update(SignInSession).where(SignInSession.id == newest).values(seen_at=old))
    engine.dispose()
    assert len(soup(ben).select("#sessions ~ ul > li")) == 1


def test_roles_say_why_one_has_them_and_where_that_is_written(ben: Browser) -> None:
    text = words(soup(ben))
    assert "Team payments" in text
    assert "you are named in it" in text
    assert re.search(r"policies/\S+\.yaml:\d+ @ 4f2c1ab", text)


def test_devices_are_named_as_far_as_they_say() -> None:
    chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
    assert device_of(chrome) == "Chrome on Linux"
    assert device_of(chrome + " Edg/140.0") == "Edge on Linux"
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
    assert device_of(phone) == "Safari on iPhone"
    assert device_of("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:142.0) Firefox/142.0") == "Firefox on macOS"
    assert device_of("curl/8.9") == "curl"
    assert device_of("") == device_of("Werkzeug/3.1") == "Unknown browser"
