"""A password of one's own: the old one is asked for, every other sign-in ends, tries are counted, all is on record."""

from datetime import datetime

import pytest
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.people.own_password import ChooseOutcome, Chosen, NotChosen, choose_password
from keymgr.people.passwords import verify
from keymgr.people.sessions import find, open_session
from keymgr.people.throttle import Throttle, Throttled
from keymgr.people.whois import Visitor
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.people import Person, PersonState
from tests.people.conftest import PASSWORD, CountingHasher

NEW = "ana-likes-the-short-way"


class House:
    """Ana, signed in on two browsers."""

    def __init__(self, session: Session, ana: Person, now: datetime, browser: Actor, hasher: CountingHasher) -> None:
        self.session, self.browser, self.hasher, self.ana, self.now = session, browser, hasher, ana, now
        self.throttle = Throttle(FixedWindowRateLimiter(MemoryStorage()))
        self.token, self.other = (open_session(session, ana, actor=browser, now=now) for _ in range(2))
        session.commit()

    def visitor(self, token: str) -> Visitor | None:
        found = find(self.session, token, self.now, policy=None, demo=False, idle_seconds=99, absolute_seconds=99)
        self.session.rollback()
        return found

    def choose(self, old: str, new: str, visitor: Visitor | None = None) -> ChooseOutcome:
        who = visitor or self.visitor(self.token)
        assert who
        outcome = choose_password(
            self.session,
            who,
            old=old,
            new=new,
            actor=self.browser,
            throttle=self.throttle,
            now=self.now,
            hasher=self.hasher,
        )
        self.session.commit()
        return outcome

    def is_password(self, password: str) -> bool:
        self.session.refresh(self.ana)
        return verify(self.ana.password_hash, password, self.hasher)

    def told(self) -> list[tuple[str, str, object]]:
        events = self.session.scalars(select(AuditEvent).where(AuditEvent.action.startswith("person.password")))
        return [(event.action, event.outcome, event.detail) for event in events]


@pytest.fixture
def house(session: Session, ana: Person, now: datetime, browser: Actor, hasher: CountingHasher) -> House:
    return House(session, ana, now, browser, hasher)


def test_the_new_password_is_in_force_and_only_a_fresh_sign_in_is_left(house: House) -> None:
    outcome = house.choose(PASSWORD, NEW)
    assert isinstance(outcome, Chosen)
    assert outcome.token not in repr(outcome)
    assert (house.is_password(NEW), house.is_password(PASSWORD)) == (True, False)
    assert house.visitor(house.token) is house.visitor(house.other) is None
    assert house.visitor(outcome.token) is not None
    assert house.told() == [("person.password_chosen", "done", {})]


@pytest.mark.parametrize(
    ("old", "new", "which", "says"),
    [
        ("ana-walks-another-way", NEW, "old", "not your password"),
        (PASSWORD, PASSWORD, "new", "password you have"),
        (PASSWORD, "too-short", "new", "at least 15"),
        (PASSWORD, "password-password-1", "new", "first that somebody would guess"),
    ],
    ids=["wrong", "same", "short", "common"],
)
def test_what_is_not_good_changes_nothing(house: House, old: str, new: str, which: str, says: str) -> None:
    outcome = house.choose(old, new)
    assert isinstance(outcome, NotChosen)
    assert (outcome.which, says in outcome.sentence) == (which, True)
    assert house.is_password(PASSWORD)
    assert house.visitor(house.token)
    assert house.visitor(house.other)
    assert house.told() == ([("person.password_refused", "refused", {})] if which == "old" else [])


def test_somebody_who_may_not_act_any_more_chooses_nothing(house: House) -> None:
    visitor = house.visitor(house.token)
    house.ana.state = PersonState.SUSPENDED
    house.session.commit()
    assert isinstance(house.choose(PASSWORD, NEW, visitor), NotChosen)
    assert house.is_password(PASSWORD)


def test_after_ten_tries_the_old_password_is_not_looked_at(house: House) -> None:
    for _ in range(10):
        assert isinstance(house.choose("ana-walks-another-way", NEW), NotChosen)
    computed = house.hasher.computed
    assert isinstance(house.choose(PASSWORD, NEW), Throttled)
    assert house.hasher.computed == computed
    assert house.is_password(PASSWORD)


def test_a_password_that_was_set_meanwhile_stays(
    house: House, monkeypatch: pytest.MonkeyPatch, session: Session, ana: Person
) -> None:
    theirs = house.hasher.hash("an-admin-was-quicker")
    original = house.hasher.hash

    def slow(password: str | bytes, *, salt: bytes | None = None) -> str:
        ana.password_hash = theirs
        session.commit()
        return original(password, salt=salt)

    monkeypatch.setattr(house.hasher, "hash", slow)
    outcome = house.choose(PASSWORD, NEW)
    assert isinstance(outcome, NotChosen)
    assert outcome.which == "old"
    assert house.is_password("an-admin-was-quicker")
