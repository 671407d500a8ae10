"""The policy lock: many deciders or one replacer, never both."""

import time

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from keymgr.store.lock import LockNotObtained, own_policy, share_policy


def test_a_second_owner_waits_as_long_as_it_was_told_and_no_longer(engine: Engine) -> None:
    with Session(engine) as first, Session(engine) as second:
        own_policy(first, 1)
        began = time.monotonic()
        with pytest.raises(LockNotObtained, match="try again"):
            own_policy(second, 0.3)
        assert 0.2 < time.monotonic() - began < 3
        second.rollback()
        first.commit()
        own_policy(second, 0)


def test_an_owner_does_not_wait_at_all_when_told_so(engine: Engine) -> None:
    with Session(engine) as first, Session(engine) as second:
        own_policy(first, 0)
        with pytest.raises(LockNotObtained):
            own_policy(second, 0)


def test_deciders_keep_the_owner_out_until_they_commit(engine: Engine) -> None:
    with Session(engine) as decider, Session(engine) as owner:
        share_policy(decider)
        with pytest.raises(LockNotObtained):
            own_policy(owner, 0.05)
        owner.rollback()
        decider.commit()
        own_policy(owner, 0.05)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_deciders_do_not_keep_each_other_out(engine: Engine) -> None:
    with Session(engine) as one, Session(engine) as two:
        share_policy(one)
        share_policy(two)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_after_the_lock_other_waits_are_as_long_as_before(session: Session) -> None:
    own_policy(session, 0.2)
    assert session.scalar(select(func.current_setting("lock_timeout"))) == "10s"


def test_a_database_that_is_gone_is_not_mistaken_for_a_lock() -> None:
    engine = connect("postgresql://nobody@localhost:1/nothing")
    with Session(engine) as session, pytest.raises(OperationalError):
        own_policy(session, 0.1)
    with Session(engine) as session, pytest.raises(OperationalError):
        share_policy(session)
    engine.dispose()
