"""The machine's door of the real application, on a fresh database."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from keymgr.app import create_app
from keymgr.store.engine import connect
from tests.api.machine import Machine, apply_example, open_machine
from tests.databases import fresh_file


@pytest.fixture(scope="session")
def applied_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("applied")
    apply_example(fresh_file(migrated_file, folder))
    return folder / "keymgr.db"


@pytest.fixture
def machine(applied_file: Path, tmp_path: Path) -> Iterator[Machine]:
    database_url = fresh_file(applied_file, tmp_path)
    engine = connect(database_url)
    with Session(engine) as session:
        yield open_machine(session, database_url, tmp_path)
    engine.dispose()


@pytest.fixture
def client(machine: Machine) -> Iterator[FlaskClient]:
    app = create_app(machine.settings)
    yield app.test_client()
    app.extensions["keymgr.api"].close()
