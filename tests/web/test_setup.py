"""The first set-up: from an empty install to a verified key, each step on its own, then the page is gone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.people.first_admin import make_setup_token
from keymgr.policy.read import ReadPolicy
from keymgr.reconcile.apply import examine
from keymgr.reconcile.starter import starter_policy
from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.keys import Key
from keymgr.store.policies import PolicyAttempt
from tests.web.house import ROOT, Browser, make_app

PASSWORD = "four words in a row"


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """The policy folder of the machine, which is not there yet."""
    return tmp_path / "policies"


@pytest.fixture
def empty(sqlite_url: str, tmp_path: Path, policies: Path) -> Iterator[Flask]:
    made = make_app(sqlite_url, tmp_path, KEYMGR_DEMO="false", KEYMGR_POLICIES=str(policies))
    yield made
    made.extensions["keymgr.api"].close()


@pytest.fixture
def root(empty: Flask, sqlite_url: str) -> Browser:
    """The first admin, signed in."""
    return first_admin(empty, sqlite_url)


def first_admin(app: Flask, url: str) -> Browser:
    engine = connect(url)
    with Session(engine) as session, session.begin():
        token = make_setup_token(session, datetime.now(UTC))
    engine.dispose()
    assert token
    browser = Browser(app)
    browser.get("/setup")
    fields = {"token": token, "display_name": "Root", "name": "root", "password": PASSWORD}
    assert browser.post("/setup", fields).location == "/login?next=/setup"
    browser.get("/login?next=/setup")
    signed_in = browser.post("/login", {"name": "root", "password": PASSWORD, "next": "/setup"})
    assert signed_in.location == "/setup"
    browser.get("/setup")
    return browser


def states(page: str) -> list[str]:
    return re.findall(r"(Done|To do|Cannot start yet)</span>", page)


def test_from_nothing_to_a_verified_key(root: Browser) -> None:
    page = root.get("/setup").text
    assert states(page) == ["Done", "To do", "To do", "Cannot start yet"]
    assert "No policy is in force." in page
    assert "cannot be used: " in page
    assert root.post("/setup/test-key", {"nonce": "n"}).status_code == 409
    assert root.post("/setup/policy", {"source": "sample"}).status_code == 303
    assert states(root.get("/setup").text) == ["Done", "Done", "To do", "To do"]
    assert root.post("/setup/signing-key").status_code == 303
    tested = root.post("/setup/test-key", {"nonce": "n"})
    assert tested.status_code == 200
    assert "200 ok" in " ".join(re.sub(r"<[^>]+>", " ", tested.text).split())
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", tested.text)
    assert root.post("/setup/test-key", {"nonce": "n"}).status_code == 303
    page = root.get("/setup").text
    assert states(page) == ["Done"] * 4
    assert "Your first key is verified" in page


def test_once_it_is_finished_the_page_is_gone_and_all_of_it_is_on_record(root: Browser, sqlite_url: str) -> None:
    assert "The first set-up is not finished" in root.get("/admin").text
    root.post("/setup/policy", {"source": "sample"})
    root.post("/setup/test-key", {"nonce": "n"})
    assert root.post("/setup/finish").location == "/admin"
    assert root.get("/setup").status_code == 404
    for path in ("policy", "signing-key", "test-key", "finish"):
        assert root.post(f"/setup/{path}", {"source": "sample"}).status_code == 404
    assert "not finished" not in root.get("/admin").text
    engine = connect(sqlite_url)
    with Session(engine) as session:
        (key,) = session.scalars(select(Key)).all()
        assert key.owner == "user:root"
        assert 3599 <= (key.expires_at - key.created_at).total_seconds() <= 3600  # Ends are whole seconds.
        attempt = session.scalars(select(PolicyAttempt)).one()
        assert (attempt.result_code, attempt.finished_at is not None) == (0, True)
        actions = set(session.scalars(select(AuditEvent.action)))
    engine.dispose()
    assert {"setup.claimed", "policy.applied", "key.issued", "setup.key_verified", "setup.finished"} <= actions


def test_every_step_can_be_done_again(root: Browser) -> None:
    for _ in range(2):
        assert root.post("/setup/policy", {"source": "sample"}).status_code == 303
        assert root.post("/setup/signing-key").status_code == 303
    assert "in force already" in root.get("/setup").text
    for nonce in ("a", "b"):
        assert root.post("/setup/test-key", {"nonce": nonce}).status_code == 200


def test_a_good_folder_is_offered_and_applied(root: Browser, policies: Path) -> None:
    assert "Apply the folder" not in root.get("/setup").text
    assert root.post("/setup/policy", {"source": "folder"}).status_code == 422
    for name, text in starter_policy("root").items():
        file = policies / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    page = root.get("/setup").text
    assert "holds a good policy that is not in force yet" in page
    assert "Apply the folder" in page
    assert root.post("/setup/policy", {"source": "folder"}).status_code == 303
    assert states(root.get("/setup").text)[1] == "Done"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("policyset.yaml", "kind: Nonsense\n", "policyset.yaml:1"),
        ("rules/hello.yaml", None, "Its own tests do not pass"),
    ],
    ids=["not a policy", "tests fail"],
)
def test_what_is_wrong_with_the_folder_is_said_in_words(
    root: Browser, policies: Path, file: str, text: str | None, said: str
) -> None:
    for name, content in starter_policy("root").items():
        path = policies / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if name != file else (text or "").encode() or content.replace(b"[dev]", b"[prod]"))
    assert said in root.get("/setup").text
    refused = root.post("/setup/policy", {"source": "folder"})
    assert (refused.status_code, said in refused.text) == (422, True)
    assert root.post("/setup/policy", {"source": "elsewhere"}).status_code == 422


def test_a_policy_that_grants_the_admin_nothing_blocks_the_test_key(root: Browser, policies: Path) -> None:
    for path in (ROOT / "policies").rglob("*.yaml"):
        file = policies / path.relative_to(ROOT / "policies")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.read_bytes())
    assert root.post("/setup/policy", {"source": "folder"}).status_code == 303
    page = root.get("/setup").text
    assert states(page)[3] == "Cannot start yet"
    assert "grants root nothing at once" in page


def test_while_issuing_is_switched_off_the_test_key_cannot_start(sqlite_url: str, tmp_path: Path) -> None:
    app = make_app(sqlite_url, tmp_path, KEYMGR_DEMO="false", KEYMGR_ISSUING_ENABLED="false")
    root = first_admin(app, sqlite_url)
    root.post("/setup/policy", {"source": "sample"})
    assert "KEYMGR_ISSUING_ENABLED" in root.get("/setup").text
    assert root.post("/setup/test-key").status_code == 409
    app.extensions["keymgr.api"].close()


def test_where_the_clock_fetches_the_policy_the_page_says_so(sqlite_url: str, tmp_path: Path) -> None:
    app = make_app(sqlite_url, tmp_path, KEYMGR_DEMO="false", KEYMGR_POLICY_PULL_URL="https://git.example/p.git")
    root = first_admin(app, sqlite_url)
    assert "it has not done so yet" in root.get("/setup").text
    app.extensions["keymgr.api"].close()


def test_the_tasks_are_for_admins_alone_and_not_there_for_anybody_else(root: Browser, empty: Flask) -> None:
    stranger = Browser(empty)
    assert stranger.get("/setup").status_code == 404
    made = root.post("/admin/people", {"name": "eve", "display_name": "Eve", "nonce": "n"})
    assert made.status_code == 200
    eve = Browser(empty)
    eve.enter("eve")
    assert eve.get("/setup").status_code == 404
    for path in ("policy", "signing-key", "test-key", "finish"):
        assert eve.post(f"/setup/{path}", {"source": "sample"}).status_code == 404


@pytest.mark.parametrize("name", ["root", "1e3", "null", "0x1f", "a.b-c_d", "2026-01-01"])
def test_the_sample_policy_names_whoever_sets_up(name: str) -> None:
    found = examine(starter_policy(name), now=datetime.now(UTC))
    assert isinstance(found, ReadPolicy)
    assert found.policy.teams["platform"].members == {name}
