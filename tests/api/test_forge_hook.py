"""POST /api/v1/policy/hook: there only with a secret, believed only with a signature, and nothing but a hint."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keymgr.api.forge_hook import BYTES_MAX, PER_ADDRESS
from keymgr.app import create_app
from keymgr.config import load
from keymgr.reconcile.pull_due import begin_fetch, is_due
from tests.api.machine import Machine, variables
from tests.api.test_verify_call import problem
from tests.reconcile.test_forge import BODY, FORMS, REENCODED, SECRET, TOKEN, of_gitlab

PATH = "/api/v1/policy/hook"
SETTINGS = {
    "github": ("github", SECRET),
    "gitea": ("gitea", SECRET),
    "gitlab": ("gitlab", TOKEN),
    "old-gitlab": ("gitlab", SECRET),
}


def called_by(form: str, database_url: str, folder: Path) -> FlaskClient:
    kind, secret = SETTINGS[form]
    more = {
        "KEYMGR_FORGE_KIND": kind,
        "KEYMGR_FORGE_WEBHOOK_SECRET": secret,
        "KEYMGR_POLICY_PULL_URL": "https://git.example/acme/policies.git",
    }
    return create_app(load(variables(database_url, folder, **more))).test_client()


@pytest.fixture(params=list(FORMS))
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hooked(form: str, database_url: str, session: Session, tmp_path: Path) -> Iterator[FlaskClient]:
    begin_fetch(session, datetime.now(UTC), 3600)
    session.commit()
    client = called_by(form, database_url, tmp_path)
    yield client
    client.application.extensions["keymgr.api"].close()


def headers_of(form: str, body: bytes = BODY) -> dict[str, str]:
    return of_gitlab(body, at=datetime.now(UTC)) if form == "gitlab" else FORMS[form][1](body)


def deliver(client: FlaskClient, headers: dict[str, str], body: bytes = BODY) -> TestResponse:
    return client.post(PATH, data=body, headers={"Content-Type": "application/json", **headers})


def fetches_now(session: Session) -> bool:
    try:
        return is_due(session, datetime.now(UTC))
    finally:
        session.rollback()


def test_a_genuine_delivery_is_202_and_the_clock_fetches(hooked: FlaskClient, form: str, session: Session) -> None:
    assert not fetches_now(session)
    answer = deliver(hooked, headers_of(form))
    assert (answer.status_code, answer.get_json()["status"]) == (202, "accepted")
    assert fetches_now(session)


def test_a_replay_is_202_and_does_nothing(hooked: FlaskClient, form: str, session: Session) -> None:
    headers = headers_of(form)
    deliver(hooked, headers)
    begin_fetch(session, datetime.now(UTC), 3600)
    session.commit()
    again = deliver(hooked, headers)
    assert (again.status_code, again.get_json()["status"]) == (202, "seen before")
    assert not fetches_now(session)


@pytest.mark.parametrize("kind", ["missing", "forged", "encoded anew"])
def test_what_is_not_from_the_forge_does_nothing(hooked: FlaskClient, form: str, session: Session, kind: str) -> None:
    good = headers_of(form)
    bad = {name: "0" * 64 if "signature" in name or "token" in name else value for name, value in good.items()}
    if kind == "encoded anew":
        if form == "old-gitlab":
            return  # Its secret stands beside the body and says nothing about it.
        answer = deliver(hooked, good, REENCODED)
    else:
        answer = deliver(hooked, bad if kind == "forged" else {})
    problem(answer, 401, "unauthenticated")
    assert not fetches_now(session)


def test_what_a_delivery_says_is_never_read(hooked: FlaskClient, form: str, session: Session) -> None:
    for number, body in enumerate((b"", b"{not json", b"\xff\x00", b'{"ref": "refs/heads/evil"}')):
        headers = {**headers_of(form, body)}
        if form == "old-gitlab":
            headers["webhook-id"] = f"old_{number}"
        if form == "gitlab":
            headers = of_gitlab(body, at=datetime.now(UTC), name=f"msg_{number}")
        headers |= {name: f"{value}{number}" for name, value in headers.items() if name.endswith("-delivery")}
        answer = deliver(hooked, headers, body)
        assert (answer.status_code, answer.get_json()["status"]) == (202, "accepted")
    assert fetches_now(session)


def test_ten_megabytes_are_refused_unread(hooked: FlaskClient, form: str, session: Session) -> None:
    body = b"x" * (10 * 1024 * 1024)
    problem(deliver(hooked, headers_of(form, body), body), 413, "body_too_large")
    assert not fetches_now(session)
    exactly = b"x" * BYTES_MAX
    assert deliver(hooked, headers_of(form, exactly), exactly).status_code == 202


def test_an_address_has_so_many_deliveries_in_a_minute(sqlite_url: str, tmp_path: Path) -> None:
    client = called_by("github", sqlite_url, tmp_path)
    for _ in range(PER_ADDRESS.amount):
        assert deliver(client, {}).status_code == 401
    answer = deliver(client, headers_of("github"))
    problem(answer, 429, "too_many_requests")
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    client.application.extensions["keymgr.api"].close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_without_a_secret_there_is_no_such_address(client: FlaskClient, method: str) -> None:
    problem(client.open(PATH, method=method, data=BODY, headers=headers_of("github")), 404, "not_found")


@pytest.mark.parametrize("empty", ["", "   "])
def test_an_empty_secret_is_none(machine: Machine, empty: str) -> None:
    app = create_app(load({**machine.environ, "KEYMGR_FORGE_WEBHOOK_SECRET": empty}))
    problem(deliver(app.test_client(), FORMS["github"][1](BODY, "")), 404, "not_found")
    app.extensions["keymgr.api"].close()


def test_a_late_gitlab_delivery_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    client = called_by("gitlab", sqlite_url, tmp_path)
    problem(deliver(client, of_gitlab(BODY, at=datetime.now(UTC) - timedelta(minutes=6))), 401, "unauthenticated")
    client.application.extensions["keymgr.api"].close()
