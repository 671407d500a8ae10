"""The portal for the tests of its pages: one migrated and seeded database, copied for each test."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache

from tests.databases import fresh_file
from tests.web.house import Browser, Seeded, make_app, plant_people, put_in_force, seed


@dataclass(frozen=True, slots=True)
class Template:
    """A database file with people, policy and keys in it, and the ids of those keys."""

    file: Path
    seeded: Seeded


@pytest.fixture(scope="session")
def lived_in(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("portal")
    url = fresh_file(migrated_file, folder)
    plant_people(url)
    put_in_force(url)
    made = make_app(url, folder)
    seeded = seed(made)
    made.extensions["keymgr.api"].close()
    file = folder / "lived-in.db"
    shutil.copyfile(folder / "keymgr.db", file)
    return Template(file, seeded)


@pytest.fixture
def seeded(lived_in: Template) -> Seeded:
    return lived_in.seeded


@pytest.fixture
def portal_url(lived_in: Template, tmp_path: Path) -> str:
    return fresh_file(lived_in.file, tmp_path)


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Templates compiled once for all tests."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(portal_url: str, tmp_path: Path, compiled_templates: FileSystemBytecodeCache) -> Iterator[Flask]:
    made = make_app(portal_url, tmp_path)
    made.testing = True
    made.jinja_env.bytecode_cache = compiled_templates
    yield made
    made.extensions["keymgr.api"].close()


@pytest.fixture
def stranger(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture
def ben(app: Flask) -> Browser:
    browser = Browser(app)
    browser.enter("ben")
    return browser
