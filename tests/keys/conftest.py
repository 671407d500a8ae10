"""A policy in force and somebody who asks under it, on both databases."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from keymgr.policy.model import InForce
from tests.keys.house import POLICY, Counter, add_person, put_in_force
from tests.keys.office import OFFICE_POLICY, Office


@pytest.fixture
def in_force(session: Session, now: datetime) -> InForce:
    add_person(session, "ana", now)
    add_person(session, "ben", now)
    return put_in_force(session, POLICY, now)


@pytest.fixture
def counter(session: Session, in_force: InForce, now: datetime) -> Counter:
    return Counter(session, in_force, now)


@pytest.fixture
def office(session: Session, now: datetime) -> Office:
    for name in ("ana", "ben"):
        add_person(session, name, now)
    return Office(session, put_in_force(session, OFFICE_POLICY, now), now)
