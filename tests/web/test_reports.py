"""Reports in the browser: whose keys are in them, what can be done about each, charts, files, and nothing made up."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from keymgr.keys.standing import Stood, write_standings
from keymgr.policy.existing import Verdict
from keymgr.policy.model import ViolationAction
from keymgr.store.keys import Credential, Key, KeyRequest
from keymgr.store.people import Person
from keymgr.store.usage import UsageDay
from keymgr.web.report_kinds import KINDS
from tests.web.house import Browser, Seeded, set_expiry

DAY = timedelta(days=1)
HOSTILE = '=<img src=x onerror="alert(1)">{{ 7 * 7 }}\u202e'


def enter(app: Flask, name: str) -> Browser:
    browser = Browser(app)
    browser.enter(name)
    return browser


def change(app: Flask, work: Callable[[Session], object]) -> None:
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        work(session)


def forget_requests(app: Flask) -> None:
    change(app, lambda session: session.execute(update(KeyRequest).values(state="withdrawn")))


def page_of(browser: Browser, path: str) -> Tag:
    response = browser.get(f"/reports{path}")
    assert response.status_code == 200
    return BeautifulSoup(response.text, "html.parser")


def names(browser: Browser, path: str) -> list[str]:
    return [name.get_text() for name in page_of(browser, path).select("td.lead .name")]


def lines(browser: Browser, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(browser.get(f"/reports{path}").text, newline="")))


@pytest.mark.parametrize(("name", "sees"), [("ada", True), ("ben", True), ("dana", False)])
def test_a_report_holds_the_keys_one_may_act_for_or_everybodys(app: Flask, name: str, *, sees: bool) -> None:
    browser = enter(app, name)
    for report in KINDS:
        text = page_of(browser, f"/{report}?span=60").get_text()
        assert ("ci smoke test" in text and not sees) is False, report
    assert ("ci smoke test" in names(browser, "/expiring")) is sees
    assert any(row["name"] == "ci smoke test" for row in lines(browser, "/expiring.csv")) is sees
    assert ("everybody" in page_of(browser, "").get_text()) is (name == "ada")


def test_the_list_says_how_much_each_has_found(app: Flask) -> None:
    forget_requests(app)
    cards = page_of(enter(app, "ben"), "").select(".reports > li")
    figures = {card.h2.get_text(): card.select_one(".figure").next_element for card in cards if card.h2}  # type: ignore[union-attr]
    assert {title: str(figure) for title, figure in figures.items()} == {
        "Expiring": "1",
        "Unused": "2",
        "Out of policy": "0",
        "Owner gone": "0",
        "Anomalies": "0",
        "Approval times": "0",
        "Keys by status": "4",
    }


def test_what_ends_soon_leads_to_a_new_secret_or_a_new_ask(app: Flask, ben: Browser, seeded: Seeded) -> None:
    soon = datetime.now(UTC) + 3 * DAY
    change(
        app,
        lambda session: session.execute(
            update(Credential).where(Credential.key_id == seeded.active).values(expires_at=soon)
        ),
    )
    page = page_of(ben, "/expiring")
    links = [str(link["href"]) for link in page.select("td:last-child a")]
    assert links[0] == f"/keys/{seeded.active}/rotate"
    assert links[1].startswith("/keys/new?name=ci+smoke+test&owner=user:ben&service=payments&environment=dev")
    assert ben.get(links[1]).status_code == 200
    assert page.select_one("figure figcaption")
    table = [cell.get_text() for cell in page.select("figure table td")]
    assert sum(map(int, table)) == 3
    assert names(ben, "/expiring?span=60") == ["checkout worker", "ci smoke test", "nightly export"]
    assert names(ben, "/expiring?span=nothing&page=x") == names(ben, "/expiring")


def test_others_keys_are_not_rotated_from_here(app: Flask, seeded: Seeded) -> None:
    links = [str(link["href"]) for link in page_of(enter(app, "ada"), "/expiring").select("td:last-child a")]
    assert links == [f"/keys/{seeded.expiring}#usage"]


def test_who_may_see_a_key_but_not_open_it_gets_no_link(app: Flask) -> None:
    page = page_of(enter(app, "cleo"), "/unused")
    assert "ci smoke test" in [name.get_text() for name in page.select("td.lead strong")]
    assert not page.select("td.lead a, td:last-child a")


def test_unused_keys_lead_to_their_end(ben: Browser, seeded: Seeded) -> None:
    page = page_of(ben, "/unused")
    assert {str(link["href"]) for link in page.select("td:last-child a")} == {
        f"/keys/{key_id}/revoke" for key_id in (seeded.expiring, seeded.grace)
    }
    assert "No data before" in page.get_text()
    assert "Every key was used within this time." in page_of(ben, "/unused?span=90").get_text()


def test_keys_out_of_policy_say_what_follows(app: Flask, ben: Browser, seeded: Seeded) -> None:
    now = datetime.now(UTC)
    reason = {"reason": "LIMIT_TTL", "sentence": "It lives too long.", "source": None}
    held = Stood(Verdict.VIOLATES, (reason,), since=now, action=ViolationAction.SUSPEND, due_at=now + DAY)
    done = Stood(
        Verdict.UNKNOWN, (reason,), since=now, action=ViolationAction.EXPIRE, due_at=now + 2 * DAY, acted_at=now
    )
    plain = Stood(Verdict.UNKNOWN, (reason,), since=now, due_at=now + 3 * DAY)
    standings = {seeded.active: held, seeded.expiring: done, seeded.grace: plain}
    change(app, lambda session: write_standings(session, standings, 1, now))
    text = page_of(ben, "/out-of-policy").get_text(" ", strip=True)
    for words in ("will be suspended", "was ended", "It cannot be told: It lives too long.", "See why"):
        assert words in text


def test_keys_of_who_is_gone_are_shown_to_admins(app: Flask) -> None:
    change(app, lambda session: session.execute(update(Person).where(Person.name == "ben").values(state="left")))
    page = page_of(enter(app, "ada"), "/owner-gone")
    assert "has left" in page.get_text()
    assert len(page.select("td.lead")) == 3


def test_anomalies_are_told_with_their_numbers(app: Flask, ben: Browser, seeded: Seeded) -> None:
    today = datetime.now(UTC).date()
    rows = [(seeded.expiring, number, "ok", 30) for number in range(2, 20)]
    rows += [
        (seeded.expiring, 0, "ok", 4200),
        (seeded.grace, 0, "key_superseded", 31),
        (seeded.revoked, 0, "key_revoked", 512),
    ]
    values = [{"key_id": a, "day": today - b * DAY, "code": c, "calls": d} for a, b, c, d in rows]
    change(app, lambda session: session.execute(insert(UsageDay), values))
    odd = [row["what is odd"] for row in lines(ben, "/anomalies.csv")]
    assert odd == [
        "31 calls with a secret that a rotation replaced; somebody has not moved",
        "512 of 512 calls refused",
        "4,200 calls on one day, usually 30",
    ]


def test_approval_times_are_drawn_and_written(app: Flask, ben: Browser, seeded: Seeded) -> None:
    now = datetime.now(UTC)

    def decide(session: Session) -> None:
        asked = session.query(KeyRequest).filter_by(id=seeded.waiting).one()
        same = {column.key: getattr(asked, column.key) for column in KeyRequest.__table__.columns}
        for number, minutes in enumerate((10, 20, 200, 5000)):
            at = now - (7 * (number % 2) * DAY)
            times = {"created_at": at - timedelta(minutes=minutes), "decided_at": at}
            session.execute(insert(KeyRequest).values({**same, **times, "id": f"req_{number}", "state": "approved"}))

    forget_requests(app)
    assert "No request was decided in this time." in page_of(ben, "/approval-times").get_text()
    change(app, decide)
    page = page_of(ben, "/approval-times")
    assert len(page.select("figure polyline")) == 2
    assert "in hours" in page.select("figcaption")[0].get_text()
    assert "No data before" in page.get_text()
    written = [list(row.values())[1:] for row in lines(ben, "/approval-times.csv")]
    assert written == [["2", "0", "10 min", "3.3 h"], ["2", "0", "20 min", "3.5 days"]]


def test_short_approval_times_are_drawn_in_minutes(app: Flask, ben: Browser, seeded: Seeded) -> None:
    now = datetime.now(UTC)

    def decide(session: Session) -> None:
        asked = session.query(KeyRequest).filter_by(id=seeded.waiting).one()
        same = {column.key: getattr(asked, column.key) for column in KeyRequest.__table__.columns}
        for weeks in (0, 1):
            at = now - 7 * weeks * DAY
            times = {
                "created_at": at - timedelta(minutes=7),
                "decided_at": at,
                "id": f"req_{weeks}",
                "state": "refused",
            }
            session.execute(insert(KeyRequest).values({**same, **times}))

    forget_requests(app)
    change(app, decide)
    assert "in minutes" in page_of(ben, "/approval-times").select("figcaption")[0].get_text()


def test_each_status_leads_to_its_keys(ben: Browser) -> None:
    page = page_of(ben, "/status")
    links = [str(link["href"]) for link in page.select(".table a")]
    assert links[0] == "/keys?status=Active"
    assert [cell.get_text() for cell in page.select("figure .num")] == ["1", "1", "1", "0", "0", "1"]


def test_there_is_nothing_where_there_is_no_key(app: Flask) -> None:
    dana = enter(app, "dana")
    for name, kind in KINDS.items():
        page = page_of(dana, f"/{name}")
        assert kind.nothing in page.get_text(), name
        assert not page.select("figure"), name
        assert len(lines(dana, f"/{name}.csv")) == (6 if name == "status" else 0), name


@pytest.mark.parametrize("path", ["/reports/nothing", "/reports/nothing.csv", "/reports/over-privileged"])
def test_what_is_no_report_is_not_there(ben: Browser, path: str) -> None:
    assert ben.get(path).status_code == 404


def test_long_reports_come_in_pages(ben: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keymgr.keys.reports.PAGE_SIZE", 2)
    assert len(names(ben, "/expiring?span=60")) == 2
    assert names(ben, "/expiring?span=60&page=2") == ["nightly export"]
    assert "Page 2 of 2" in page_of(ben, "/expiring?span=60&page=99").get_text()
    assert len(lines(ben, "/expiring.csv?span=60")) == 3


def test_hostile_names_do_nothing(app: Flask, ben: Browser, seeded: Seeded) -> None:
    change(app, lambda session: session.execute(update(Key).where(Key.id == seeded.expiring).values(name=HOSTILE)))
    set_expiry(app, seeded.expiring, datetime.now(UTC) + DAY)
    assert names(ben, "/expiring")[0] == HOSTILE.replace("\u202e", "")
    assert "<img src=x" not in ben.get("/reports/expiring").text
    (row, *_) = lines(ben, "/expiring.csv")
    assert row["name"] == "'" + HOSTILE
