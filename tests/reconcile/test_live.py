"""Which policy decides: always the one of the head, compiled once for each revision."""

import threading
from datetime import datetime

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from keymgr.policy.model import InForce
from keymgr.reconcile.apply import apply_policy
from keymgr.reconcile.live import in_force
from keymgr.store.base import Base
from keymgr.store.engine import connect
from keymgr.store.policies import PolicyRevision
from tests.reconcile.small_policy import small_policy


def put(engine: Engine, days: int, now: datetime) -> None:
    with Session(engine) as session, session.begin():
        apply_policy(
            session, small_policy(days), revision=f"commit-{days}", ref=None, author=None, applied_by="cli:a", now=now
        )


def read(engine: Engine) -> InForce | None:
    with Session(engine) as session:
        session.connection(execution_options={"read_only": True})
        return in_force(session)


def test_nothing_is_in_force_before_the_first_apply(engine: Engine) -> None:
    assert read(engine) is None


def test_a_revision_is_compiled_once_and_a_new_one_is_seen_at_once(engine: Engine, now: datetime) -> None:
    put(engine, 30, now)
    first = read(engine)
    assert first is not None
    assert (first.revision, first.commit) == (1, "commit-30")
    assert read(engine) is first
    put(engine, 31, now)
    second = read(engine)
    assert second is not None
    assert (second.revision, second.commit) == (2, "commit-31")
    assert read(engine) is second


@pytest.mark.parametrize("again", [False, True])
def test_a_transaction_that_is_undone_leaves_no_trace_in_the_cache(
    engine: Engine, now: datetime, *, again: bool
) -> None:
    put(engine, 30, now)
    with Session(engine) as session:
        apply_policy(session, small_policy(31), revision="x", ref=None, author=None, applied_by="cli:a", now=now)
        inside = in_force(session)
        assert inside is not None
        assert inside.commit == "x"
        session.rollback()
    if again:
        put(engine, 32, now)
    after = read(engine)
    assert after is not None
    assert after.commit == ("commit-32" if again else "commit-30")


def test_another_process_sees_what_this_one_applied(engine: Engine, database_url: str, now: datetime) -> None:
    other = connect(database_url)
    put(engine, 30, now)
    seen = read(other)
    assert seen is not None
    assert seen.commit == "commit-30"
    put(engine, 31, now)
    seen = read(other)
    assert seen is not None
    assert seen.commit == "commit-31"
    other.dispose()


def test_databases_do_not_share_what_is_in_force(engine: Engine, sqlite_url: str, now: datetime) -> None:
    put(engine, 30, now)
    assert read(engine) is not None
    other = connect(sqlite_url.replace("keymgr.db", "other.db"))
    with other.begin() as connection:
        Base.metadata.create_all(connection)
    put(other, 31, now)
    seen = read(other)
    assert seen is not None
    assert seen.commit == "commit-31"
    other.dispose()


def test_threads_see_the_same_policy(engine: Engine, now: datetime) -> None:
    put(engine, 30, now)
    seen: list[InForce | None] = []
    threads = [threading.Thread(target=lambda: seen.append(read(engine))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {live.revision for live in seen if live is not None} == {1}
    assert len(seen) == 8


def test_nothing_is_issued_by_a_policy_that_this_version_cannot_read(
    engine: Engine, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    put(engine, 30, now)
    with Session(engine) as session, session.begin():
        session.execute(update(PolicyRevision).values(documents=[]))
    assert read(engine) is None
    assert read(engine) is None
    assert caplog.messages == ["Nothing is issued: this version cannot read policy revision 1. Apply the policy again."]
