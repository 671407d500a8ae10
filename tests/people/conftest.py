"""People to test with, and a hasher that is quick because nobody's secrets are at stake."""

from datetime import datetime
from typing import Literal

import pytest
from argon2 import PasswordHasher
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy.orm import Session

from keymgr.people.enrol import NewPerson, enrol
from keymgr.people.throttle import Throttle
from keymgr.store.audit import Actor
from keymgr.store.people import Person

PASSWORD = "ana-walks-the-long-way"


class CountingHasher(PasswordHasher):
    """Counts how often a hash is worked out, which is what an attacker could time."""

    def __init__(self, memory_cost: int = 8) -> None:
        super().__init__(time_cost=1, memory_cost=memory_cost, parallelism=1)
        self.computed = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - the signature is argon2's.
        self.computed += 1
        return super().verify(hash, password)

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.computed += 1
        return super().hash(password, salt=salt)


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def browser() -> Actor:
    return Actor("anonymous", "198.51.100.7", "a browser", "req-1")


@pytest.fixture
def throttle() -> Throttle:
    return Throttle(FixedWindowRateLimiter(MemoryStorage()))


@pytest.fixture
def ana(session: Session, now: datetime, hasher: CountingHasher) -> Person:
    new = NewPerson(name="ana", display_name="Ana", password=PASSWORD, email="Ana@example.org")
    person = enrol(session, new, actor=Actor("cli:test"), now=now, hasher=hasher)
    assert isinstance(person, Person)
    session.commit()
    hasher.computed = 0
    return person
