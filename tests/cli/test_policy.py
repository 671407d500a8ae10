"""`keymgr policy`: exit codes, what stdout carries, and what is not loaded."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.cli import commands
from keymgr.store.engine import connect
from keymgr.store.lock import own_policy
from keymgr.store.policies import PolicyAttempt, PolicyRevision

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "tests" / "policy" / "example"
BASE = EXAMPLE / "base"
PULL_REQUEST = EXAMPLE / "pull-request"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the base example that a test may break."""
    return Path(shutil.copytree(BASE, tmp_path / "policies"))


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of an empty, migrated database that the commands use."""
    url, env_file = f"sqlite:///{tmp_path}/data/keymgr.db", tmp_path / "keymgr.env"
    assert commands.run(["init", "--env-file", str(env_file)]) == 0
    monkeypatch.setenv("KEYMGR_ENV_FILE", str(env_file))
    monkeypatch.setenv("KEYMGR_DATABASE_URL", url)
    assert commands.run(["database", "upgrade"]) == 0
    return url


def without_tests(folder: Path) -> Path:
    shutil.rmtree(folder / "tests")
    return folder


def broken(folder: Path) -> Path:
    (folder / "teams" / "zz.yaml").write_text("apiVersion: keymgr/v1\nkind: Teem\n")
    return folder


def run_json(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    exit_code = commands.run([*arguments, "--format", "json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["format_version"] == "1.0"
    assert answer["ok"] is (exit_code == 0)
    assert answer["exit_code"] == exit_code
    return exit_code, answer


def test_a_valid_folder_is_0_and_one_line_with_the_digest(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "validate", str(BASE)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("Valid: 14 documents in 8 files, sha256:")
    assert told.err == ""


def test_an_invalid_folder_is_3_with_a_path_that_can_be_opened_and_a_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.run(["policy", "validate", str(broken(folder))]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f'{folder}/teams/zz.yaml:2:7: E203 there is no kind "Teem" (did you mean "Team"?)'
    assert lines[-1] == "Invalid: 1 problem in 1 file. Nothing was loaded."


def test_a_folder_that_is_not_there_is_3_and_never_an_empty_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.run(["policy", "validate", str(tmp_path / "nowhere")]) == 3
    assert f"{tmp_path}/nowhere:1:1: E120 the policy folder cannot be read" in capsys.readouterr().out
    assert commands.run(["policy", "test", str(tmp_path)]) == 3
    assert "E123" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["validate", "test"])
def test_json_is_all_that_stdout_carries_whatever_the_outcome(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code, answer = run_json(["policy", command, str(folder)], capsys)
    assert (exit_code, answer["command"], answer["problems"]) == (0, command, [])
    exit_code, answer = run_json(["policy", command, str(broken(folder))], capsys)
    assert exit_code == 3
    assert answer["problems"] == [
        {
            "code": "E203",
            "file": "teams/zz.yaml",
            "line": 2,
            "column": 7,
            "message": 'there is no kind "Teem"',
            "remedy": 'did you mean "Team"?',
        }
    ]


def test_json_of_a_valid_folder_names_digest_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    _, answer = run_json(["policy", "validate", str(BASE)], capsys)
    assert answer["digest"].startswith("sha256:")
    assert (answer["documents"], answer["files"]) == (14, 8)


def test_passing_tests_are_0_and_say_what_they_do_not_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "test", str(BASE)]) == 0
    assert capsys.readouterr().out == (
        "not shown: IssuanceRule/payments-nonprod never refused\n11 passed, 0 failed, 1 not shown.\n"
    )


def test_failing_tests_are_4_with_place_and_difference(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "test", str(PULL_REQUEST)]) == 4
    told = capsys.readouterr().out
    assert f"FAILED {PULL_REQUEST}/tests/payments_test.yaml:58:7: payments: analytics may read reports\n" in told
    assert told.endswith("9 passed, 2 failed, 3 not shown.\n")


def test_json_of_failing_tests_holds_results_gaps_and_totals(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, answer = run_json(["policy", "test", str(PULL_REQUEST)], capsys)
    assert exit_code == 4
    assert answer["totals"] == {"run": 11, "failed": 2, "gaps": 3}
    failed = [each for each in answer["results"] if not each["passed"]]
    assert failed[0]["file"] == "tests/payments_test.yaml"
    assert failed[0]["message"]
    assert {each["kind"] for each in answer["gaps"]} == {"IssuanceRule"}


def test_no_tests_at_all_are_4(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "test", str(without_tests(folder))]) == 4
    assert "there are no policy tests; write a document of kind PolicyTest" in capsys.readouterr().out
    assert run_json(["policy", "test", str(folder)], capsys)[0] == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["policy", "validate"],
        ["policy", "nonsense"],
        ["policy", "validate", ".", "--format", "xml"],
        ["policy", "test", "a", "b"],
    ],
)
def test_wrong_usage_is_64(arguments: list[str]) -> None:
    assert commands.run(arguments) == 64


def test_a_waiver_too_far_ahead_is_judged_by_the_clock(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end = (datetime.now(UTC) + timedelta(days=91)).strftime("%Y-%m-%dT%H:%M:%SZ")
    (folder / "waiver.yaml").write_text(
        "apiVersion: keymgr/v1\nkind: Waiver\nmetadata: {name: far, owner: payments}\nspec: {reason: x, expires_at: "
        f'"{end}", guardrail: no-critical-to-people, '
        "subject: {owner: pat, service: payments-api, environments: [dev]}}\n"
    )
    assert commands.run(["policy", "validate", str(folder)]) == 3
    assert "E314" in capsys.readouterr().out


LIGHT = "import sys, keymgr.cli.policy; print([m for m in sys.modules if m.split('.')[0] in {names}])"


def test_policy_commands_load_neither_flask_nor_sqlalchemy() -> None:
    heavy = {"flask", "sqlalchemy", "alembic", "gunicorn", "werkzeug", "limits", "argon2"}
    command = [sys.executable, "-c", LIGHT.format(names=heavy)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_help_lists_apply_without_loading_what_it_needs() -> None:
    program = (
        "import sys\n"
        "sys.modules['sqlalchemy'] = sys.modules['flask'] = None\n"
        "from keymgr.cli.commands import run\n"
        "sys.exit(run(['policy', '--help']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("apply", "test", "validate"):
        assert f"  {name} " in done.stdout


def stored(url: str) -> tuple[list[PolicyRevision], list[PolicyAttempt]]:
    engine = connect(url)
    with Session(engine) as session:
        found = list(session.scalars(select(PolicyRevision))), list(session.scalars(select(PolicyAttempt)))
    engine.dispose()
    return found


def test_apply_puts_the_folder_in_force_once(database: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["policy", "apply", str(folder), "--revision", "abc123"]
    exit_code, answer = run_json(arguments, capsys)
    assert (exit_code, answer["revision"], answer["changed"]) == (0, 1, True)
    assert answer["summary"]["added"]["IssuanceRule"] == 3
    assert commands.run(arguments) == 0
    assert "Nothing changed: revision 1 is in force already" in capsys.readouterr().out
    revisions, attempts = stored(database)
    assert [(each.commit, each.digest) for each in revisions] == [("abc123", answer["digest"])]
    assert [(each.commit, each.result_code, each.digest) for each in attempts] == [("abc123", 0, answer["digest"])] * 2


def test_a_folder_that_is_no_good_changes_nothing_and_is_written_down(
    database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.run(["policy", "apply", str(folder)]) == 0
    for harm, code in ((without_tests, 4), (broken, 3)):
        assert run_json(["policy", "apply", str(harm(folder))], capsys)[0] == code
        assert commands.run(["policy", "apply", str(folder)]) == code
    assert run_json(["policy", "apply", str(folder / "nowhere")], capsys)[0] == 3
    revisions, attempts = stored(database)
    assert len(revisions) == 1
    assert [each.result_code for each in attempts] == [0, 4, 4, 3, 3, 3]
    assert "E203" in attempts[-2].message


def test_without_a_folder_apply_takes_that_of_the_settings(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYMGR_POLICIES", str(folder))
    assert commands.run(["policy", "apply"]) == 0
    assert len(stored(database)[0]) == 1


def test_another_base_than_expected_is_7(database: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["policy", "apply", str(folder), "--expect-base", "sha256:0000"]
    assert run_json(arguments, capsys)[0] == 7
    assert commands.run(arguments) == 7
    assert "The policy in force is none, not sha256:0000; plan again." in capsys.readouterr().out
    assert stored(database)[0] == []


def test_a_changed_worktree_is_refused_or_marks_the_revision(
    database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", "-C", str(folder), *command], check=True, timeout=30)
    assert commands.run(["policy", "apply", str(folder)]) == 0
    (folder / "README.md").write_text("words")
    assert commands.run(["policy", "apply", str(folder)]) == 7
    assert "take them with --allow-dirty" in capsys.readouterr().out
    assert commands.run(["policy", "apply", str(folder), "--allow-dirty"]) == 0
    labels = [each.commit or "" for each in stored(database)[1]]
    assert [len(label) for label in labels] == [40, 0, 46]
    assert labels[2] == f"{labels[0]}-dirty"


def test_a_lock_that_is_held_is_6_and_nothing_changes(
    database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["policy", "apply", str(folder), "--wait", "0.1"]
    engine = connect(database)
    with Session(engine) as session:
        own_policy(session, 1)
        exit_code, answer = run_json(arguments, capsys)
        assert exit_code == 6
        assert answer["message"]
        assert commands.run(arguments) == 6
    engine.dispose()
    assert stored(database)[0] == []


def test_a_database_that_is_not_there_is_1_and_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.run(["init", "--env-file", str(tmp_path / "keymgr.env")]) == 0
    monkeypatch.setenv("KEYMGR_ENV_FILE", str(tmp_path / "keymgr.env"))
    monkeypatch.setenv("KEYMGR_DATABASE_URL", f"sqlite:///{tmp_path}/keymgr.db")
    exit_code, answer = run_json(["policy", "apply", str(BASE)], capsys)
    assert exit_code == 1
    assert "keymgr database upgrade" in answer["message"]
