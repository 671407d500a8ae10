"""Limits of keys: several windows, shared ones, quotas, costs; counted by key and never by token."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from limits.storage import MemoryStorage, Storage
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keymgr.keys.limiting import Limiter, Window, retry_after_seconds
from keymgr.keys.verdict import Verdict
from keymgr.keys.verify import Verifier
from keymgr.store.counters import Draw
from keymgr.store.keys import CredentialState, Key
from keymgr.tokens.verdicts import VerdictCode
from tests.keys.verifying import HOUR, Shop, Verifying, add_credential, asked, open_counters, open_shop

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def shop(session: Session, now: datetime) -> Shop:
    return open_shop(session, now)


@pytest.fixture
def counters_path(tmp_path: Path) -> Path:
    return tmp_path / "counters.db"


@pytest.fixture
def verifier(engine: Engine, now: datetime, counters_path: Path) -> Iterator[Verifier]:
    verifier = Verifying(engine, now, open_counters(counters_path)).open()
    yield verifier
    verifier.close()


def standing(verdict: Verdict) -> dict[str, tuple[int, int]]:
    return {state.window.name: (state.remaining, state.resets_in_seconds) for state in verdict.limits}


def test_windows_are_told_smallest_first_with_what_is_left(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(
        quota=("quota", 1000, 86_400),
        rate_limits=[("hourly", 50, 3600), ("burst", 5, 10)],
        owner_rate_limits=[("m", 9, 60)],
    )
    verdict = verifier.verify(asked(given, cost=3), now)
    assert list(standing(verdict).items()) == [
        ("burst", (2, 10)), ("owner:m", (6, 60)), ("hourly", (47, 3600)), ("quota", (997, 86_400))
    ]  # fmt: skip


def test_a_refused_call_uses_up_nothing(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(rate_limits=[("burst", 2, 10), ("daily", 100, 86_400)])
    *_, verdict = (verifier.verify(asked(given), now) for _ in range(10))
    assert verdict.code is VerdictCode.RATE_LIMITED
    assert verdict.retry_after_seconds == 10
    assert standing(verdict) == {"burst": (0, 10), "daily": (98, 86_400)}
    assert verifier.verify(asked(given), now + timedelta(seconds=10)).valid


def test_retry_after_waits_for_the_last_window_that_refused(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(rate_limits=[("burst", 1, 10), ("hourly", 1, 3600)], quota=("quota", 1, 7200))
    assert verifier.verify(asked(given), now).valid
    verdict = verifier.verify(asked(given), now + timedelta(seconds=3.5))
    assert verdict.code is VerdictCode.QUOTA_EXCEEDED
    assert verdict.retry_after_seconds == 7197
    assert standing(verdict)["burst"] == (0, 7)


def test_a_cost_beyond_a_window_is_never_let_through(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(rate_limits=[("burst", 5, 10)])
    assert verifier.verify(asked(given, cost=6), now).code is VerdictCode.RATE_LIMITED
    assert verifier.verify(asked(given, cost=5), now).valid


def test_rotation_starts_no_counter_over(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(rate_limits=[("burst", 2, 3600)])
    assert verifier.verify(asked(given), now).valid
    shop.change_credential(given, state=CredentialState.RETIRING, retires_at=now + HOUR)
    key = shop.session.get_one(Key, given.key_id)
    newer = add_credential(shop.session, key, now, generation=2, expires_at=now + HOUR)
    shop.session.commit()
    assert verifier.verify(asked(newer), now).valid
    assert verifier.verify(asked(newer), now).code is VerdictCode.RATE_LIMITED
    assert verifier.verify(asked(given), now).code is VerdictCode.RATE_LIMITED


def test_shared_limits_are_shared_by_the_owners_keys_under_one_rule_only(
    verifier: Verifier, shop: Shop, now: datetime
) -> None:
    shared = {"owner_rate_limits": [("daily", 2, 86_400)]}
    one, two = (shop.key(**shared) for _ in range(2))
    other_rule, other_owner = shop.key(**shared, rule="payments-dev"), shop.key(**shared, owner="svc:pay-ci")
    assert verifier.verify(asked(one), now).valid
    assert verifier.verify(asked(two), now).valid
    assert verifier.verify(asked(one), now).code is VerdictCode.RATE_LIMITED
    assert verifier.verify(asked(other_rule), now).valid
    assert verifier.verify(asked(other_owner), now).valid


def test_windows_of_one_name_do_not_meet(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(rate_limits=[("w", 1, 60)], owner_rate_limits=[("w", 5, 60)], quota=("w", 5, 60))
    assert standing(verifier.verify(asked(given), now)) == {"w": (4, 60), "owner:w": (4, 60)}
    assert verifier.verify(asked(given), now).code is VerdictCode.RATE_LIMITED


def test_a_narrowed_limit_holds_at_the_next_call(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(rate_limits=[("hourly", 100, 3600)])
    assert all(verifier.verify(asked(given), now).valid for _ in range(3))
    terms = dict(shop.session.get_one(Key, given.key_id).terms)
    terms["rate_limits"] = [{"name": "hourly", "requests": 3, "per_seconds": 3600}]
    shop.change_key(given, terms=terms)
    assert verifier.verify(asked(given), now).code is VerdictCode.RATE_LIMITED


@pytest.mark.parametrize(
    "broken", [{}, {"rate_limits": 5}, None, {"rate_limits": [{"name": "a", "requests": 0, "per_seconds": 1}]}]
)
def test_terms_that_make_no_sense_are_doubt_and_never_no_limit(
    verifier: Verifier, shop: Shop, now: datetime, broken: object
) -> None:
    given = shop.key()
    shop.change_key(given, terms=broken if broken is not None else {"rate_limits": [], "owner_rate_limits": []})
    assert verifier.verify(asked(given), now).code is VerdictCode.VERIFIER_UNAVAILABLE


def test_counters_that_cannot_be_asked_are_doubt(engine: Engine, shop: Shop, now: datetime, tmp_path: Path) -> None:
    verifier = Verifying(engine, now, open_counters(tmp_path / "missing" / "counters.db")).open()
    verdict = verifier.verify(asked(shop.key(rate_limits=[("burst", 5, 10)])), now)
    assert verdict.code is VerdictCode.VERIFIER_UNAVAILABLE
    assert verdict.retry_after_seconds
    assert verifier.verify(asked(shop.key()), now).valid, "a key without limits needs no counters"
    verifier.close()


@pytest.fixture(params=["ours", "another of the limits library"])
def storage(request: pytest.FixtureRequest, counters_path: Path, database_url: str) -> Iterator[Storage]:
    del database_url
    if request.param == "ours":
        counters = open_counters(counters_path)
        yield counters
        counters.close()
    else:
        yield MemoryStorage()


def test_any_storage_of_the_limits_library_lets_exactly_the_limit_through(storage: Storage) -> None:
    windows = [Window("burst", Draw("b", 3, 60)), Window("daily", Draw("d", 5, 86_400))]
    limiter = Limiter(storage)
    taken = [limiter.take(windows, 1, time.time()) for _ in range(5)]
    assert [all(state.fits for state in states) for states in taken] == [True, True, True, False, False]
    burst, daily = taken[-1]
    assert (burst.remaining, burst.fits, daily.remaining, daily.fits) == (0, False, 2, True)
    assert 58 <= retry_after_seconds(taken[-1]) <= 60
    assert limiter.take([], 1, time.time()) == ()
    with pytest.raises(ValueError, match="whole number"):
        limiter.take(windows, 0, time.time())
    limiter.close()
