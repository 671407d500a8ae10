"""Giving the password again makes a sign-in recent, in the same session, under the same limits as signing in."""

from datetime import datetime, timedelta

import pytest
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.people.confirm import Confirmed, ConfirmOutcome, NotConfirmed, confirm
from keymgr.people.sessions import find, open_session
from keymgr.people.throttle import Throttle, Throttled
from keymgr.people.whois import Visitor
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.people import Person, PersonState
from tests.people.conftest import PASSWORD, CountingHasher

HOUR = timedelta(hours=1)


class House:
    """Ana, signed in since `now`."""

    def __init__(self, session: Session, ana: Person, now: datetime, browser: Actor, hasher: CountingHasher) -> None:
        self.session, self.browser, self.hasher = session, browser, hasher
        self.throttle = Throttle(FixedWindowRateLimiter(MemoryStorage()))
        self.token = open_session(session, ana, actor=browser, now=now)
        session.commit()

    def visitor(self, at: datetime) -> Visitor:
        found = find(self.session, self.token, at, policy=None, demo=False, idle_seconds=9999, absolute_seconds=9999)
        assert found
        self.session.rollback()
        return found

    def give(self, password: str, at: datetime) -> ConfirmOutcome:
        outcome = confirm(
            self.session,
            self.visitor(at),
            password,
            actor=self.browser,
            throttle=self.throttle,
            now=at,
            hasher=self.hasher,
        )
        self.session.commit()
        return outcome


@pytest.fixture
def house(session: Session, ana: Person, now: datetime, browser: Actor, hasher: CountingHasher) -> House:
    return House(session, ana, now, browser, hasher)


def test_the_right_password_makes_the_sign_in_recent_and_the_session_stays(house: House, now: datetime) -> None:
    later = now + HOUR
    assert house.give(PASSWORD, later) == Confirmed(later)
    visitor = house.visitor(later)
    assert (visitor.signed_in_at, visitor.began_at) == (later, now)
    assert house.session.scalars(select(AuditEvent.action).order_by(AuditEvent.id.desc())).first() == "person.confirmed"


def test_a_wrong_password_changes_nothing_and_is_on_record(house: House, now: datetime) -> None:
    assert house.give("something else entirely", now + HOUR) == NotConfirmed()
    assert house.visitor(now + HOUR).signed_in_at == now
    event = house.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event
    assert (event.action, event.outcome, event.object_id) == ("person.confirm_refused", "refused", "ana")
    assert "something" not in str(event.detail)


def test_whoever_has_no_password_or_may_not_act_confirms_nothing(house: House, ana: Person, now: datetime) -> None:
    visitor = house.visitor(now)
    house.session.get_one(Person, ana.id).state = PersonState.SUSPENDED
    house.session.commit()
    outcome = confirm(
        house.session,
        visitor,
        PASSWORD,
        actor=house.browser,
        throttle=house.throttle,
        now=now,
        hasher=house.hasher,
    )
    assert outcome == NotConfirmed()
    assert house.hasher.computed == 1


def test_after_ten_tries_the_password_is_not_looked_at(house: House, now: datetime) -> None:
    for _ in range(10):
        assert house.give("something else entirely", now) == NotConfirmed()
    computed = house.hasher.computed
    assert isinstance(house.give(PASSWORD, now), Throttled)
    assert house.hasher.computed == computed


def test_a_good_password_gives_the_tries_back(house: House, now: datetime) -> None:
    for _ in range(25):
        assert house.give(PASSWORD, now) == Confirmed(now)
