"""A transaction means the same on both databases, and nothing is lost between processes."""

import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent, record
from keymgr.store.changes import Change, ChangeKind, announce
from keymgr.store.engine import StoreError, connect
from keymgr.store.keys import SigningKey
from keymgr.store.leases import Lease

COUNT = """
import sys
from sqlalchemy import select
from sqlalchemy.orm import Session
from keymgr.store.engine import connect
from keymgr.store.leases import Lease
engine = connect(sys.argv[1])
for _ in range(200):
    with Session(engine) as session, session.begin():
        lease = session.scalars(select(Lease).where(Lease.name == "counter").with_for_update()).one()
        lease.holder = str(int(lease.holder) + 1)
engine.dispose()
"""


def test_four_processes_that_read_and_then_write_lose_no_update(
    engine: Engine, database_url: str, now: datetime
) -> None:
    with Session(engine) as session, session.begin():
        session.add(Lease(name="counter", holder="0", until=now))
    command = [sys.executable, "-W", "error", "-c", COUNT, database_url]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in runs] == [(b"", 0)] * 4
    with Session(engine) as session:
        assert session.get_one(Lease, "counter").holder == "800"


def test_every_sqlite_connection_is_durable_and_checks_references(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    with engine.connect() as one, engine.connect().execution_options(read_only=True) as two:
        for connection in (one, two):
            values = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
            assert values == ["wal", 2, 1, 15_000]
    engine.dispose()


def test_a_read_only_transaction_cannot_write_and_the_next_one_on_its_connection_can(
    engine: Engine, now: datetime
) -> None:
    with Session(engine) as session:
        session.connection(execution_options={"read_only": True})
        session.add(Lease(name="stray", holder="reader", until=now))
        with pytest.raises(DBAPIError, match=r"readonly|read-only"):
            session.flush()
        session.rollback()
        session.add(Lease(name="meant", holder="writer", until=now))
        session.commit()
    with Session(engine) as session:
        assert session.get(Lease, "stray") is None
        assert session.get_one(Lease, "meant").holder == "writer"


def test_a_reader_does_not_wait_for_a_writer(engine: Engine, now: datetime) -> None:
    with Session(engine) as writer, Session(engine) as reader:
        writer.add(Lease(name="open", holder="writer", until=now))
        writer.flush()
        reader.connection(execution_options={"read_only": True})
        assert reader.get(Lease, "open") is None


def test_a_session_that_could_not_begin_is_good_again_after_a_rollback(sqlite_url: str, now: datetime) -> None:
    engine = connect(sqlite_url)
    with Session(engine) as holder, Session(engine) as other:
        holder.connection()
        with pytest.raises(OperationalError, match="locked"):
            other.connection(execution_options={"wait_seconds": 0.05})
        other.rollback()
        holder.rollback()
        other.add(Lease(name="later", holder="other", until=now))
        other.commit()
    engine.dispose()


def test_threads_share_one_engine(engine: Engine, now: datetime) -> None:
    def write(number: int) -> None:
        for turn in range(20):
            with Session(engine) as session, session.begin():
                session.add(Change(kind=ChangeKind.KEY, object_id=f"{number}/{turn}", at=now))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Session(engine) as session:
        assert session.query(Change).count() == 120


def test_moments_keep_every_microsecond_and_their_order(session: Session, now: datetime) -> None:
    early = now + timedelta(microseconds=1)
    session.add_all([Lease(name="a", holder="x", until=now), Lease(name="b", holder="x", until=early)])
    session.commit()
    session.expire_all()
    assert session.get_one(Lease, "b").until == early
    assert session.query(Lease.name).filter(Lease.until > now).all() == [("b",)]


def test_a_moment_without_a_time_zone_is_refused(session: Session) -> None:
    session.add(Lease(name="naive", holder="x", until=datetime(2026, 1, 1)))  # noqa: DTZ001 - the wrong thing, on purpose.
    with pytest.raises(Exception, match="offset-naive"):
        session.flush()


def test_a_missing_document_is_null_in_the_database(session: Session, now: datetime) -> None:
    session.add(
        SigningKey(kid="k", algorithm="HS256", state="next", public_jwk=None, sealed=b"", kek_id="k1", created_at=now)
    )
    session.flush()
    assert session.execute(text("SELECT count(*) FROM signing_key WHERE public_jwk IS NULL")).scalar() == 1


def test_numbers_of_changes_and_events_never_come_twice(session: Session, now: datetime) -> None:
    newest = []
    for _ in range(2):
        announce(session, ChangeKind.KEY, "key_1", now)
        event = AuditEvent(
            at=now, actor="clock", action="x", object_kind="key", object_id="1", outcome="done", detail={}
        )
        record(session, event)
        newest.append((session.query(Change.id).one()[0], event.id))
        session.query(Change).delete()
        session.query(AuditEvent).delete()
        session.commit()
    assert newest == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("keymgr.db", "is not a database address"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////nowhere/at/all/keymgr.db", "not a folder"),
        ("mysql://root@localhost/keymgr", "Use sqlite or postgresql"),
        ("postgresql+psycopg2://localhost/keymgr", "Use sqlite or postgresql"),
    ],
)
def test_an_address_that_cannot_be_used_is_an_error_that_names_the_setting(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence) as error:
        connect(url)
    assert "KEYMGR_DATABASE_URL" in str(error.value)


def test_a_folder_is_never_created_silently(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        connect(f"sqlite:///{tmp_path / 'new' / 'keymgr.db'}")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_database_never_shows_what_was_written(session: Session, now: datetime) -> None:
    session.add_all([Lease(name="same", holder="s3cret", until=now), Lease(name="same", holder="s3cret", until=now)])
    with pytest.raises(DBAPIError) as error:
        session.flush()
    assert "s3cret" not in str(error.value)
