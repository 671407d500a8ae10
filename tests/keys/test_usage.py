"""Usage counts: added up in batches, read per day."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from keymgr.keys.due import tick
from keymgr.keys.sources import SOURCES_MAX
from keymgr.keys.usage import Calls, Day, calls_by_day, calls_per_day, record_batch
from keymgr.store.keys import Credential, Key
from keymgr.store.usage import KeySource, Usage, UsageDay
from keymgr.tokens.verdicts import VerdictCode
from tests.keys.house import LEVEL, Counter, at_once

OK, LIMITED = VerdictCode.OK, VerdictCode.RATE_LIMITED
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def rows(session: Session) -> list[tuple[datetime, str, int]]:
    statement = select(Usage.hour, Usage.code, Usage.calls).order_by(Usage.hour, Usage.code)
    return [(hour, code, calls) for hour, code, calls in session.execute(statement)]


def test_batches_add_up_per_hour_and_code(session: Session, counter: Counter) -> None:
    issued, now = counter.issue(), counter.now
    calls = Calls(issued.key_id, issued.credential_id, OK, 3, now + timedelta(minutes=59))
    limited = Calls(issued.key_id, issued.credential_id, LIMITED, 1, now + timedelta(minutes=5))

    record_batch(session, [calls, limited, calls])
    record_batch(session, [Calls(issued.key_id, issued.credential_id, OK, 4, now + HOUR)])
    record_batch(session, [limited])
    record_batch(session, [])

    assert rows(session) == [(now, "ok", 6), (now, "rate_limited", 2), (now + HOUR, "ok", 4)]


def test_only_accepted_calls_are_a_use_and_the_last_use_never_goes_back(session: Session, counter: Counter) -> None:
    issued, now = counter.issue(), counter.now
    other = counter.issue()

    def use(code: VerdictCode, at: datetime, address: str) -> None:
        record_batch(session, [Calls(issued.key_id, issued.credential_id, code, 1, at, address)])
        session.expire_all()

    key, credential = session.get_one(Key, issued.key_id), session.get_one(Credential, issued.credential_id)
    use(LIMITED, now + HOUR, "10.0.0.1")
    assert (key.last_used_at, credential.first_used_at) == (None, None)
    use(OK, now + 2 * HOUR, "10.0.0.2")
    use(OK, now + HOUR, "10.0.0.3")
    assert (key.last_used_at, key.last_used_from) == (now + 2 * HOUR, "10.0.0.2")
    assert credential.first_used_at == now + 2 * HOUR
    assert session.get_one(Key, other.key_id).last_used_at is None
    assert session.get_one(Credential, other.credential_id).first_used_at is None


def test_within_a_batch_the_latest_is_the_last_use_and_the_earliest_the_first(
    session: Session, counter: Counter
) -> None:
    issued, now = counter.issue(), counter.now
    times = (now + 2 * HOUR, now + 3 * HOUR, now + HOUR)
    record_batch(session, [Calls(issued.key_id, issued.credential_id, OK, 1, at, str(at.hour)) for at in times])
    key, credential = session.get_one(Key, issued.key_id), session.get_one(Credential, issued.credential_id)
    session.refresh(key)
    assert (key.last_used_at, key.last_used_from) == (now + 3 * HOUR, "13")
    assert credential.first_used_at == now + HOUR


def test_batches_of_many_processes_lose_nothing(engine: Engine, session: Session, counter: Counter) -> None:
    keys = [counter.issue(name=name) for name in "abc"]
    batch = [Calls(key.key_id, key.credential_id, OK, 1, counter.now) for key in keys]
    orders = [batch, batch[::-1]] * 5
    at_once(engine, 10, lambda own: record_batch(own, orders.pop()))
    for counted in (Usage, UsageDay):
        assert list(session.scalars(select(counted.calls))) == [10, 10, 10]


def test_days_without_a_call_are_there_too(session: Session, counter: Counter) -> None:
    issued, now = counter.issue(), counter.now
    for at, code in ((now, OK), (now - 11 * HOUR, OK), (now - 9 * HOUR, LIMITED), (now - timedelta(days=9), OK)):
        record_batch(session, [Calls(issued.key_id, issued.credential_id, code, 2, at)])

    assert calls_per_day(session, issued.key_id, days=3, now=now) == (
        Day(date(2026, 11, 20), {}),
        Day(date(2026, 11, 21), {"ok": 2}),
        Day(date(2026, 11, 22), {"ok": 2, "rate_limited": 2}),
    )
    assert calls_per_day(session, "key_unknown", days=1, now=now) == (Day(date(2026, 11, 22), {}),)


@pytest.mark.parametrize("hours", [1, 30])
def test_calls_of_several_hours_of_one_day_are_one_sum(session: Session, counter: Counter, hours: int) -> None:
    issued = counter.issue()
    start = counter.now.replace(hour=0)
    for number in range(hours):
        record_batch(session, [Calls(issued.key_id, issued.credential_id, OK, 1, start + number * HOUR)])
    assert calls_per_day(session, issued.key_id, days=1, now=counter.now)[0].calls == {"ok": min(hours, 24)}


def test_a_page_of_keys_is_read_at_once_by_day_and_code(session: Session, counter: Counter) -> None:
    first, second, unused = (counter.issue(name=name) for name in "abc")
    for issued, code, ago, calls in ((first, OK, 0, 3), (first, LIMITED, 0, 1), (first, OK, 2, 5), (second, OK, 1, 7)):
        use = Calls(issued.key_id, issued.credential_id, code, calls, counter.now - ago * DAY)
        record_batch(session, [use, use])

    ids = (second.key_id, first.key_id, unused.key_id)
    found = calls_by_day(session, ids, days=2, now=counter.now)
    assert tuple(found) == ids
    assert {key_id: [dict(day.calls) for day in days] for key_id, days in found.items()} == {
        first.key_id: [{}, {"ok": 6, "rate_limited": 2}],
        second.key_id: [{"ok": 14}, {}],
        unused.key_id: [{}, {}],
    }
    assert calls_by_day(session, (), days=2, now=counter.now) == {}


def sources(session: Session) -> list[tuple[str, datetime, datetime, int]]:
    columns = (KeySource.address, KeySource.first_at, KeySource.last_at, KeySource.calls)
    return [(row[0], row[1], row[2], row[3]) for row in session.execute(select(*columns).order_by(KeySource.address))]


def test_accepted_calls_count_for_the_address_they_came_from(session: Session, counter: Counter) -> None:
    issued, now = counter.issue(), counter.now

    def use(code: VerdictCode, calls: int, at: datetime, address: str | None) -> Calls:
        return Calls(issued.key_id, issued.credential_id, code, calls, at, address)

    record_batch(session, [use(OK, 2, now, "10.0.0.1"), use(LIMITED, 4, now, "10.0.0.2"), use(OK, 1, now, None)])
    record_batch(session, [use(OK, 1, now - HOUR, "10.0.0.1"), use(OK, 1, now + HOUR, "10.0.0.1")])
    record_batch(session, [use(OK, 5, now, "2001:db8::1")])
    assert sources(session) == [("10.0.0.1", now - HOUR, now + HOUR, 4), ("2001:db8::1", now, now, 5)]


def test_of_one_key_the_addresses_used_last_are_kept(session: Session, counter: Counter) -> None:
    busy, calm = counter.issue(name="busy"), counter.issue(name="calm")

    def use(number: int) -> Calls:
        at = counter.now + timedelta(seconds=number)
        return Calls(busy.key_id, busy.credential_id, OK, 1, at, f"10.0.0.{number:03}")

    record_batch(session, [Calls(calm.key_id, calm.credential_id, OK, 1, counter.now, "10.9.9.9")])
    record_batch(session, [use(number) for number in range(SOURCES_MAX)])
    assert len(sources(session)) == SOURCES_MAX + 1
    record_batch(session, [use(number) for number in range(SOURCES_MAX, SOURCES_MAX + 3)])
    kept = [address for address, *_ in sources(session)]
    assert kept == [f"10.0.0.{number:03}" for number in range(3, SOURCES_MAX + 3)] + ["10.9.9.9"]


def test_a_batch_of_very_many_keys_is_written_whole(session: Session, counter: Counter) -> None:
    uses = [Calls(f"key_{number:04}", f"crd_{number:04}", OK, 1, counter.now, "10.0.0.1") for number in range(1200)]
    record_batch(session, uses)
    assert len(sources(session)) == 1200


def test_addresses_and_days_go_when_they_are_of_no_use_any_more(session: Session, counter: Counter) -> None:
    issued = counter.issue()
    for ago in (0, 29, 31, 399, 402):
        at = counter.now - ago * DAY
        record_batch(session, [Calls(issued.key_id, issued.credential_id, OK, 1, at, f"10.0.0.{ago % 256}")])
    ticked = tick(session, counter.now, level=LEVEL)
    assert (ticked.sources, ticked.usage_days) == (3, 1)
    assert [address for address, *_ in sources(session)] == ["10.0.0.0", "10.0.0.29"]
    assert session.scalar(select(func.count()).select_from(UsageDay)) == 4
