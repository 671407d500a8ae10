"""Brings a database to the tables this version needs: Alembic, configured in code so that it runs from a wheel."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, func, select, true
from sqlalchemy.exc import OperationalError

from keymgr.store.engine import SETTING, StoreError, connect_once, parse
from keymgr.store.lock import LockNotObtained

MIGRATION_LOCK = 0x6B65796D02
WAIT_SECONDS = 60.0
_FOLDER = Path(__file__).parent / "migrations"
_RETRY_SECONDS = 0.05


def upgrade(url: str) -> None:
    """Run what is pending in one transaction, one process at a time; the others wait and find nothing left to do.

    Raises `LockNotObtained` after a minute, `StoreError` when the database comes from a newer version of keymgr.
    """
    parsed = parse(url)
    with _alone(parsed), _connection(url) as connection:
        if connection.dialect.name == "postgresql":
            _lock_on_postgresql(connection)
        config = _config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise _too_new(connection) from error
        _check_references(connection)


def current(url: str) -> str | None:
    """Name the revision a database stands at, None for an empty one."""
    with _looking(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Name the newest revision this version knows."""
    return str(_scripts().get_current_head())


def stands_at(connection: Connection) -> tuple[str | None, str]:
    """Name the revision that the database of an open connection stands at, and the newest this version knows."""
    return MigrationContext.configure(connection).get_current_revision(), head()


def pending(url: str) -> tuple[str, ...]:
    """List the revisions a database still lacks, oldest first; raises `StoreError` when it is newer than we are."""
    with _looking(url) as connection:
        at = MigrationContext.configure(connection).get_current_revision()
        known = [script.revision for script in _scripts().walk_revisions()][::-1]
        if at is None:
            return tuple(known)
        if at not in known:
            raise _too_new(connection)
        return tuple(known[known.index(at) + 1 :])


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


@contextmanager
def _looking(url: str) -> Iterator[Connection]:
    """Open one transaction that only reads, and so never waits for a writer."""
    engine = connect_once(url)
    try:
        with engine.connect() as connection:
            yield connection.execution_options(read_only=True)
    finally:
        engine.dispose()


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    """Open one transaction, with SQLite's foreign keys off, because changing a table means to copy it there."""
    engine = connect_once(url)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
            with connection.begin():
                yield connection
    finally:
        engine.dispose()


@contextmanager
def _alone(url: URL) -> Iterator[None]:
    """Hold a lock file beside an SQLite database, and create the database readable by nobody else."""
    if url.drivername != "sqlite":
        yield
        return
    database = str(url.database)
    os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))
    lock = os.open(f"{database}.migrating", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_for(lock)
        yield
    finally:
        os.close(lock)


def _wait_for(lock: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _still_migrating() from None
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _lock_on_postgresql(connection: Connection) -> None:
    for setting, value in (("lock_timeout", f"{int(WAIT_SECONDS)}s"), ("statement_timeout", "0")):
        connection.execute(select(func.set_config(setting, value, true())))
    try:
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
    except OperationalError as error:
        raise _still_migrating() from error


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise StoreError("The migration would leave rows that refer to nothing. Nothing was changed: restore a backup.")


def _still_migrating() -> LockNotObtained:
    return LockNotObtained("Another process has been migrating the database for a minute. Wait for it and try again.")


def _too_new(connection: Connection) -> StoreError:
    at = MigrationContext.configure(connection).get_current_revision()
    return StoreError(
        f"The database of {SETTING} stands at {at}, which this version does not know. Install a newer keymgr."
    )
