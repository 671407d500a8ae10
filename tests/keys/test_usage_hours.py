"""Calls hour by hour, and those of an old secret counted apart while it still works."""

from datetime import timedelta

from sqlalchemy.orm import Session

from keymgr.keys.outcomes import Issued
from keymgr.keys.usage import Calls, calls_per_day, record_batch
from keymgr.keys.usage_hours import Hour, Source, hours_between, sources_of
from keymgr.tokens.verdicts import VerdictCode
from tests.keys.house import STAGING, Counter
from tests.keys.test_rotate import rotated

OK, LIMITED = VerdictCode.OK, VerdictCode.RATE_LIMITED
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def test_hours_are_listed_without_a_gap(session: Session, counter: Counter) -> None:
    issued, now = counter.issue(), counter.now
    for code, calls, after in ((OK, 3, MINUTE), (LIMITED, 1, 2 * MINUTE), (OK, 5, 2 * HOUR), (OK, 7, 3 * HOUR)):
        record_batch(session, [Calls(issued.key_id, issued.credential_id, code, calls, now + after)])
    assert hours_between(session, issued.key_id, now + 5 * MINUTE, now + 2 * HOUR) == (
        Hour(now, {"ok": 3, "rate_limited": 1}),
        Hour(now + HOUR, {}),
        Hour(now + 2 * HOUR, {"ok": 5}),
    )


def test_calls_with_a_secret_that_retires_are_counted_under_its_own_id_as_well(
    session: Session, counter: Counter
) -> None:
    old, now = counter.issue(STAGING), counter.now
    new = rotated(counter, old.key_id, overlap=2 * HOUR)
    assert isinstance(new, Issued)
    batch = [
        Calls(old.key_id, old.credential_id, OK, 31, now + MINUTE, "10.2.0.7"),
        Calls(old.key_id, old.credential_id, LIMITED, 2, now + MINUTE, "10.2.0.7"),
        Calls(old.key_id, old.credential_id, OK, 1, now + MINUTE),
        Calls(old.key_id, new.credential_id, OK, 400, now + MINUTE, "10.2.0.8"),
    ]
    record_batch(session, batch)
    record_batch(session, [Calls(old.key_id, old.credential_id, OK, 4, now + HOUR, "10.2.0.9")])

    assert hours_between(session, old.credential_id, now, now + HOUR) == (
        Hour(now, {"ok": 32, "rate_limited": 2}),
        Hour(now + HOUR, {"ok": 4}),
    )
    assert hours_between(session, new.credential_id, now, now) == (Hour(now, {}),)
    assert hours_between(session, old.key_id, now, now) == (Hour(now, {"ok": 432, "rate_limited": 2}),)
    assert sum(calls_per_day(session, old.key_id, days=1, now=now)[0].calls.values()) == 438
    assert sources_of(session, old.credential_id, most=5) == (
        Source("10.2.0.9", now + HOUR, now + HOUR, 4),
        Source("10.2.0.7", now + MINUTE, now + MINUTE, 31),
    )
    assert [source.address for source in sources_of(session, old.key_id, most=2)] == ["10.2.0.9", "10.2.0.7"]
    later = sources_of(session, old.credential_id, most=5, since=now + HOUR)
    assert [source.address for source in later] == ["10.2.0.9"]


def test_calls_with_secrets_that_are_current_or_retired_are_counted_once(session: Session, counter: Counter) -> None:
    issued, now = counter.issue(STAGING), counter.now
    record_batch(session, [Calls(issued.key_id, issued.credential_id, OK, 3, now)])
    rotated(counter, issued.key_id, overlap=timedelta())
    superseded = VerdictCode.KEY_SUPERSEDED
    record_batch(session, [Calls(issued.key_id, issued.credential_id, superseded, 2, now)])
    assert hours_between(session, issued.credential_id, now, now) == (Hour(now, {}),)
