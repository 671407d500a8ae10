"""POST /api/v1/policy/plan: who may ask, what is refused before anything is planned, and what the answer says."""

import json
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keymgr.api import policy_plan
from keymgr.api.plan_question import BYTES_MAX, FILES_MAX
from keymgr.app import create_app
from keymgr.config import load
from keymgr.reconcile.folder import read_folder
from keymgr.reconcile.plan_credentials import (
    Made,
    NotDone,
    create_plan_credential,
    list_plan_credentials,
    recognise_job,
    revoke_plan_credential,
)
from keymgr.store.audit import Actor, AuditEvent, AuditLevel
from keymgr.tokens.opaque import render_plan_credential
from keymgr.tokens.secret import mint
from tests.api.machine import ROOT, Machine
from tests.api.test_verify_call import problem
from tests.keys.verifying import add_owner, set_key


def example() -> dict[str, str]:
    files = read_folder(ROOT / "policies")
    assert isinstance(files, dict)
    return {path: data.decode() for path, data in files.items()}


FILES = example()
OPERATOR = Actor("cli:test")


def make(session: Session, pepper: bytes, name: str = "acme/policies") -> Made:
    made = create_plan_credential(
        session, name=name, actor=OPERATOR, pepper=pepper, level=AuditLevel.BASIC, now=datetime.now(UTC)
    )
    assert isinstance(made, Made)
    session.commit()
    return made


class Job:
    """A pull-request job that sends its files."""

    def __init__(self, client: FlaskClient, credential: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {credential}"}

    def send(self, **members: object) -> TestResponse:
        return self.client.post("/api/v1/policy/plan", json=members, headers=self.headers)

    def send_raw(self, body: bytes, content_type: str = "application/json") -> TestResponse:
        headers = {**self.headers, "Content-Type": content_type}
        return self.client.post("/api/v1/policy/plan", data=body, headers=headers)


class Waiting(threading.Thread):
    """A second client, which sends its files and waits for the answer."""

    def __init__(self, app: Flask, job: Job) -> None:
        super().__init__()
        self.job = Job(app.test_client(), job.headers["Authorization"].removeprefix("Bearer "))
        self.status = 0
        self.start()

    def run(self) -> None:
        self.status = self.job.send(files=FILES).status_code


@pytest.fixture
def job(client: FlaskClient, machine: Machine) -> Job:
    return Job(client, make(machine.session, machine.settings.pepper).credential)


def plan_with(client: FlaskClient, program: str) -> None:
    """Let the server start another program for its plans."""
    app: Flask = client.application
    object.__setattr__(app.extensions["keymgr.api"].policy, "plan_command", (sys.executable, "-c", program))


def test_a_job_learns_which_live_key_would_break(job: Job, machine: Machine) -> None:
    now = datetime.now(UTC)
    add_owner(machine.session, "user:ben", now)
    key = machine.key(owner="user:ben", scopes=["charges:read"], rule="payments-prod-read")
    set_key(machine.session, key, now, evidence={"facts": {}, "keys_held": 0})
    changed = FILES["rules/payments.yaml"].replace(
        'environments: [prod], scopes: ["charges:read"]', 'environments: [staging], scopes: ["charges:read"]'
    )
    answer = job.send(
        files={**FILES, "rules/payments.yaml": changed},
        commit="0" * 40,
        folder="policies",
        format="markdown",
        show_owners=True,
    )
    assert answer.status_code == 200, answer.text
    found = answer.get_json()
    assert (found["result"], found["exit_code"], found["base"]["label"]) == ("blocked", 5, "revision 1")
    assert (found["commit"], found["request_id"]) == ("0" * 40, answer.headers["X-Request-Id"])
    [impact] = found["key_impact"]["keys"]
    assert (impact["id"], impact["effect"], impact["after"]["verdict"]) == (key.key_id, "breaks", "violates")
    assert "1 of 1 would break this policy" in found["report"]
    assert "policies/rules/payments.yaml" in found["report"]
    assert found["owners"] == "not allowed"
    assert "ben" not in json.dumps(found["key_impact"])
    assert found["replay"] == {
        "days": 90, "decisions": 0, "newly_denied": 0, "newly_allowed": 0, "with_approval": 0, "at_once": 0
    }  # fmt: skip


def test_a_policy_that_is_not_valid_is_an_answer_with_every_place(job: Job) -> None:
    answer = job.send(files={"a.yaml": "kind: [", "b/c.yml": "x: 1\n"}, format="markdown", folder="policies")
    found = answer.get_json()
    assert (answer.status_code, found["result"], found["exit_code"]) == (200, "invalid", 3)
    assert {each["file"] for each in found["problems"]} == {"a.yaml", "b/c.yml"}
    assert "policies/a.yaml:1" in found["report"]


def test_a_base_that_has_moved_is_409(job: Job) -> None:
    found = problem(job.send(files=FILES, base_digest="sha256:before"), 409, "stale")
    assert "plan again" in str(found["detail"])


def test_what_is_in_force_and_cannot_be_read_is_503(job: Job) -> None:
    plan_with(job.client, 'print(\'{"hindrance": "unreadable", "revision": 4}\')')
    found = problem(job.send(files=FILES), 503, "unavailable")
    assert "Revision 4" in str(found["detail"])


@pytest.mark.parametrize(
    "presented",
    [
        None,
        "Bearer nonsense",
        "Bearer " + render_plan_credential("pln_" + "0" * 26, mint(32)),
        "Basic a2V5bWdyOng=",
    ],
    ids=["nothing", "nonsense", "unknown", "basic"],
)
def test_without_a_plan_credential_nothing_is_read(client: FlaskClient, presented: str | None) -> None:
    headers = {} if presented is None else {"Authorization": presented}
    answer = client.post("/api/v1/policy/plan", data=b"x" * 100, headers=headers)
    found = problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="keymgr"'
    assert "keymgr policy credential create" in str(found["detail"])


def test_a_credential_of_another_kind_is_none(client: FlaskClient, machine: Machine, job: Job) -> None:
    service = Job(client, machine.caller().credential)
    problem(service.send(files=FILES), 401, "unauthenticated")
    answer = client.post("/api/v1/verify", json={"token": "x"}, headers=job.headers)
    assert answer.status_code == 401


def test_a_revoked_credential_is_refused_from_then_on(job: Job, machine: Machine) -> None:
    session, now = machine.session, datetime.now(UTC)
    [listed] = list_plan_credentials(session)
    revoke = {"credential_id": listed.credential_id, "actor": OPERATOR, "level": AuditLevel.BASIC, "now": now}
    assert revoke_plan_credential(session, **revoke) is None  # type: ignore[arg-type]  # by name.
    session.commit()
    problem(job.send(files=FILES), 401, "unauthenticated")
    again = revoke_plan_credential(session, **revoke)  # type: ignore[arg-type]  # by name.
    assert isinstance(again, NotDone)
    assert "already revoked" in again.sentence
    nobodys = revoke_plan_credential(session, **{**revoke, "credential_id": "pln_nobodys"})  # type: ignore[arg-type]  # by name.
    assert isinstance(nobodys, NotDone)
    told = session.scalars(select(AuditEvent.action).where(AuditEvent.object_kind == "plan_credential")).all()
    assert told == ["plan_credential.created", "plan_credential.revoked"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "two\nlines"])
def test_a_credential_needs_a_name_of_one_line(machine: Machine, name: str) -> None:
    made = create_plan_credential(
        machine.session, name=name, actor=OPERATOR, pepper=b"p" * 32, level=AuditLevel.BASIC, now=datetime.now(UTC)
    )
    assert isinstance(made, NotDone)
    assert list_plan_credentials(machine.session) == ()


def test_a_credential_is_kept_only_as_its_digest(session: Session) -> None:
    made = make(session, b"p" * 32)
    assert made.credential not in repr(made)
    assert recognise_job(session, made.credential, b"p" * 32) == made.credential_id
    assert recognise_job(session, made.credential, b"q" * 32) is None


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({}, "#/files"),
        ({"files": []}, "#/files"),
        ({"files": {}}, "#/files"),
        ({"files": {"a.yaml": 1}}, "#/files"),
        ({"files": {f"{number}.yaml": "" for number in range(FILES_MAX + 1)}}, "#/files"),
        *(
            ({"files": {path: ""}}, "#/files")
            for path in (
                "/etc/passwd.yaml", "../up.yaml", "a/../b.yaml", "./a.yaml", "a//b.yaml", "a\\b.yaml", "C:\\a.yaml",
                "", "a.txt", "a", "a.yaml/", "a\x00.yaml", "a\n.yaml", "a\u202e.yaml", "x" * 260 + ".yaml",
            )
        ),
        ({"files": {"a.yaml": ""}, "command": "rm"}, "#"),
        ({"files": {"a.yaml": ""}, "commit": "main; rm"}, "#/commit"),
        ({"files": {"a.yaml": ""}, "base_digest": 7}, "#/base_digest"),
        ({"files": {"a.yaml": ""}, "folder": "../.."}, "#/folder"),
        ({"files": {"a.yaml": ""}, "format": "../plan_apart"}, "#/format"),
        ({"files": {"a.yaml": ""}, "format": ["json"]}, "#/format"),
        ({"files": {"a.yaml": ""}, "replay_days": 91}, "#/replay_days"),
        ({"files": {"a.yaml": ""}, "replay_days": True}, "#/replay_days"),
        ({"files": {"a.yaml": ""}, "show_owners": "yes"}, "#/show_owners"),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_place(job: Job, members: dict[str, object], pointer: str) -> None:
    plan_with(job.client, "raise SystemExit('not reached')")
    errors = problem(job.send(**members), 400, "bad_request")["errors"]
    assert isinstance(errors, list)
    assert [error["pointer"] for error in errors] == [pointer]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"files": {"a.yaml": ""}, "files": {}}', b'{"files": {"a.yaml": 1.5}}', b"\xff", b"[" * 9999],
)
def test_only_strict_json_is_read(job: Job, body: bytes) -> None:
    problem(job.send_raw(body), 400, "bad_request")


def test_only_json_is_read(job: Job) -> None:
    problem(job.send_raw(b"files=1", "application/x-www-form-urlencoded"), 415, "unsupported_media_type")


@pytest.mark.parametrize("more", [1, 8 * 1024 * 1024])
def test_more_than_two_mebibytes_are_refused(job: Job, more: int) -> None:
    plan_with(job.client, "raise SystemExit('not reached')")
    problem(job.send_raw(b" " * (BYTES_MAX + more)), 413, "body_too_large")


def test_two_mebibytes_are_read(job: Job) -> None:
    """All the way through: the loader refuses the file by its own limit, which is an answer."""
    text = json.dumps({"files": {"a.yaml": ""}})
    answer = job.send_raw(json.dumps({"files": {"a.yaml": "#" * (BYTES_MAX - len(text))}}).encode())
    assert (answer.status_code, answer.get_json()["result"]) == (200, "invalid")


def test_a_credential_has_thirty_plans_in_five_minutes(job: Job, machine: Machine) -> None:
    plan_with(job.client, "print('{}')")
    other = Job(job.client, make(machine.session, machine.settings.pepper, "another").credential)
    for _ in range(30):
        problem(job.send(files={}), 400, "bad_request")
    answer = job.send(files={"a.yaml": ""})
    problem(answer, 429, "too_many_requests")
    assert 0 < int(answer.headers["Retry-After"]) <= 300
    assert other.send(files={"a.yaml": ""}).status_code == 200


def test_without_counters_nobody_gets_in(machine: Machine, tmp_path: Path) -> None:
    settings = load({**machine.environ, "KEYMGR_COUNTERS": str(tmp_path / "nowhere" / "counters.db")})
    app = create_app(settings)
    job = Job(app.test_client(), make(machine.session, settings.pepper).credential)
    problem(job.send(files=FILES), 503, "unavailable")
    app.extensions["keymgr.api"].close()


def test_a_plan_that_takes_too_long_is_ended(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_plan, "PLAN_SECONDS", 0.5)
    plan_with(job.client, "import time; time.sleep(60)")
    found = problem(job.send(files=FILES), 503, "unavailable")
    assert "Propose less at once" in str(found["detail"])


def test_a_plan_that_takes_too_much_memory_is_ended(job: Job) -> None:
    plan_with(job.client, "raise MemoryError")
    found = problem(job.send(files=FILES), 503, "unavailable")
    assert "too much memory" in str(found["detail"])


def test_a_plan_that_fails_tells_the_log_and_not_the_job(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    plan_with(job.client, "raise ValueError('inside')")
    answer = job.send(files=FILES)
    problem(answer, 503, "unavailable")
    assert "inside" not in answer.text
    assert "ValueError: inside" in caplog.text


def test_one_plan_at_a_time(job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who comes while one is made waits a little, and is then asked to come again."""
    monkeypatch.setattr(policy_plan, "TURN_SECONDS", 0.05)
    begun = f"import pathlib, time; pathlib.Path({str(tmp_path / 'begun')!r}).touch(); time.sleep(2); print('{{}}')"
    plan_with(job.client, begun)
    app: Flask = job.client.application
    first = Waiting(app, job)
    while not (tmp_path / "begun").exists():
        assert first.is_alive()
    answer = job.send(files=FILES)
    problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "5"
    first.join()
    assert first.status == 200


def test_owners_are_told_where_the_operator_allows_it(machine: Machine) -> None:
    app = create_app(load({**machine.environ, "KEYMGR_POLICY_PLAN_OWNERS": "true"}))
    job = Job(app.test_client(), make(machine.session, machine.settings.pepper).credential)
    plan_with(job.client, "import json, sys; print(json.dumps({'asked': json.load(sys.stdin)['show_owners']}))")
    shown, hidden = (job.send(files=FILES, show_owners=asked).get_json() for asked in (True, False))
    assert (shown["asked"], shown["owners"]) == (True, "as asked")
    assert hidden["asked"] is False
    app.extensions["keymgr.api"].close()
