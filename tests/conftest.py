"""Fixtures that every room may use: a fixed moment, and real databases of both kinds."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, Playwright, expect, sync_playwright
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keymgr.store.engine import connect, connect_once
from keymgr.store.migrate import upgrade
from tests.databases import address, fresh_file, make_database, server, sweep

# Four test processes share two cores: how long something takes says nothing.
expect.set_options(timeout=20_000)
settings.register_profile("house", deadline=None)
settings.load_profile("house")
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The one driver of browsers of this process: a second one at the same time is refused."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """The one browser of this process; each test has contexts of its own."""
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Engine]:
    """A server of this session's own; the engine makes databases on it."""
    with server() as admin:
        yield admin


@pytest.fixture(scope="session")
def postgresql(postgresql_server: Engine) -> Iterator[Engine]:
    """The migrated database of that server."""
    url = make_database(postgresql_server, "migrated")
    upgrade(url)
    engine = connect_once(url)
    yield engine.execution_options(isolation_level="AUTOCOMMIT")
    engine.dispose()


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """The address of a fresh migrated SQLite file, for tests that start server processes."""
    return fresh_file(migrated_file, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a fresh migrated database, once of each kind."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    engine: Engine = request.getfixturevalue("postgresql")
    sweep(engine)
    return address(engine, str(engine.url.database))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session
