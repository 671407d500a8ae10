"""Commands that change things: what they say, what they write, and that the audit names who typed them."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.cli import commands
from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect_once
from tests.cli.servers import ROOT, environment

Keymgr = Callable[..., tuple[int, str, str]]


@pytest.fixture
def keymgr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keymgr:
    """Run a command in an installation of its own; returns exit code, stdout and stderr."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", StringIO(typed))
        code = commands.run(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def ready(keymgr: Keymgr) -> Keymgr:
    assert keymgr("database", "upgrade")[0] == 0
    return keymgr


@pytest.fixture
def with_policy(ready: Keymgr) -> Keymgr:
    code, _, told = ready("policy", "apply", str(ROOT / "policies"), "--allow-dirty")
    assert code == 0, told
    return ready


def events(folder: Path) -> list[tuple[str, str, str]]:
    with Session(connect_once(f"sqlite:///{folder}/keymgr.db")) as session:
        rows = session.execute(
            select(AuditEvent.actor, AuditEvent.action, AuditEvent.object_id).order_by(AuditEvent.id)
        )
        return [(row.actor, row.action, row.object_id) for row in rows]


def test_the_database_is_made_once_and_says_where_it_stands(keymgr: Keymgr, tmp_path: Path) -> None:
    code, _, told = keymgr("database", "status")
    assert (code, "keymgr database upgrade" in told) == (1, True)
    assert keymgr("database", "upgrade")[1].startswith("Ran 0001")
    assert keymgr("database", "upgrade")[1] == "The database is up to date.\n"
    assert keymgr("database", "status")[:2] == (0, "The database is up to date.\n")
    assert (tmp_path / "keymgr.db").stat().st_mode & 0o077 == 0


def test_commands_before_the_database_say_what_to_run(keymgr: Keymgr) -> None:
    code, out, told = keymgr("people", "list")
    assert (code, out) == (1, "")
    assert "Run `keymgr database upgrade`" in told


def test_a_person_is_added_suspended_and_resumed(ready: Keymgr, tmp_path: Path) -> None:
    code, out, _ = ready("people", "add", "Ana", "--password-stdin", typed="several-words-together\n")
    assert (code, out) == (0, "ana can sign in at http://localhost.\n")
    assert ready("people", "suspend", "ana", "--reason", "on leave")[0] == 0
    assert "suspended" in ready("people", "list")[1]
    assert ready("people", "resume", "ana")[0] == 0
    told = events(tmp_path)
    assert [action for _, action, _ in told] == [
        "person.added",
        "person.state_set",
        "person.sessions_ended",
        "person.state_set",
    ]
    assert all(actor.startswith("cli:") for actor, _, _ in told)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["people", "add", "ana", "--password-stdin"], 1, "Use at least 15"),
        (["people", "add", "a b", "--password-stdin"], 64, "A sign-in name has at most 63 characters"),
        (["people", "suspend", "nobody"], 1, "Nobody is called nobody"),
        (["service-account", "add", "ci", "--team", "payments"], 1, "apply a policy first"),
        (["service-credential", "create", "payments"], 1, "no service payments"),
        (["service-credential", "revoke", "svc_nothing"], 1, "There is no service credential svc_nothing"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_changes(
    ready: Keymgr, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    done, out, told = ready(*arguments, typed="short\n")
    assert (done, out) == (code, "")
    assert says in told
    assert events(tmp_path) == []


def test_a_name_is_taken_once(ready: Keymgr) -> None:
    add = ("people", "add", "ana", "--password-stdin")
    assert ready(*add, typed="several-words-together\n")[0] == 0
    code, _, told = ready(*add, typed="several-words-together\n")
    assert (code, "already called ana" in told) == (1, True)


def test_a_service_account_belongs_to_a_team_of_the_policy(with_policy: Keymgr) -> None:
    assert with_policy("service-account", "add", "ci", "--team", "payments")[0] == 0
    code, _, told = with_policy("service-account", "add", "other", "--team", "nobodys")
    assert (code, "no team nobodys" in told) == (1, True)
    assert "payments" in with_policy("service-account", "list")[1]


def test_a_service_credential_is_alone_on_stdout_once(with_policy: Keymgr) -> None:
    code, out, told = with_policy("service-credential", "create", "payments")
    assert code == 0
    assert out.startswith("kms_")
    assert len(out.split()) == 1
    credential_id = told.split()[0]
    assert credential_id.removeprefix("svc_") in out
    listed = with_policy("service-credential", "list")[1]
    assert credential_id in listed
    assert out.strip() not in listed
    assert with_policy("service-credential", "revoke", credential_id)[0] == 0
    assert "already revoked" in with_policy("service-credential", "revoke", credential_id)[2]


def test_signing_keys_are_rolled_and_listed(ready: Keymgr) -> None:
    code, out, _ = ready("signing-key", "roll")
    assert code == 0
    assert "signs from now on" in out
    listed = ready("signing-key", "list")[1]
    assert [state for state in ("active", "next", "retiring") if state in listed] == ["active", "next", "retiring"]
