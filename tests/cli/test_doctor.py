"""`keymgr doctor` finds what is wrong and says how to mend it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session

from keymgr.cli.doctor import doctor
from keymgr.cli.doctor_files import look_at_proxies
from keymgr.cli.serve import make_ready
from keymgr.config import load
from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect_once
from keymgr.store.people import Person
from tests.cli.servers import environment


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A ready installation, as its environment."""
    environ = environment(tmp_path)
    make_ready(load(environ))
    return environ


def examined(environ: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """The exit code, and the line about each thing."""
    done: Result = CliRunner().invoke(doctor, env=dict(environ), standalone_mode=False)
    assert done.exception is None, done.output
    return int(done.return_value), {line[6:18].strip(): line for line in done.output.splitlines()[:-1]}


def test_pull_mode_needs_git_and_the_files_it_names(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulling = environ | {"KEYMGR_POLICY_PULL_URL": "https://git.example/acme/policies.git"}
    assert "pull" not in examined(environ)[1]
    code, found = examined(pulling)
    assert (code, found["pull"][:2], "main every 120 seconds" in found["pull"]) == (0, "OK", True)
    code, found = examined(pulling | {"KEYMGR_POLICY_PULL_SIGNERS": str(tmp_path / "nowhere")})
    assert (code, "KEYMGR_POLICY_PULL_SIGNERS names" in found["pull"]) == (1, True)
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert "git is not installed" in examined(pulling)[1]["pull"]


def test_a_fresh_installation_has_nothing_to_mend(environ: dict[str, str]) -> None:
    code, found = examined(environ)
    assert code == 0
    assert found["settings"].startswith("OK")
    assert found["database"].startswith("OK")
    assert found["signing keys"].startswith("OK")
    assert "keymgr policy apply" in found["policy"]
    assert "keymgr serve" in found["worker"]
    assert "keymgr serve" in found["people"]


def test_bad_settings_fail_and_nothing_else_is_looked_at(environ: dict[str, str]) -> None:
    code, found = examined(environ | {"KEYMGR_WORKERS": "many"})
    assert code == 1
    assert list(found) == ["settings"]
    assert "is not a whole number" in found["settings"]


def test_a_database_that_is_not_there_is_not_made_by_looking(environ: dict[str, str], tmp_path: Path) -> None:
    code, found = examined(environ | {"KEYMGR_DATABASE_URL": f"sqlite:///{tmp_path}/other.db"})
    assert code == 1
    assert "keymgr database upgrade" in found["database"]
    assert not (tmp_path / "other.db").exists()


def test_a_server_that_does_not_answer_is_said_without_its_password(environ: dict[str, str]) -> None:
    code, found = examined(environ | {"KEYMGR_DATABASE_URL": "postgresql://keymgr:hunter2@127.0.0.1:1/keymgr"})
    assert code == 1
    assert "does not answer" in found["database"]
    assert "hunter2" not in found["database"]


def test_a_missing_migration_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "old.db").touch(0o600)
    code, found = examined(environ | {"KEYMGR_DATABASE_URL": f"sqlite:///{tmp_path}/old.db"})
    assert code == 1
    assert "migrations are missing. Run: keymgr database upgrade" in found["database"]


def test_the_wrong_key_encryption_key_is_found(environ: dict[str, str]) -> None:
    code, found = examined(environ | {"KEYMGR_KEK": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})
    assert code == 1
    assert found["signing keys"].startswith("FAIL")
    assert "KEYMGR_KEK" in found["signing keys"]


def test_a_clock_behind_what_is_stored_is_found(environ: dict[str, str]) -> None:
    engine = connect_once(environ["KEYMGR_DATABASE_URL"])
    later = datetime.now(UTC) + timedelta(hours=2)
    with Session(engine) as session, session.begin():
        session.add(
            AuditEvent(at=later, actor="clock", action="x", object_kind="x", object_id="x", outcome="done", detail={})
        )
    code, found = examined(environ)
    assert code == 1
    assert "NTP" in found["clock"]


def test_somebody_who_can_sign_in_is_seen(environ: dict[str, str]) -> None:
    engine = connect_once(environ["KEYMGR_DATABASE_URL"])
    with Session(engine) as session, session.begin():
        session.add(Person(id="usr_1", name="ana", display_name="Ana", created_at=datetime.now(UTC)))
    assert examined(environ)[1]["people"].startswith("OK")


def test_a_secret_that_others_may_read_is_a_warning_with_the_command(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "kek"
    file.write_text(environ.pop("KEYMGR_KEK"))
    file.chmod(0o644)
    code, found = examined(environ | {"KEYMGR_KEK_FILE": str(file)})
    assert code == 0
    assert found["permissions"] == f"WARN  permissions  Other accounts can get at {file}. Run: chmod 600 {file}"
    file.chmod(0o600)
    assert examined(environ | {"KEYMGR_KEK_FILE": str(file)})[1]["permissions"].startswith("OK")


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        ({}, "OK"),
        ({"KEYMGR_TRUSTED_PROXIES": "0.0.0.0/0"}, "FAIL"),
        ({"KEYMGR_PUBLIC_URL": "https://keys.example.com"}, "WARN"),
        ({"KEYMGR_PUBLIC_URL": "https://keys.example.com", "KEYMGR_TRUSTED_PROXIES": "10.0.0.0/8"}, "OK"),
        ({"KEYMGR_BIND": "unix:/run/keymgr.sock"}, "WARN"),
    ],
)
def test_who_may_forward_an_address_is_judged(tmp_path: Path, changed: dict[str, str], level: str) -> None:
    (finding,) = look_at_proxies(load(environment(tmp_path, **changed)))
    assert finding.level == level


def test_demo_mode_is_never_overlooked(environ: dict[str, str]) -> None:
    assert "Never use it for real keys" in examined(environ | {"KEYMGR_DEMO": "yes"})[1]["demo"]
