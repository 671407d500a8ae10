"""How we connect: one recipe for SQLite, one for PostgreSQL, so that a transaction means the same on both."""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

SETTING = "KEYMGR_DATABASE_URL"
BUSY_SECONDS = 15.0
_POOL: dict[str, Any] = {"pool_size": 10, "max_overflow": 10, "pool_timeout": 15}
_POSTGRESQL_OPTIONS = "-c lock_timeout=10s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"


class StoreError(Exception):
    """The database cannot be used as asked; the message names the setting and says what to do."""


def connect(url: str) -> Engine:
    """Make an engine with a pool that threads may share; raises `StoreError` for an address we cannot use.

    Every transaction may write, and on SQLite takes the write lock as it begins; one whose connection has the
    execution option `read_only` cannot write and never waits for a writer. Make it after a fork, never before.
    """
    return _build(parse(url), _POOL)


def connect_once(url: str) -> Engine:
    """Make an engine without a pool, for commands that connect once and must leave nothing open."""
    return _build(parse(url), {"poolclass": NullPool})


def parse(url: str) -> URL:
    """Read a database address and name its driver; raises `StoreError` when it is not one of ours."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(
            f"{SETTING} is not a database address. Write sqlite:////folder/keymgr.db or postgresql://user@host/name."
        ) from None
    match parsed.drivername:
        case "sqlite":
            return _check_file(parsed)
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise StoreError(f"{SETTING} names the database {other}. Use sqlite or postgresql.")


def _check_file(url: URL) -> URL:
    if url.database in (None, "", ":memory:"):
        raise StoreError(
            f"{SETTING} names no file. Every process must see the same data: name one, as sqlite:////folder/keymgr.db."
        )
    folder = Path(str(url.database)).absolute().parent
    if not folder.is_dir():
        raise StoreError(
            f"{SETTING} names a file in {folder}, which is not a folder. Create it or correct the setting."
        )
    return url


def _build(url: URL, pool: dict[str, Any]) -> Engine:
    if url.drivername == "sqlite":
        return _sqlite(url, pool)
    defaults = {"connect_timeout": 5, "application_name": "keymgr", "options": _POSTGRESQL_OPTIONS}
    arguments = {name: value for name, value in defaults.items() if name not in url.query}
    engine = create_engine(
        url, isolation_level="READ COMMITTED", pool_pre_ping=True, connect_args=arguments, hide_parameters=True, **pool
    )
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _sqlite(url: URL, pool: dict[str, Any]) -> Engine:
    arguments = {"isolation_level": None, "timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(url, connect_args=arguments, hide_parameters=True, **pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Set what every connection needs; waiting comes first, because the switch to WAL may have to wait itself."""
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_milliseconds(BUSY_SECONDS)}")
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin for writing at once, for reading on request, waiting for the lock as long as the option `wait_seconds`."""
    options = connection.get_execution_options()
    if options.get("read_only"):
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN DEFERRED")
        return
    connection.exec_driver_sql("PRAGMA query_only = OFF")
    wait_seconds: float | None = options.get("wait_seconds")
    if wait_seconds is None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_milliseconds(wait_seconds)}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {_milliseconds(BUSY_SECONDS)}")


def _begin_postgresql(connection: Connection) -> None:
    """Let the database itself refuse writes of a connection that only reads."""
    if connection.get_execution_options().get("read_only"):
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _milliseconds(seconds: float) -> int:
    return max(0, int(seconds * 1000))
