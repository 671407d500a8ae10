"""One key's page: its use as drawn and as told, its limits as they stand, its grace, and what can be done to it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keymgr.keys.usage import Calls, record_batch
from keymgr.keys.verdict import Question
from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.keys import Credential
from keymgr.store.people import SignInSession
from keymgr.tokens.verdicts import VerdictCode
from keymgr.web.charts import HEIGHT
from keymgr.web.key_usage import by_outcome, outcome_words
from keymgr.web.portal import DESK
from tests.web.house import Browser, Seeded, address_of, put_in_force

OK, LIMITED = VerdictCode.OK, VerdictCode.RATE_LIMITED
HOUR = timedelta(hours=1)


@pytest.fixture
def ada(app: Flask) -> Browser:
    browser = Browser(app)
    browser.enter("ada")
    return browser


def soup(browser: Browser, path: str) -> BeautifulSoup:
    return BeautifulSoup(browser.get(path).text, "html.parser")


def words(page: BeautifulSoup, part: str = "main") -> str:
    found = page.select_one(part)
    assert found is not None, part
    return " ".join(found.get_text(" ").split())


def credentials(app: Flask, key_id: str) -> list[str]:
    """The ids of a key's secrets, the oldest first."""
    engine = connect(address_of(app))
    with Session(engine) as session:
        of_key = select(Credential.id).where(Credential.key_id == key_id).order_by(Credential.generation)
        found = list(session.scalars(of_key))
    engine.dispose()
    return found


def use(app: Flask, *calls: Calls) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        record_batch(session, calls)
    engine.dispose()


def last_action(app: Flask, key_id: str) -> tuple[str, str]:
    engine = connect(address_of(app))
    with Session(engine) as session:
        of_key = select(AuditEvent.action, AuditEvent.actor).where(AuditEvent.object_id == key_id)
        action, actor = session.execute(of_key.order_by(AuditEvent.id.desc()).limit(1)).one()
    engine.dispose()
    return action, actor


@pytest.mark.parametrize(("span", "steps"), [("24h", 24), ("7d", 7), ("30d", 30), ("nonsense", 7)])
def test_the_chart_shows_what_its_table_and_its_sentence_say(
    ben: Browser, seeded: Seeded, span: str, steps: int
) -> None:
    page = soup(ben, f"/keys/{seeded.active}?range={span}").select_one("#usage")
    assert page is not None
    rows = [[int(cell.text.replace(",", "")) for cell in row.select("td")] for row in page.select("tbody tr")]
    assert len(rows) == steps
    top = int(page.select(".scale span")[0].text.replace(",", ""))
    drawn = sorted(round(float(str(bar["height"])) * top / HEIGHT) for bar in page.select(".area rect"))
    assert drawn == sorted(value for row in rows for value in row if value)
    caption = page.select_one("figcaption")
    assert caption is not None
    total, refused = sum(map(sum, rows)), sum(sum(row[1:]) for row in rows)
    assert f"{total:,} in total, {refused:,} of them not accepted" in caption.text
    assert f"Peak: {max(map(sum, rows)):,} " in caption.text
    current = page.select_one("[aria-current]")
    assert current is not None
    assert current["id"] == f"range-{'7d' if span == 'nonsense' else span}"


def test_a_part_of_the_time_before_the_key_was_made_is_named(ben: Browser, seeded: Seeded) -> None:
    assert "before that there is nothing to count" in words(soup(ben, f"/keys/{seeded.active}?range=30d"), "#usage")


def test_no_call_is_a_sentence_and_not_an_empty_chart(ben: Browser, seeded: Seeded) -> None:
    page = soup(ben, f"/keys/{seeded.expiring}")
    assert "No call in the last 7 days." in words(page, "#usage")
    assert page.select("#usage figure") == []
    assert "No address is known" in words(page, "section[aria-labelledby=sources]")


def test_every_verdict_has_its_place_in_the_chart() -> None:
    counted = by_outcome([{code.value: 1 for code in VerdictCode}])
    assert [series.name for series in counted] == ["Accepted", "Over a limit", "Not allowed", "Out of use"]
    assert sum(series.total for series in counted) == len(VerdictCode)
    assert outcome_words({"ok": 1200, "quota_exceeded": 2, "rate_limited": 1}) == "1,200 accepted, 3 over a limit"


def test_addresses_are_told_with_first_and_last_call(ben: Browser, seeded: Seeded) -> None:
    told = words(soup(ben, f"/keys/{seeded.active}"), "section[aria-labelledby=sources]")
    assert "10.2.0.7" in told
    assert "as far as the service told them" in told


def test_limits_say_what_is_used_and_a_look_uses_nothing(app: Flask, ben: Browser, seeded: Seeded) -> None:
    ben.get(f"/keys/{seeded.active}/rotate")
    revealed = BeautifulSoup(
        ben.post(f"/keys/{seeded.active}/rotate", {"overlap": "0", "nonce": "r"}).text, "html.parser"
    )
    token = revealed.select_one("[data-secret]")
    assert token is not None
    verifier = app.extensions[DESK].verifier
    for _ in range(3):
        assert verifier.verify(Question(token.text.strip(), "payments"), datetime.now(UTC)).valid
    soup(ben, f"/keys/{seeded.active}")
    page = soup(ben, f"/keys/{seeded.active}")
    assert "3 of 600 used; starts over in" in words(page, "section[aria-labelledby=limits]")
    meters = {str(meter["max"]): str(meter["value"]) for meter in page.select("meter")}
    assert meters["600"] == "3"
    assert all(meter["aria-label"] for meter in page.select("meter"))


def test_limits_of_a_key_that_is_over_are_not_told(ben: Browser, seeded: Seeded) -> None:
    assert "so nothing is counted" in words(soup(ben, f"/keys/{seeded.revoked}"), "section[aria-labelledby=limits]")


def test_the_grace_says_until_when_and_who_still_uses_the_old_secret(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.grace}"
    before = words(soup(ben, path), "section[aria-labelledby=grace]")
    assert re.search(r"The old secret stops working on \d+ \w+ \d{4}, \d\d:\d\d UTC , in \d+ days 23 h 5\d min", before)
    assert "nobody has presented the old secret" in before
    old, new = credentials(app, seeded.grace)
    now = datetime.now(UTC)
    use(
        app,
        Calls(seeded.grace, old, OK, 31, now, "10.2.0.7"),
        Calls(seeded.grace, old, LIMITED, 2, now, "10.2.0.7"),
        Calls(seeded.grace, new, OK, 400, now, "10.2.0.8"),
    )
    for page in (soup(ben, path), soup(ben, f"{path}/grace")):
        told = words(page, "#grace-now")
        assert "the old secret was presented in 33 calls (31 accepted, 2 over a limit)" in told
        assert "10.2.0.7" in told
        assert "10.2.0.8" not in told


def test_an_old_secret_in_use_within_the_last_hour_is_a_warning(app: Flask, ben: Browser, seeded: Seeded) -> None:
    old, _ = credentials(app, seeded.grace)
    now = datetime.now(UTC)
    use(app, Calls(seeded.grace, old, OK, 1, now))
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(update(Credential).where(Credential.id == old).values(retires_at=now + HOUR / 2))
    engine.dispose()
    page = soup(ben, f"/keys/{seeded.grace}")
    assert page.select("#grace-now .banner.stop")
    assert "It is still in use." in words(page, "#grace-now")
    assert "in 29 min" in words(page, "#grace-now")
    assert "Where the calls came from was not told." in words(page, "#grace-now")


def test_the_part_that_goes_out_of_date_asks_for_itself_until_the_grace_is_over(ben: Browser, seeded: Seeded) -> None:
    part = soup(ben, f"/keys/{seeded.grace}").select_one("#grace-now")
    assert part is not None
    assert part["hx-get"] == f"/keys/{seeded.grace}/grace"
    assert "every 60s" in str(part["hx-trigger"])
    assert part.has_attr("data-poll")
    assert not part.select("form, button, select"), "a swap must not take away what somebody is filling in"
    over = soup(ben, f"/keys/{seeded.active}/grace").select_one("#grace-now")
    assert over is not None
    assert not over.has_attr("hx-get")
    assert "No old secret of this key works." in over.text


def test_asking_by_itself_is_no_use_of_the_session(app: Flask, ben: Browser, seeded: Seeded) -> None:
    def seen() -> datetime:
        engine = connect(address_of(app))
        with Session(engine) as session:
            moment = session.scalars(select(SignInSession.seen_at)).one()
        engine.dispose()
        return moment

    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(update(SignInSession).values(seen_at=datetime.now(UTC) - timedelta(minutes=5)))
    engine.dispose()
    before = seen()
    assert ben.get(f"/keys/{seeded.grace}/grace", htmx=True).status_code == 200
    assert seen() == before
    ben.get(f"/keys/{seeded.grace}/grace")
    assert seen() > before


def test_a_grace_is_ended_and_the_page_says_so(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.grace}"
    ben.get(path)
    assert ben.post(f"{path}/grace/end", {"nonce": "e"}).location == path
    page = words(soup(ben, path))
    assert "The old secret is out of use." in page
    assert "ben ended the old secret before its time." in page
    assert last_action(app, seeded.grace) == ("key.grace_ended", "user:ben")
    assert ben.post(f"{path}/grace/end", {"nonce": "e"}).status_code == 303
    again = ben.post(f"{path}/grace/end", {"nonce": "e2"})
    assert again.status_code == 409
    assert "its grace is over" in again.text


def test_a_grace_is_extended_to_a_moment_on_offer(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.expiring}"
    ben.get(path)
    assert ben.post(f"{path}/rotate", {"overlap": "3600", "nonce": "r"}).status_code == 200
    page = soup(ben, path)
    offered = [str(option["value"]) for option in page.select("#until option")]
    assert [option.text.partition(":")[0] for option in page.select("#until option")] == [
        "1 hour longer",
        "1 day longer",
        "The longest the rule allows",
    ]
    assert ben.post(f"{path}/grace/extend", {"until": offered[1], "nonce": "x"}).status_code == 303
    assert "The old secret works until" in words(soup(ben, path))
    assert last_action(app, seeded.expiring) == ("key.grace_extended", "user:ben")
    beyond = datetime.fromisoformat(offered[-1]) + HOUR
    refused = ben.post(f"{path}/grace/extend", {"until": beyond.isoformat(), "nonce": "y"})
    assert refused.status_code == 409
    assert "at most" in refused.text


@pytest.mark.parametrize("until", ["", "soon", "2030-01-01T00:00:00", "2030-01-01T00:00:00+99:00"])
def test_a_moment_that_is_none_is_a_problem_of_its_field(ben: Browser, seeded: Seeded, until: str) -> None:
    ben.get("/me")
    response = ben.post(f"/keys/{seeded.grace}/grace/extend", {"until": until, "nonce": "x"})
    assert response.status_code == 422
    assert "Choose until when" in response.text


def test_a_rotation_is_undone_until_the_new_secret_is_used(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.grace}"
    assert "Undo the rotation" in words(soup(ben, path))
    _, new = credentials(app, seeded.grace)
    ben.get(path)
    assert ben.post(f"{path}/grace/undo", {"nonce": "u"}).status_code == 303
    assert "The rotation is undone" in words(soup(ben, path))
    assert ben.post(f"{path}/rotate", {"overlap": "3600", "nonce": "r"}).status_code == 200
    *_, newest = credentials(app, seeded.grace)
    assert newest != new
    use(app, Calls(seeded.grace, newest, OK, 1, datetime.now(UTC)))
    assert "cannot be undone" in words(soup(ben, path))
    refused = ben.post(f"{path}/grace/undo", {"nonce": "u2"})
    assert refused.status_code == 409
    assert "in use already" in refused.text


def test_an_admin_ends_a_grace_of_others_and_is_offered_no_more(ada: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.grace}"
    page = words(soup(ada, path), "section[aria-labelledby=grace]")
    assert "End grace now" in page
    assert "Extend" not in page
    assert "Undo" not in page
    assert ada.post(f"{path}/grace/end", {"nonce": "e"}).status_code == 303


def test_an_admin_suspends_with_a_reason_and_resumes_with_one(app: Flask, ada: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.active}"
    assert "Suspend" in words(soup(ada, path), ".head")
    lacking = ada.post(f"{path}/suspend", {"note": " ", "nonce": "s"})
    assert lacking.status_code == 422
    assert "Say why" in lacking.text
    assert ada.post(f"{path}/suspend", {"note": "odd traffic", "nonce": "s"}).status_code == 303
    page = soup(ada, path)
    assert "is suspended. No service accepts it until it is resumed." in words(page)
    assert "“odd traffic”" in words(page, "section[aria-labelledby=story]")
    assert "It was suspended because: “odd traffic”" in words(soup(ada, f"{path}/resume"))
    assert ada.post(f"{path}/suspend", {"note": "again", "nonce": "s2"}).status_code == 409
    assert ada.post(f"{path}/resume", {"note": "", "nonce": "t"}).status_code == 422
    assert ada.post(f"{path}/resume", {"note": "explained", "nonce": "t"}).status_code == 303
    assert "“explained”" in words(soup(ada, path), "section[aria-labelledby=story]")
    assert last_action(app, seeded.active) == ("key.resumed", "user:ada")
    assert ada.post(f"{path}/resume", {"note": "explained", "nonce": "t"}).status_code == 303


def test_the_story_tells_reason_policy_and_request(ben: Browser, seeded: Seeded) -> None:
    story = words(soup(ben, f"/keys/{seeded.revoked}"), "section[aria-labelledby=story]")
    assert "ben revoked it." in story
    assert "reason: leaked" in story
    assert "policy 4f2c1ab" in story
    assert "req-seed" in story
    assert story.index("revoked it") < story.index("created this key")


def test_the_page_says_what_a_changed_policy_would_answer_today(app: Flask, ben: Browser, seeded: Seeded) -> None:
    assert "Asked for today" not in words(soup(ben, f"/keys/{seeded.active}"), "section[aria-labelledby=why]")
    put_in_force(address_of(app), change=("requests: 600, per: 1h", "requests: 700, per: 1h"))
    assert "would be granted at once" in words(soup(ben, f"/keys/{seeded.active}"), "section[aria-labelledby=why]")


def test_snippets_hold_a_name_and_never_a_secret(ben: Browser, seeded: Seeded) -> None:
    text = words(soup(ben, f"/keys/{seeded.active}"), "section[aria-labelledby=how]")
    assert "PAYMENTS_API_KEY" in text
    assert "cannot be shown again" in text


def test_a_rotation_takes_any_number_of_hours_the_rule_allows(ben: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.active}/rotate"
    assert "Another number of hours" in words(soup(ben, path))
    for hours in ("", "0", "x", "1.5"):
        refused = ben.post(path, {"overlap": "custom", "hours": hours, "nonce": "r"})
        assert refused.status_code == 422
        page = BeautifulSoup(refused.text, "html.parser")
        assert page.select_one("#hours[aria-invalid=true]") is not None
        assert page.select_one("input[value=custom][checked]") is not None
    assert ben.post(path, {"overlap": "custom", "hours": "9999999", "nonce": "r"}).status_code == 409
    assert ben.post(path, {"overlap": "custom", "hours": "5", "nonce": "r"}).status_code == 200
    assert re.search(r"in 4 h 59 min|in 5 h", words(soup(ben, f"/keys/{seeded.active}"), "#grace-now"))
