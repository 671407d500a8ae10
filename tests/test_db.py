"""The request's session stands on our own engine: its pragmas, its transactions, its refusals."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from keymgr import db


@pytest.fixture
def app(sqlite_url: str) -> Iterator[Flask]:
    app = Flask("test")
    engine = db.attach(app, sqlite_url)
    with app.app_context():
        yield app
    engine.dispose()


def pragma(name: str) -> object:
    return db.session().scalar(text(f"PRAGMA {name}"))


@pytest.mark.usefixtures("app")
def test_every_connection_has_our_pragmas() -> None:
    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("foreign_keys") == 1


@pytest.mark.usefixtures("app")
def test_a_session_takes_the_write_lock_as_it_begins(sqlite_url: str) -> None:
    db.session().execute(text("SELECT 1"))
    other = Flask("other")
    engine = db.attach(other, sqlite_url)
    with (
        engine.connect().execution_options(wait_seconds=0.05) as connection,
        pytest.raises(OperationalError, match="locked"),
    ):
        connection.execute(text("SELECT 1"))
    engine.dispose()


@pytest.mark.usefixtures("app")
def test_a_reading_session_waits_for_no_writer_and_refuses_to_write(sqlite_url: str) -> None:
    other = Flask("other")
    engine = db.attach(other, sqlite_url)
    with engine.connect() as writer:
        writer.execute(text("SELECT 1"))
        assert db.read_only().scalar(text("SELECT count(*) FROM person")) == 0
        with pytest.raises(OperationalError, match="readonly"):
            db.session().execute(text("DELETE FROM person"))
    engine.dispose()


def test_what_a_request_did_not_commit_is_undone(app: Flask) -> None:
    with app.app_context():
        db.session().execute(text("INSERT INTO lease (name, holder, until) VALUES ('a', 'b', 0)"))
    with app.app_context():
        assert db.session().scalar(text("SELECT count(*) FROM lease")) == 0


def test_a_relative_file_is_relative_to_where_the_server_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    engine: Engine = db.attach(Flask("test"), "sqlite:///here.db")
    with engine.connect():
        assert (tmp_path / "here.db").exists()
    engine.dispose()
