"""`keymgr database`, and how commands reach it: create, migrate, and look where it stands."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keymgr.config import Settings, load
from keymgr.store.engine import StoreError, connect_once
from keymgr.store.lock import LockNotObtained
from keymgr.store.migrate import pending, upgrade


class Unavailable(click.ClickException):
    """The database cannot be used; the sentence says what to do."""


class LockTaken(Unavailable):
    """Somebody else is at work; trying again later is safe."""

    exit_code = 6


@contextmanager
def transaction(settings: Settings) -> Iterator[Session]:
    """Open one transaction of the store for a command; it is committed when the block ends well."""
    if missing(settings):
        raise Unavailable("The database is not up to date. Run `keymgr database upgrade` first.")
    with _errors_for_people():
        engine = connect_once(settings.database_url)
        with Session(engine) as session, session.begin():
            yield session


def prepare(settings: Settings) -> tuple[str, ...]:
    """Create or migrate the database, with its folder, and return the migrations that were missing."""
    os.umask(0o077)  # What SQLite creates from here on is for this account alone.
    file = database_file(settings)
    if file is not None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _errors_for_people():
        todo = pending(settings.database_url)
        upgrade(settings.database_url)
    return todo


def missing(settings: Settings) -> tuple[str, ...]:
    """Return the migrations that the database still lacks; one that is not there yet is `Unavailable`."""
    os.umask(0o077)  # As above: looking at it may create its write-ahead log.
    file = database_file(settings)
    if file is not None and not file.exists():
        raise Unavailable(f"There is no database {file} yet. Run `keymgr database upgrade`.")
    with _errors_for_people():
        return pending(settings.database_url)


def database_file(settings: Settings) -> Path | None:
    """Return the SQLite file, None for PostgreSQL."""
    url = settings.database_url
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


@contextmanager
def _errors_for_people() -> Iterator[None]:
    try:
        yield
    except LockNotObtained as error:
        raise LockTaken(str(error)) from error
    except StoreError as error:
        raise Unavailable(str(error)) from error
    except OperationalError as error:
        raise Unavailable(f"The database does not answer: {error.orig}. Look at KEYMGR_DATABASE_URL.") from error


@click.group()
def database() -> None:
    """Create and migrate the database."""


@database.command("upgrade")
def upgrade_database() -> None:
    """Create the database, or bring it to this version; one process at a time, nothing on failure."""
    ran = prepare(load())
    click.echo(f"Ran {', '.join(ran)}." if ran else "The database is up to date.")


@database.command()
def status() -> int:
    """Say whether the database is up to date; exit code 1 when it is not."""
    todo = missing(load())
    if todo:
        click.echo(f"Missing: {', '.join(todo)}. Run `keymgr database upgrade`.")
        return 1
    click.echo("The database is up to date.")
    return 0
