"""The front hall: one list that joins the rooms, and what it never does."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from gunicorn.config import make_settings
from jinja2 import UndefinedError

from keymgr import app as front_hall
from keymgr import db
from keymgr.app import create_app
from keymgr.config import Settings, load, variables
from keymgr.tokens.signing import Algorithm
from tests.cli.servers import environment


def settings(folder: Path, url: str, **changed: str) -> Settings:
    return load(environment(folder, KEYMGR_DATABASE_URL=url, KEYMGR_PUBLIC_URL="http://localhost", **changed))


def dispose(app: Flask) -> None:
    with app.app_context():
        db.session().get_bind().engine.dispose()


@pytest.fixture
def app(tmp_path: Path, sqlite_url: str) -> Iterator[Flask]:
    app = create_app(settings(tmp_path, sqlite_url))
    yield app
    dispose(app)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_both_doors_answer(client: FlaskClient) -> None:
    assert client.get("/login").status_code == 200
    assert client.get("/.well-known/jwks.json").is_json
    assert client.post("/api/v1/verify").status_code == 401


def test_nothing_hangs_on_every_request_so_that_verification_pays_for_no_page(app: Flask) -> None:
    assert app.before_request_funcs.get(None, []) == []


def test_flask_adds_no_address_of_its_own(app: Flask) -> None:
    assert "static" not in {rule.endpoint for rule in app.url_map.iter_rules()}


def test_a_name_that_no_view_gave_breaks_the_page_instead_of_leaving_a_hole(app: Flask) -> None:
    with pytest.raises(UndefinedError):
        app.jinja_env.from_string("{{ nobody_gave_this.name }}").render()


def test_a_form_that_is_too_large_is_refused(client: FlaskClient) -> None:
    assert client.post("/login", data={"name": "x" * 300_000}).status_code == 413


@pytest.mark.parametrize(
    ("url", "name"), [("https://keys.example.com", "__Host-keymgr"), ("http://localhost", "keymgr")]
)
def test_the_session_cookie_is_bound_to_the_host(tmp_path: Path, sqlite_url: str, url: str, name: str) -> None:
    app = create_app(load(environment(tmp_path, KEYMGR_DATABASE_URL=sqlite_url, KEYMGR_PUBLIC_URL=url)))
    assert app.config["SESSION_COOKIE_NAME"] == name
    assert app.config["SESSION_COOKIE_SECURE"] is url.startswith("https:")
    assert app.config["SESSION_COOKIE_HTTPONLY"]
    assert app.config["SESSION_COOKIE_SAMESITE"] == "Lax"
    dispose(app)


def test_the_demo_answers_nobody_beyond_this_machine_however_it_was_started(tmp_path: Path, sqlite_url: str) -> None:
    app = create_app(settings(tmp_path, sqlite_url, KEYMGR_DEMO="yes"))
    here, there = ({"REMOTE_ADDR": address} for address in ("127.0.0.1", "192.0.2.1"))
    assert app.test_client().get("/login", environ_overrides=here).status_code == 200
    for path in ("/login", "/api/v1/verify", "/healthz"):
        assert app.test_client().get(path, environ_overrides=there).status_code == 403
    dispose(app)


def test_the_settings_words_are_the_cores_words() -> None:
    read = variables()["KEYMGR_SIGNING_ALGORITHM"].metadata["read"]
    assert [read(algorithm) for algorithm in Algorithm] == list(Algorithm)


def test_joining_the_rooms_reads_as_a_list() -> None:
    assert len(inspect.getsource(create_app).splitlines()) <= 40


def test_gunicorn_finds_no_setting_of_its_own_in_the_module_that_it_imports_as_its_configuration() -> None:
    assert set(vars(front_hall)) & set(make_settings()) == set()
