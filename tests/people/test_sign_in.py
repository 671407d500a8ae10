"""Signing in: one answer and one cost for every failure, and only so many tries."""

import threading
from datetime import datetime, timedelta

import pytest
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.people.enrol import set_password, set_person_state
from keymgr.people.sample import plant
from keymgr.people.sign_in import SignedIn, SignInOutcome, WrongNameOrPassword, sign_in
from keymgr.people.throttle import Throttle, Throttled
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.counters import SharedCounters, counters_url
from keymgr.store.people import Person, PersonState, SignInSession
from tests.people.conftest import PASSWORD, CountingHasher

WRONG = "ana-walks-the-short-way"


class Door:
    """Signs in as a door does: one try, one transaction."""

    def __init__(self, engine: Engine, throttle: Throttle, hasher: CountingHasher, now: datetime) -> None:
        self.engine, self.throttle, self.hasher, self.now = engine, throttle, hasher, now

    def __call__(
        self, name: str = "ana", password: str = PASSWORD, *, demo: bool = False, address: str = "198.51.100.7"
    ) -> SignInOutcome:
        with Session(self.engine, expire_on_commit=False) as session:
            outcome = sign_in(
                session,
                name=name,
                password=password,
                actor=Actor("anonymous", address, "a browser", "req-1"),
                demo=demo,
                throttle=self.throttle,
                now=self.now,
                hasher=self.hasher,
            )
            session.commit()
            return outcome


@pytest.fixture
def door(engine: Engine, throttle: Throttle, hasher: CountingHasher, now: datetime, ana: Person) -> Door:  # noqa: ARG001 - somebody to sign in as.
    return Door(engine, throttle, hasher, now)


def test_the_right_password_opens_a_session_and_is_audited(door: Door, session: Session) -> None:
    outcome = door("  ANA ")
    assert isinstance(outcome, SignedIn)
    assert outcome.person.name == "ana"
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "person.signed_in")).one()
    assert (event.actor, event.object_id, event.address, event.request_id) == (
        "user:ana",
        "ana",
        "198.51.100.7",
        "req-1",
    )


def test_each_sign_in_has_a_token_of_its_own_that_is_not_stored(door: Door, session: Session) -> None:
    outcomes = [door(), door()]
    tokens = {outcome.token for outcome in outcomes if isinstance(outcome, SignedIn)}
    assert len(tokens) == 2
    assert all(len(token) == 43 for token in tokens)
    assert not tokens & set(session.scalars(select(SignInSession.id)))
    assert not any(token in repr(outcome) for token in tokens for outcome in outcomes)


def test_every_failure_gets_the_same_answer_for_the_same_cost(
    door: Door, hasher: CountingHasher, session: Session, ana: Person, now: datetime
) -> None:
    plant(session, now, hasher)
    session.add(Person(id="usr_x", name="no-password", display_name="X", created_at=now))
    session.commit()
    attempts = [("ana", WRONG), ("nobody", PASSWORD), ("not a name", PASSWORD), ("no-password", PASSWORD)]
    attempts += [
        ("ben", "ben-likes-blue-doors"),
        ("", ""),
        ("ana", "x" * 100_000),
        ("ana\x00", "\x00"),
        ("\udcff", "\udcff"),
    ]
    costs = []
    for name, password in attempts:
        hasher.computed = 0
        assert door(name, password) == WrongNameOrPassword()
        costs.append(hasher.computed)
    set_person_state(session, ana, PersonState.SUSPENDED, actor=Actor("cli:test"), now=now)
    session.commit()
    hasher.computed = 0
    assert door() == WrongNameOrPassword()
    assert [*costs, hasher.computed] == [1] * 10


def test_a_refusal_is_audited_without_what_was_typed(door: Door, session: Session) -> None:
    door("ana", WRONG)
    door("my-secret-typed-into-the-wrong-box", WRONG)
    events = session.scalars(select(AuditEvent).where(AuditEvent.outcome == "refused")).all()
    assert [(event.actor, event.object_id) for event in events] == [("anonymous", "ana"), ("anonymous", "unknown")]
    assert not any("short-way" in str(event.detail) for event in events)


def test_people_of_the_demo_sign_in_only_in_the_demo(
    door: Door, hasher: CountingHasher, session: Session, now: datetime
) -> None:
    plant(session, now, hasher)
    session.commit()
    assert isinstance(door("ben", "ben-likes-blue-doors", demo=True), SignedIn)
    assert door("ben", "ben-likes-blue-doors") == WrongNameOrPassword()


def test_the_eleventh_try_is_not_looked_at_even_with_the_right_password(door: Door, hasher: CountingHasher) -> None:
    assert [door("Ana", WRONG) for _ in range(10)] == [WrongNameOrPassword()] * 10
    hasher.computed = 0
    outcome = door(" ana", address="203.0.113.9")
    assert isinstance(outcome, Throttled)
    assert 0 < outcome.retry_after_seconds <= 15 * 60
    assert outcome.sentence.startswith("There were too many attempts to sign in. Try again in ")
    assert hasher.computed == 0
    assert door("somebody-else", WRONG) == WrongNameOrPassword()


def test_a_sign_in_that_succeeds_gives_the_tries_back(door: Door) -> None:
    for _ in range(3):
        assert [door("ana", WRONG) for _ in range(9)] == [WrongNameOrPassword()] * 9
        assert isinstance(door(), SignedIn)


def test_one_address_cannot_try_many_accounts(door: Door, now: datetime) -> None:
    door.throttle = Throttle(
        FixedWindowRateLimiter(MemoryStorage()), per_address=RateLimitItemPerMinute(5, 15, namespace="address")
    )
    site = [f"2001:db8:1:2::{number:x}" for number in range(1, 7)]
    outcomes = [door(f"person-{number}", WRONG, address=address) for number, address in enumerate(site)]
    assert outcomes[:5] == [WrongNameOrPassword()] * 5
    assert isinstance(outcomes[5], Throttled)
    assert isinstance(door(address="2001:db8:1:3::1"), SignedIn)
    assert door.throttle.admit("x", None, now) is None
    assert door.throttle.admit("x", "::1", now) is None


def test_tries_at_the_same_time_cannot_pass_the_limit(door: Door, tmp_path_factory: pytest.TempPathFactory) -> None:
    door.throttle = Throttle(
        FixedWindowRateLimiter(SharedCounters(counters_url(tmp_path_factory.mktemp("counters") / "counters.db")))
    )
    outcomes: list[SignInOutcome] = []
    threads = [threading.Thread(target=lambda: outcomes.append(door("ana", WRONG))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome == WrongNameOrPassword() for outcome in outcomes) == 10
    assert sum(isinstance(outcome, Throttled) for outcome in outcomes) == 20


class BrokenStorage(MemoryStorage):
    """A storage that has lost what it counted on."""

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        raise StorageError(OSError(key, expiry, amount))

    def clear(self, key: str) -> None:
        raise StorageError(OSError(key))


def test_without_working_counters_nobody_signs_in(door: Door, hasher: CountingHasher, now: datetime) -> None:
    door.throttle = Throttle(FixedWindowRateLimiter(BrokenStorage()))
    outcome = door()
    assert isinstance(outcome, Throttled)
    assert "attempts cannot be counted" in outcome.sentence
    assert hasher.computed == 0
    door.throttle.forgive("ana")
    assert isinstance(door.throttle.admit("ana", None, now), Throttled)


def test_a_hash_with_yesterdays_costs_is_renewed_at_the_next_sign_in(door: Door, session: Session, ana: Person) -> None:
    before = ana.password_hash
    session.commit()
    door.hasher = CountingHasher(memory_cost=16)
    assert isinstance(door(), SignedIn)
    session.refresh(ana)
    assert ana.password_hash != before
    session.commit()
    assert isinstance(door(), SignedIn)


def test_a_new_password_replaces_the_old_one_and_ends_every_session(
    door: Door, session: Session, ana: Person, hasher: CountingHasher, now: datetime
) -> None:
    door()
    actor = Actor("user:ana")
    assert set_password(session, ana, "too short", actor=actor, now=now, hasher=hasher) is not None
    assert set_password(session, ana, "ana-took-another-way", actor=actor, now=now, hasher=hasher) is None
    session.commit()
    assert session.scalars(select(SignInSession)).all() == []
    session.commit()
    assert door() == WrongNameOrPassword()
    assert isinstance(door("ana", "ana-took-another-way"), SignedIn)


def test_how_long_to_wait_never_exceeds_the_window(throttle: Throttle, now: datetime) -> None:
    for _ in range(10):
        assert throttle.admit("ana", "198.51.100.7", now) is None
    for clock in (now - timedelta(days=900), now + timedelta(days=900)):
        outcome = throttle.admit("ana", "198.51.100.7", clock)
        assert isinstance(outcome, Throttled)
        assert 1 <= outcome.retry_after_seconds <= 15 * 60
