"""`keymgr policy plan --server` and `keymgr policy credential`, as processes, against the product's own server."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from tests.api.machine import ROOT, Machine, apply_example, open_machine
from tests.api.serving import Server, application, serving
from tests.cli.servers import environment
from tests.keys.verifying import add_owner, set_key

STUB = """
import json
answers = ANSWERS
def app(environ, start_response):
    if environ["PATH_INFO"] == "/healthz":
        start_response("200 OK", [])
        return [b""]
    status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
    start_response(status, headers)
    return [body if isinstance(body, bytes) else json.dumps(body).encode()]
"""


@pytest.fixture
def machine(sqlite_url: str, tmp_path: Path) -> Iterator[Machine]:
    apply_example(sqlite_url)
    engine = connect(sqlite_url)
    with Session(engine) as session:
        yield open_machine(session, sqlite_url, tmp_path)
    engine.dispose()


@pytest.fixture
def server(machine: Machine, tmp_path: Path) -> Iterator[Server]:
    with serving(machine, tmp_path, workers=1) as server:
        yield server


def keymgr(
    *arguments: str | Path, cwd: Path = ROOT, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in environment(cwd).items() if not name.startswith("KEYMGR_")}
    command = [sys.executable, "-m", "keymgr.cli", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env={**environ, **(settings or {})}, capture_output=True, text=True, check=False, timeout=120
    )


def proposal(folder: Path) -> Path:
    """The example policy, with the rule changed by which ben reads real charges."""
    for path in (ROOT / "policies").rglob("*.yaml"):
        place = folder / "policies" / path.relative_to(ROOT / "policies")
        place.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text().replace(
            'environments: [prod], scopes: ["charges:read"]', 'environments: [staging], scopes: ["charges:read"]'
        )
        place.write_text(text)
    return folder / "policies"


@pytest.fixture
def key_id(machine: Machine) -> str:
    """A key of ben's that breaks when the rule changes."""
    now = datetime.now(UTC)
    add_owner(machine.session, "user:ben", now)
    key = machine.key(owner="user:ben", scopes=["charges:read"], rule="payments-prod-read")
    set_key(machine.session, key, now, evidence={"facts": {}, "keys_held": 0})
    return key.key_id


def test_a_job_asks_until_its_credential_is_revoked(
    machine: Machine, server: Server, key_id: str, tmp_path: Path
) -> None:
    made = keymgr("policy", "credential", "create", "acme/policies", settings=machine.environ)
    assert (made.returncode, "shown once" in made.stderr) == (0, True), made.stderr
    file = tmp_path / "credential"
    file.write_text(made.stdout)
    proposal(tmp_path)
    options = ("--server", f"http://127.0.0.1:{server.port}", "--credential-file", file)
    see_what_breaks(tmp_path, key_id, *options)
    see_what_is_fine_and_what_is_not_valid(tmp_path, *options)
    revoke_the_only_one(machine)
    proposal(tmp_path)
    refused = keymgr("policy", "plan", "policies", *options, cwd=tmp_path)
    assert (refused.returncode, refused.stdout, "(401)" in refused.stderr) == (1, "", True), refused.stderr


def see_what_breaks(folder: Path, key_id: str, *options: str | Path) -> None:
    asked = ("policy", "plan", "policies", *options)
    told = keymgr(*asked, "--format", "markdown", "--show-owners", cwd=folder)
    assert told.returncode == 5, told.stderr
    assert told.stdout.startswith("<!-- keymgr-plan:acme -->")
    assert key_id in told.stdout
    assert "policies/rules/payments.yaml" in told.stdout
    assert "KEYMGR_POLICY_PLAN_OWNERS" in told.stderr
    assert "user:ben" not in told.stdout
    found = json.loads(keymgr(*asked, "--format", "json", "--days", "0", cwd=folder).stdout)
    assert (found["result"], found["key_impact"]["losing"], found["replay"]) == ("blocked", 1, None)


def see_what_is_fine_and_what_is_not_valid(folder: Path, *options: str | Path) -> None:
    unchanged = keymgr("policy", "plan", ROOT / "policies", *options, "--detailed-exitcode", cwd=folder)
    assert (unchanged.returncode, "no changes" in unchanged.stdout) == (0, True), unchanged.stderr
    (folder / "policies" / "rules" / "payments.yaml").write_text("kind: [")
    invalid = keymgr("policy", "plan", "policies", *options, cwd=folder)
    assert (invalid.returncode, "policies/rules/payments.yaml:1" in invalid.stdout) == (3, True)


def revoke_the_only_one(machine: Machine) -> None:
    listed = keymgr("policy", "credential", "list", settings=machine.environ).stdout.splitlines()
    [credential_id] = [line.split()[0] for line in listed if "acme/policies" in line]
    revoked, again = (
        keymgr("policy", "credential", "revoke", credential_id, settings=machine.environ) for _ in range(2)
    )
    assert revoked.returncode == 0, revoked.stderr
    assert (again.returncode, "already revoked" in again.stderr) == (1, True)


def test_a_credential_needs_a_name(machine: Machine) -> None:
    nameless = keymgr("policy", "credential", "create", " ", settings=machine.environ)
    assert (nameless.returncode, nameless.stdout, "A name is one line" in nameless.stderr) == (1, "", True)


@pytest.fixture
def credential(tmp_path: Path) -> Path:
    file = tmp_path / "credential"
    file.write_text("kmp_abc_def\n")
    return file


def plan(url: str, credential: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return keymgr("policy", "plan", "policies", "--server", url, "--credential-file", credential, *more)


@pytest.mark.parametrize(
    ("answers", "code", "says"),
    [
        ([("409 Conflict", [], {"detail": "The base has moved."})], 7, "The base has moved."),
        ([("302 Found", [("Location", "http://127.0.0.1:9/")], b"")], 1, "(302)"),
        ([("200 OK", [], b"<html>")], 1, "does not answer as keymgr does"),
        ([("200 OK", [], b"[]")], 1, "does not answer as keymgr does"),
        ([("400 Bad", [], {"detail": "No.", "errors": [{"pointer": "#/x", "detail": "Odd."}]})], 1, "#/x: Odd."),
        ([("503 Unavailable", [("Retry-After", "9999")], {"detail": "Later."})], 1, "Later."),
        (
            [
                ("503 Unavailable", [("Retry-After", "1")], {"detail": "Busy."}),
                ("200 OK", [], {"exit_code": 0, "result": "changes", "report": "A report."}),
            ],
            2,
            "asks to wait 1 seconds",
        ),
        ([("200 OK", [], {"exit_code": 3, "result": "invalid", "problems": []})], 3, ""),
    ],
)  # fmt: skip
def test_what_the_server_answers_decides_the_exit_code(
    credential: Path, tmp_path: Path, answers: list[object], code: int, says: str
) -> None:
    with application(STUB.replace("ANSWERS", repr(answers)), tmp_path, "stub") as stub:
        told = plan(f"http://127.0.0.1:{stub.port}", credential, "--detailed-exitcode")
    assert (told.returncode, says in told.stderr) == (code, True), (told.stdout, told.stderr)


def test_a_server_that_is_away_is_said(credential: Path) -> None:
    told = plan("http://127.0.0.1:9", credential)
    assert (told.returncode, "cannot be asked" in told.stderr, told.stdout) == (1, True, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--server", "https://keys.example"), "--credential-file"),
        (("--server", "https://keys.example", "--credential-file", "FILE", "--base", "main"), "no --base"),
        (("--server", "http://keys.example", "--credential-file", "FILE"), "in the clear"),
        (("--server", "keys.example", "--credential-file", "FILE"), "is not an address"),
        (("--server", "https://keys.example:x", "--credential-file", "FILE"), "is not an address"),
        (("--server", "https://a:b@keys.example", "--credential-file", "FILE"), "is not an address"),
        (("--show-owners",), "are for --server"),
        (("--credential-file", "FILE"), "are for --server"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(credential: Path, arguments: tuple[str, ...], says: str) -> None:
    told = keymgr("policy", "plan", "policies", *(str(credential) if each == "FILE" else each for each in arguments))
    assert (told.returncode, says in told.stderr) == (64, True), told.stderr


@pytest.mark.parametrize("text", ["", "kms_abc", "kmp_a b", "kmp_a\nkmp_b"])
def test_a_file_without_a_plan_credential_is_not_sent(credential: Path, text: str) -> None:
    credential.write_text(text)
    told = plan("http://127.0.0.1:9", credential)
    assert (told.returncode, "holds no plan credential" in told.stderr) == (1, True), told.stderr


def test_a_credential_file_that_is_not_there_is_said(credential: Path) -> None:
    credential.unlink()
    assert "cannot be read" in plan("http://127.0.0.1:9", credential).stderr
