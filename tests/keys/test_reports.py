"""Reports over keys: who is in them, who is not, page by page, and what the numbers say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.keys import reports, reports_use
from keymgr.keys.outcomes import Pending
from keymgr.keys.reports import by_status, counted_since, expiring, expiry_weeks, unused
from keymgr.keys.reports_fit import Gone, out_of_policy, owner_gone
from keymgr.keys.reports_use import Oddity, anomalies
from keymgr.keys.reports_waits import WEEKS, asked_since, waits
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.standing import Stood, write_standings
from keymgr.keys.status import Status
from keymgr.policy.existing import Verdict
from keymgr.policy.model import ViolationAction
from keymgr.store.keys import Credential, Key, KeyRequest, RequestState
from keymgr.store.people import Person, ServiceAccount
from keymgr.store.usage import UsageDay
from tests.keys.house import ANA, ANAS, ANAS_BROWSER, BEN, CI, LEVEL, PROD, Counter, an_order

MINE = frozenset({"user:ana"})
DAY = timedelta(days=1)


@pytest.fixture
def many(counter: Counter, session: Session) -> list[str]:
    """Five keys of Ana's that end in 1, 11, 21, 31 and 41 days, and one of Ben's that ends in five."""
    ids = [counter.issue(asker=replace(ANA, id=f"user:ana-{number}")).key_id for number in range(5)]
    session.execute(update(Key).values(owner="user:ana"))  # More than a rule gives to one.
    ids.append(counter.issue(asker=BEN).key_id)
    for key_id, days in zip(ids, (1, 11, 21, 31, 41, 5), strict=True):
        set_end(session, key_id, counter.now + days * DAY)
    session.commit()
    return ids


def set_end(session: Session, key_id: str, at: datetime, key_at: datetime | None = None) -> None:
    session.execute(update(Credential).where(Credential.key_id == key_id).values(expires_at=at))
    session.execute(update(Key).where(Key.id == key_id).values(expires_at=key_at or at))


def use(session: Session, key_id: str, days: Sequence[tuple[datetime, str, int]]) -> None:
    session.add_all(UsageDay(key_id=key_id, day=at.date(), code=code, calls=calls) for at, code, calls in days)
    session.flush()


def end(session: Session, key_id: str, now: datetime) -> None:
    revoke(
        session,
        key_id=key_id,
        actor=ANAS_BROWSER,
        rights=ANAS,
        reason=RevokeReason.LEAKED,
        submit=None,
        level=LEVEL,
        now=now,
    )


def test_what_ends_soon_comes_first_and_what_is_over_not_at_all(
    session: Session, many: list[str], now: datetime
) -> None:
    assert [key.id for key in expiring(session, MINE, days=30, now=now).rows] == many[:3]
    assert [key.id for key in expiring(session, None, days=14, now=now).rows] == [many[0], many[5], many[1]]
    end(session, many[1], now)
    assert [key.id for key in expiring(session, MINE, days=20, now=now + 2 * DAY).rows] == [many[2]]
    assert expiring(session, frozenset(), days=60, now=now).total == 0


def test_the_weeks_to_come_hold_every_key_that_ends_in_them(session: Session, many: list[str], now: datetime) -> None:
    set_end(session, many[4], now + 21 * DAY)
    assert expiry_weeks(session, MINE, weeks=3, now=now) == (1, 1, 2)
    assert expiry_weeks(session, None, weeks=5, now=now) == (2, 1, 0, 2, 1)


def test_a_long_report_comes_in_pages_or_at_once(
    session: Session, many: list[str], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "PAGE_SIZE", 2)
    pages = [expiring(session, MINE, days=60, now=now, number=number) for number in (0, 1, 2, 3, 99)]
    assert [(page.number, page.pages, page.total) for page in pages] == [
        (1, 3, 5),
        (1, 3, 5),
        (2, 3, 5),
        (3, 3, 5),
        (3, 3, 5),
    ]
    assert [key.id for page in pages[1:4] for key in page.rows] == many[:5]
    assert [key.id for key in expiring(session, MINE, days=60, now=now, number=None).rows] == many[:5]


def test_what_nobody_uses(session: Session, many: list[str], now: datetime) -> None:
    for key_id, days in ((many[0], 2), (many[1], 45), (many[2], 120)):
        session.execute(update(Key).where(Key.id == key_id).values(last_used_at=now - days * DAY))
    session.execute(update(Key).where(Key.id == many[3]).values(created_at=now - 60 * DAY))
    assert [key.id for key in unused(session, MINE, days=None, now=now).rows] == [many[3], many[4]]
    assert [key.id for key in unused(session, MINE, days=30, now=now).rows] == [many[2], many[3], many[1]]
    assert [key.id for key in unused(session, MINE, days=90, now=now).rows] == [many[2]]


def test_each_status_has_its_number(session: Session, many: list[str], now: datetime) -> None:
    end(session, many[4], now)
    found = by_status(session, MINE, now)
    assert list(found) == list(Status)
    assert {word: number for word, number in found.items() if number} == {
        Status.ACTIVE: 2,
        Status.EXPIRING: 2,
        Status.REVOKED: 1,
    }
    assert sum(by_status(session, None, now).values()) == 6


def test_what_does_not_fit_the_policy(session: Session, many: list[str], counter: Counter, now: datetime) -> None:
    reason = {"reason": "limit.ttl", "sentence": "It lives too long.", "source": None}
    soon = Stood(Verdict.VIOLATES, (reason,), since=now, action=ViolationAction.SUSPEND, due_at=now + DAY)
    later = replace(soon, due_at=now + 2 * DAY, acted_at=now)
    unknown = Stood(Verdict.UNKNOWN, since=now, due_at=now + 3 * DAY)
    standings = {many[0]: later, many[1]: soon, many[2]: unknown, many[3]: Stood(Verdict.EXEMPT), many[5]: soon}
    write_standings(session, standings, counter.in_force.revision, now)
    found = out_of_policy(session, MINE, now=now)
    assert [each.key.id for each in found.rows] == [many[1], many[0], many[2]]
    assert [each.sentence for each in found.rows] == ["It lives too long.", "It lives too long.", ""]
    assert [each.action for each in found.rows] == [ViolationAction.SUSPEND, ViolationAction.SUSPEND, None]
    assert out_of_policy(session, None, now=now, number=None).total == 4
    assert out_of_policy(session, None, now=now + 2 * DAY).total == 3  # One of them has ended.


def test_keys_that_nobody_answers_for(session: Session, counter: Counter, now: datetime) -> None:
    keys = {name: counter.issue(name=name, asker=replace(CI, id=f"svc:{name}")).key_id for name in ("ci", "old", "off")}
    keys |= {"ana": counter.issue(name="ana").key_id, "ben": counter.issue(name="ben", asker=BEN).key_id}
    keys["ghost"] = counter.issue(name="ghost", asker=replace(BEN, id="user:ghost")).key_id
    for name, team, state in (
        ("ci", "payments", "active"),
        ("old", "gone", "active"),
        ("off", "payments", "suspended"),
    ):
        session.add(ServiceAccount(id=f"sva_{name}", name=name, team=team, created_at=now, state=state))
    session.execute(update(Person).where(Person.name == "ben").values(state="left"))
    teams = frozenset({"payments"})
    found = {each.key.id: each.why for each in owner_gone(session, None, teams=teams, now=now).rows}
    assert found == {
        keys["old"]: Gone.TEAM,
        keys["off"]: Gone.SUSPENDED,
        keys["ben"]: Gone.LEFT,
        keys["ghost"]: Gone.UNKNOWN,
    }
    assert owner_gone(session, None, teams=None, now=now).total == 3
    assert owner_gone(session, MINE, teams=teams, now=now).total == 0


def steady(now: datetime, calls: int, days: int = 28) -> list[tuple[datetime, str, int]]:
    return [(now - number * DAY, "ok", calls) for number in range(2, 2 + days)]


def test_a_key_that_is_used_as_ever_is_no_finding(session: Session, many: list[str], now: datetime) -> None:
    assert counted_since(session) is None
    use(session, many[0], [*steady(now, 500), (now, "ok", 900), (now, "rate_limited", 99)])
    use(session, many[1], [(now, "ok", 5000)])  # Nothing is known of its usual day.
    use(session, many[2], [*steady(now, 2, days=6), (now, "ok", 5000)])  # Too little is.
    use(session, many[3], [*steady(now, 9), (now, "ok", 99)])  # Too few calls.
    use(
        session,
        many[4],
        [*steady(now, 9)[:-1], (now - 20 * DAY, "rate_limited", 900), (now, "rate_limited", 150), (now, "ok", 800)],
    )
    assert anomalies(session, None, now=now)[0].key.id == many[4]
    assert anomalies(session, frozenset({"user:ben"}), now=now) == ()
    assert counted_since(session) == (now - 29 * DAY).date()


def test_old_secrets_refusals_and_surges_are_found(
    session: Session, many: list[str], now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(session, many[0], [*steady(now, 40), (now - DAY, "ok", 399), (now, "ok", 400)])
    use(session, many[1], [(now, "key_superseded", 3), (now, "ok", 900)])
    use(session, many[2], [(now - DAY, "scope_missing", 60), (now, "key_expired", 50), (now, "ok", 200)])
    use(session, many[5], [(now, "key_superseded", 500), (now, "key_invalid", 120), (now, "ok", 5)])
    found = [(each.key.id, each.oddity, each.calls, each.beside) for each in anomalies(session, None, now=now)]
    assert found == [
        (many[5], Oddity.OLD_SECRET, 500, 625),
        (many[1], Oddity.OLD_SECRET, 3, 903),
        (many[5], Oddity.REFUSALS, 620, 625),
        (many[2], Oddity.REFUSALS, 110, 310),
        (many[0], Oddity.SURGE, 400, 40),
    ]
    assert {each.key.id for each in anomalies(session, MINE, now=now)} == {many[0], many[1], many[2]}
    monkeypatch.setattr(reports_use, "FINDINGS_MAX", 1)
    assert len(anomalies(session, None, now=now)) == 1


def test_a_day_that_was_as_busy_before_is_no_surge(session: Session, many: list[str], now: datetime) -> None:
    use(session, many[0], [*steady(now, 10, days=27), (now - 29 * DAY, "ok", 400), (now, "ok", 400)])
    assert anomalies(session, None, now=now) == ()


def test_use_of_what_is_no_key_is_left_out(session: Session, many: list[str], now: datetime) -> None:
    use(session, "key_of_nobody", [(now, "key_superseded", 3)])
    assert anomalies(session, None, now=now) == ()
    assert len(many) == 6


def decide(session: Session, counter: Counter, at: datetime, minutes: int, **facts: object) -> None:
    made = counter.ask(an_order(PROD), now=at - timedelta(minutes=minutes))
    assert isinstance(made, Pending)
    values = {"state": RequestState.APPROVED, "decided_at": at, **facts}
    session.execute(update(KeyRequest).where(KeyRequest.id == made.request_id).values(**values))
    session.commit()


def test_how_long_decisions_took_week_by_week(session: Session, counter: Counter, now: datetime) -> None:
    assert asked_since(session) is None
    for minutes in (10, 20, 30, 40, 1000):
        decide(session, counter, now, minutes)
    decide(session, counter, now - 14 * DAY, 5, state=RequestState.REFUSED)
    decide(session, counter, now, 1, break_glass=True)
    decide(session, counter, now, 1, state=RequestState.WITHDRAWN)
    decide(session, counter, now - 7 * WEEKS * DAY, 7)
    older, newer = waits(session, MINE, now=now)
    assert (newer.decided, newer.refused, newer.middle_seconds, newer.nine_in_ten_seconds) == (5, 0, 1800, 60_000)
    assert (older.decided, older.refused, older.middle_seconds) == (1, 1, 300)
    assert newer.monday - older.monday == 14 * DAY
    assert newer.monday.weekday() == 0
    assert waits(session, None, now=now) == (older, newer)
    assert waits(session, frozenset({"user:ben"}), now=now) == ()
    assert asked_since(session) == now - 7 * WEEKS * DAY - timedelta(minutes=7)
