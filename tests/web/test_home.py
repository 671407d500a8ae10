"""The first page: what needs me first, at most five lines each, and nothing of anybody else."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.keys import Credential, Key, SigningKey, SigningKeyState
from tests.web.house import Browser, Seeded, address_of, put_in_force, set_expiry

DAY = timedelta(days=1)


@pytest.fixture
def as_somebody(app: Flask) -> Browser:
    return Browser(app)


def page(browser: Browser) -> BeautifulSoup:
    return BeautifulSoup(browser.get("/").text, "html.parser")


def lines(home: BeautifulSoup, section: str) -> list[str]:
    return [" ".join(line.get_text(" ").split()) for line in home.select(f"section[aria-labelledby={section}] li")]


def test_what_needs_me_comes_with_its_day_and_its_button_the_most_pressing_first(ben: Browser) -> None:
    home = page(ben)
    needs = lines(home, "needs")
    assert [line.split(" payments,")[0] for line in needs] == [
        "card capture",
        "dispute lookup",
        "nightly export",
        "ci smoke test",
    ]
    assert "eli wrote to you about it" in needs[0]
    assert needs[0].endswith("Answer card capture")
    assert "ready to claim until" in needs[1]
    assert needs[1].endswith("Claim dispute lookup")
    assert "The old secret works until" in needs[2]
    assert "Expires" in needs[3]
    assert needs[3].endswith("Replace ci smoke test")
    assert all(" UTC (in " in line for line in needs)
    assert "checkout worker" not in " ".join(needs)


def test_my_requests_are_listed_with_their_word(ben: Browser) -> None:
    requests = " ".join(lines(page(ben), "requests"))
    for word in ("Waiting", "Ready to claim", "Refused"):
        assert word in requests


def test_who_may_approve_is_asked_to(as_somebody: Browser, seeded: Seeded) -> None:
    as_somebody.enter("cleo")
    home = page(as_somebody)
    (line,) = [line for line in lines(home, "needs") if line.startswith("refund desk")]
    assert "ben asks for it on payments, prod. Lapses" in line
    button = home.select_one(f"section[aria-labelledby=needs] a.button[href='/approvals/{seeded.waiting}']")
    assert button is not None


def test_a_question_about_my_request_waits_for_my_answer(ben: Browser, as_somebody: Browser, seeded: Seeded) -> None:
    as_somebody.enter("cleo")
    question = {"text": "Which desk?", "nonce": "q"}
    assert as_somebody.post(f"/approvals/{seeded.waiting}/question", question).status_code == 303
    (line,) = [line for line in lines(page(ben), "needs") if line.startswith("refund desk")]
    assert re.search(r"cleo wrote to you about it\. It waits until .* Answer refund desk$", line)
    assert not [line for line in lines(page(as_somebody), "needs") if "wrote to you" in line]

    ben.post(f"/requests/{seeded.waiting}/answer", {"text": "The one in Graz.", "nonce": "a"})
    assert not [line for line in lines(page(ben), "needs") if line.startswith("refund desk")]


def test_five_lines_are_shown_and_the_rest_is_one_click_away(app: Flask, ben: Browser, seeded: Seeded) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        original = session.get_one(Key, seeded.expiring)
        current = session.query(Credential).filter_by(key_id=seeded.expiring).one()
        for number in range(6):
            values = {column.name: getattr(original, column.name) for column in Key.__table__.columns}
            session.add(Key(**{**values, "id": f"key_copy{number}", "name": f"copy {number}"}))
            session.flush()
            values = {column.name: getattr(current, column.name) for column in Credential.__table__.columns}
            values |= {"id": f"crd_copy{number}", "key_id": f"key_copy{number}", "status_index": 900 + number}
            session.add(Credential(**{**values, "secret_digest": bytes([number]) * 32}))
    engine.dispose()
    home = page(ben)
    assert len(lines(home, "needs")) == 5
    more = home.select("section[aria-labelledby=needs] > p a")
    assert [link.text for link in more] == [
        "7 keys that expire within 14 days",
        "1 old secret that still works",
        "1 key ready to claim",
        "1 request with a question for you",
    ]
    for link in more:
        assert ben.get(str(link["href"])).status_code == 200


def test_a_key_that_wants_a_new_secret_is_to_be_rotated(app: Flask, ben: Browser, seeded: Seeded) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        of_key = update(Credential).where(Credential.key_id == seeded.active)
        session.execute(of_key.values(rotate_by=datetime.now(UTC) + 2 * DAY))
    engine.dispose()
    (line,) = [line for line in lines(page(ben), "needs") if line.startswith("checkout worker")]
    assert "A new secret is due by" in line
    assert line.endswith("Rotate checkout worker")


def test_a_token_that_ends_before_its_key_is_to_be_rotated(app: Flask, ben: Browser, seeded: Seeded) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        of_key = update(Credential).where(Credential.key_id == seeded.active)
        session.execute(of_key.values(expires_at=datetime.now(UTC) + 3 * DAY))
    engine.dispose()
    assert any(line.startswith("checkout worker") and "new secret is due" in line for line in lines(page(ben), "needs"))


def test_what_is_over_needs_nobody(app: Flask, ben: Browser, seeded: Seeded) -> None:
    set_expiry(app, seeded.expiring, datetime.now(UTC) - DAY)
    assert not any(line.startswith("ci smoke test") for line in lines(page(ben), "needs"))


def test_a_changed_rule_tells_those_whose_keys_stand_on_it(app: Flask, ben: Browser, as_somebody: Browser) -> None:
    assert lines(page(ben), "news") == []
    put_in_force(address_of(app), change=("requests: 600, per: 1h", "requests: 700, per: 1h"))
    (news,) = lines(page(ben), "news")
    assert "The rule payments-dev was changed: limits.rate_limits.hourly.requests now 700, was 600." in news
    assert "3 keys of yours stand on it." in news
    assert news.startswith("4f2c1ab")
    as_somebody.enter("dana")
    assert lines(page(as_somebody), "news") == []


def test_keys_that_fit_no_more_or_again_are_news(app: Flask, ben: Browser, seeded: Seeded) -> None:
    put_in_force(address_of(app), change=("requests: 600, per: 1h", "requests: 700, per: 1h"))
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        for key_id, action in ((seeded.active, "key.flagged"), (seeded.grace, "key.fits_again")):
            session.add(
                AuditEvent(
                    at=datetime.now(UTC),
                    actor="clock",
                    action=action,
                    object_kind="key",
                    object_id=key_id,
                    outcome="done",
                    detail={"revision": 2},
                )
            )
    engine.dispose()
    (news,) = lines(page(ben), "news")
    assert "1 key of yours does not fit it." in news
    assert "1 key of yours fits again." in news


def test_a_new_signing_key_is_told_to_everybody(app: Flask, ben: Browser) -> None:
    assert lines(page(ben), "services") == []
    now = datetime.now(UTC)
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        old = session.query(SigningKey).filter_by(state=SigningKeyState.ACTIVE).one()
        old.state, old.retiring_at = SigningKeyState.RETIRING, now
        session.flush()
        values = {column.name: getattr(old, column.name) for column in SigningKey.__table__.columns}
        values |= {"kid": "newer", "state": SigningKeyState.ACTIVE, "activated_at": now, "retiring_at": None}
        session.add(SigningKey(**values))
    engine.dispose()
    (notice,) = lines(page(ben), "services")
    assert notice.startswith("A new signing key signs since ")


def test_where_nothing_needs_me_the_page_says_so(as_somebody: Browser) -> None:
    as_somebody.enter("dana")
    home = page(as_somebody)
    assert home.select_one("section[aria-labelledby=needs]") is None
    assert "Nothing needs you." in home.text
    assert "You have no keys yet." in home.text
    assert " UTC" in home.select(".head time")[0].text
