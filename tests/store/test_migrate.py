"""Migrations bring any database to exactly the tables of the models."""

import fcntl
import shutil
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import Connection, Engine, insert, inspect, select, text

from keymgr.store import engine as store_engine
from keymgr.store import migrate
from keymgr.store.base import Base
from keymgr.store.engine import StoreError
from keymgr.store.lock import LockNotObtained
from keymgr.store.migrations.versions import __path__ as versions
from keymgr.store.usage import Usage, UsageDay
from tests.databases import make_database

UPGRADE = "import sys; from keymgr.store.migrate import upgrade; upgrade(sys.argv[1])"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return make_database(request.getfixturevalue("postgresql_server"), "empty")


def test_an_upgraded_database_has_exactly_the_tables_of_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_every_check_of_the_models_is_in_the_database(engine: Engine) -> None:
    for table in Base.metadata.sorted_tables:
        names = {str(check.name) for check in table.constraints if type(check).__name__ == "CheckConstraint"}
        assert {str(check["name"]) for check in inspect(engine).get_check_constraints(table.name)} == names


def test_an_empty_database_lacks_everything_and_an_upgraded_one_nothing(empty_url: str) -> None:
    assert migrate.current(empty_url) is None
    assert migrate.pending(empty_url)[-1] == migrate.head()
    assert len(migrate.pending(empty_url)) == len(list(Path(versions[0]).glob("0*.py")))
    migrate.upgrade(empty_url)
    assert migrate.current(empty_url) == migrate.head()
    assert migrate.pending(empty_url) == ()


def test_four_upgrades_at_once_all_succeed(empty_url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", UPGRADE, empty_url]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in runs] == [(b"", 0)] * 4
    assert migrate.pending(empty_url) == ()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database_url: str) -> None:
    with store_engine.connect_once(database_url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    with pytest.raises(StoreError, match=r"9999_future.*newer keymgr"):
        migrate.upgrade(database_url)
    with pytest.raises(StoreError, match="newer keymgr"):
        migrate.pending(database_url)
    assert migrate.current(database_url) == "9999_future"


def test_a_new_database_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    migrate.upgrade(f"sqlite:///{tmp_path / 'new.db'}")
    assert {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {
        "new.db": 0,
        "new.db.migrating": 0,
    }


def test_an_upgrade_that_waits_too_long_says_who_it_waits_for(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "WAIT_SECONDS", 0.2 if empty_url.startswith("sqlite") else 1)
    with ExitStack() as stack:
        if empty_url.startswith("sqlite"):
            file = stack.enter_context(Path(empty_url.removeprefix("sqlite:///") + ".migrating").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        else:
            other = store_engine.connect_once(empty_url)
            connection = stack.enter_context(other.connect())
            connection.execute(text(f"SELECT pg_advisory_lock({migrate.MIGRATION_LOCK})"))
        with pytest.raises(LockNotObtained, match="Another process has been migrating"):
            migrate.upgrade(empty_url)
    migrate.upgrade(empty_url)


def take_back(connection: Connection, step: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(versions[0]).parent))
    config.attributes["connection"] = connection
    command.downgrade(config, step)


def test_usage_of_before_the_days_were_kept_is_summed_up_per_day(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    engine = store_engine.connect_once(empty_url)
    with engine.begin() as connection:
        take_back(connection, "0009_standing")
        hours = [datetime(2026, 11, 21, hour, tzinfo=UTC) for hour in (0, 23)] + [datetime(2026, 11, 22, tzinfo=UTC)]
        rows = [{"key_id": "key_1", "hour": hour, "code": "ok", "calls": 5} for hour in hours]
        connection.execute(insert(Usage), rows)
    migrate.upgrade(empty_url)
    with engine.connect() as connection:
        days = connection.execute(select(UsageDay.day, UsageDay.calls).order_by(UsageDay.day)).all()
    engine.dispose()
    assert [tuple(day) for day in days] == [(date(2026, 11, 21), 10), (date(2026, 11, 22), 5)]


def test_an_upgrade_that_would_break_references_changes_nothing(sqlite_url: str) -> None:
    engine = store_engine.connect_once(sqlite_url)
    with engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
        take_back(connection, "0008_policy_control")
        connection.execute(text("INSERT INTO policy_head (id, revision_id) VALUES (1, 99)"))
        connection.commit()
    with pytest.raises(StoreError, match="refer to nothing"):
        migrate.upgrade(sqlite_url)
    assert migrate.current(sqlite_url) == "0008_policy_control"


def test_every_step_can_be_taken_back(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    engine = store_engine.connect_once(empty_url)
    with engine.begin() as connection:
        take_back(connection, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate.upgrade(empty_url)


def test_a_new_step_is_written_with_our_own_column_type(sqlite_url: str, tmp_path: Path) -> None:
    scripts = tmp_path / "migrations"
    shutil.copytree(Path(versions[0]).parent, scripts)
    engine = store_engine.connect_once(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE lease"))
        config = Config()
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        step = command.revision(config, "leases again", autogenerate=True, rev_id="0099")
    assert isinstance(step, Script)
    written = Path(step.path).read_text()
    assert "from keymgr.store.base import Moment" in written
    assert 'sa.Column("until", Moment(), nullable=False)' in written.replace("'", '"')
    compile(written, step.path, "exec")
