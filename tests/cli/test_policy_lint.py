"""`keymgr policy lint`: when it fails, what may be ignored, and by which moment it judges."""

import json
import shutil
from pathlib import Path

import pytest

from keymgr.cli import commands
from keymgr.policy.lint_codes import WARNINGS

ROOT = Path(__file__).parents[2]
BASE = ROOT / "tests/policy/example/base"


def lint(*arguments: str, folder: Path = BASE) -> int:
    return commands.run(["policy", "lint", str(folder), *arguments])


def test_warnings_are_told_with_place_and_remedy_and_do_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint() == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert (
        f"{BASE}/services/payments-api.yaml:10:14: warning W404 no rule grants the scope refunds:write "
        "(grant it in a rule, or remove it)\n"
    ) in told.out
    assert told.out.endswith("4 warnings.\n")


def test_the_worked_example_says_what_it_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint("--fail-on", "warning", "--now", "2026-11-22T00:00:00Z", folder=ROOT / "policies") == 0
    assert capsys.readouterr().out == "No warnings, 1 accepted.\n"


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["--fail-on", "never"], 0),
        (["--fail-on", "warning"], 3),
        (["--error", "W404"], 3),
        (["--error", "w404"], 3),
        (["--error", "W402"], 0),
        (["--ignore", "W404", "--error", "W401"], 3),
        (
            [
                "--fail-on",
                "warning",
                *(part for code in ("W401", "W404", "W409", "W412") for part in ("--ignore", code)),
            ],
            0,
        ),
    ],
)
def test_what_fails_is_what_was_asked_for(arguments: list[str], exit_code: int) -> None:
    assert lint(*arguments) == exit_code


def test_what_fails_is_called_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint("--error", "W404", "--ignore", "W412") == 3
    told = capsys.readouterr().out
    assert ": error W404 " in told
    assert ": warning W401 " in told
    assert "W412" not in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ignore", "E301"], "E301 is an error, not a warning; errors always count"),
        (["--error", "e301"], "e301 is an error, not a warning; errors always count"),
        (["--ignore", "W499"], "there is no warning W499; did you mean"),
        (["--ignore", "W401", "--error", "W401"], "W401 cannot be both"),
        (["--now", "yesterday"], "yesterday"),
        (["--fail-on", "error"], "error"),
        (["--format", "junit"], "junit"),
    ],
)
def test_wrong_usage_is_64_and_says_why(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(*arguments) == 64
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err


def test_every_warning_may_be_ignored_or_made_an_error() -> None:
    for option in ("--ignore", "--error"):
        assert lint(*(part for code in WARNINGS for part in (option, code))) == (3 if option == "--error" else 0)


def test_the_moment_decides_about_what_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    for moment, words in (("2027-01-20T00:00:00Z", "ends in 11 days"), ("2027-03-01T00:00:00Z", "is over")):
        assert lint("--now", moment, "--error", "W408", folder=folder) == 3
        assert f"error W408 this Waiver {words}" in capsys.readouterr().out
    # A waiver that is too far ahead is an error of the policy, by the same moment.
    assert lint("--now", "2026-03-01T00:00:00Z", folder=folder) == 3
    assert "E314" in capsys.readouterr().out


def test_json_holds_levels_and_what_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint("--error", "W401", "--format", "json") == 3
    answer = json.loads(capsys.readouterr().out)
    assert {each["code"]: each["level"] for each in answer["warnings"]} == {
        "W401": "error",
        "W404": "warning",
        "W409": "warning",
        "W412": "warning",
    }
    assert (answer["ok"], answer["exit_code"], answer["problems"], answer["accepted"]) == (False, 3, [], [])
    assert lint("--now", "2026-11-22T00:00:00Z", "--format", "json", folder=ROOT / "policies") == 0
    (accepted,) = json.loads(capsys.readouterr().out)["accepted"]
    assert (accepted["code"], accepted["reason"]) == ("W401", "Whatever the ledger learns to do is for these machines")


def test_a_policy_that_is_not_valid_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("kind: Teem\n")
    assert lint("--fail-on", "never", folder=tmp_path) == 3
    assert "E203" in capsys.readouterr().out
