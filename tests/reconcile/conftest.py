"""A town where keys live, on both databases."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from tests.keys.house import put_in_force
from tests.reconcile.standing_house import Town, a_set, add_owners


@pytest.fixture
def town(session: Session, now: datetime) -> Town:
    add_owners(session, now, "ana", "ben")
    return Town(session, put_in_force(session, a_set(), now))
