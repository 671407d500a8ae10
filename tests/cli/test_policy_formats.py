"""What stdout carries in each format, on success and on every failure, and nothing in it that breaks the format."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from jsonschema import Draft7Validator

from keymgr.cli import commands, report_github, report_junit, report_sarif
from keymgr.cli.report_remarks import Case, Level, Remark, Told, cases_of_files, path_of, remark_of
from keymgr.policy.problems import Problem

ROOT = Path(__file__).parents[2]
BASE = ROOT / "tests/policy/example/base"
PULL_REQUEST = ROOT / "tests/policy/example/pull-request"
COMMAND = re.compile(r"::(error|warning|notice)(?: file=([^,]*),line=(\d+),col=(\d+),title=([^,:]*))?::(.*)")
FORMATS = {
    "validate": ("human", "json", "github", "sarif", "junit"),
    "lint": ("human", "json", "github", "sarif"),
    "test": ("human", "json", "junit", "github"),
    "fmt": ("human", "json"),
}
SARIF = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "items": {
                                            "required": ["id", "shortDescription"],
                                            "properties": {"shortDescription": {"required": ["text"]}},
                                        }
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "items": {
                            "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"required": ["text"]},
                                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                                "locations": {
                                    "items": {
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation", "region"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "required": ["uri"],
                                                        "properties": {"uri": {"pattern": "^[A-Za-z0-9._~%/:-]+$"}},
                                                    },
                                                    "region": {
                                                        "properties": {
                                                            "startLine": {"minimum": 1},
                                                            "startColumn": {"minimum": 1},
                                                        }
                                                    },
                                                },
                                            }
                                        },
                                    }
                                },
                            },
                        }
                    },
                },
            },
        },
    },
}
"""As much of the SARIF 2.1.0 schema as our logs use: what it requires and what it closes."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "policies"))


def sarif(text: str) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(text)
    assert list(Draft7Validator(SARIF).iter_errors(log)) == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return dict(run)


def junit(text: str) -> Element:
    top = fromstring(text)  # noqa: S314 - our own output.
    assert top.tag == "testsuites"
    suites = top.findall("testsuite")
    cases = top.findall("testsuite/testcase")
    assert int(top.get("tests", "")) == sum(int(each.get("tests", "")) for each in suites) == len(cases)
    assert int(top.get("failures", "")) == len(top.findall("testsuite/testcase/failure"))
    return top


def github(text: str) -> list[tuple[str, ...]]:
    lines = text.splitlines()
    matches = [COMMAND.fullmatch(line) for line in lines]
    assert all(matches), lines
    return [tuple(part or "" for part in match.groups()) for match in matches if match]


def check(form: str, text: str) -> None:
    """Fail where a text is not whole and in the format."""
    assert text.endswith("\n")
    match form:
        case "json":
            assert json.loads(text)["format_version"] == "1.0"
        case "sarif":
            sarif(text)
        case "junit":
            junit(text)
        case "github":
            github(text)
        case _:
            assert "\x1b" not in text


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    exit_code = commands.run(["policy", *arguments])
    told = capsys.readouterr()
    assert told.err == ""
    return exit_code, told.out


def broken(folder: Path) -> Path:
    (folder / "zz, 100% [odd].yaml").write_text('apiVersion: keymgr/v1\nkind: "T%\'e:e,m <b>&"\n')
    return folder


@pytest.mark.parametrize(("command", "form"), [(name, form) for name, forms in FORMATS.items() for form in forms])
def test_each_format_is_whole_on_success_and_on_every_failure(
    command: str, form: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code, text = run(command, str(folder), "--format", form, capsys=capsys)
    assert exit_code == 0
    check(form, text)
    for harm in (folder / "nowhere", broken(folder)):
        exit_code, text = run(command, str(harm), "--format", form, capsys=capsys)
        assert exit_code == 3
        check(form, text)
        assert ("E120" if harm.name == "nowhere" else "E203") in text


@pytest.mark.parametrize("form", FORMATS["test"])
def test_each_format_is_whole_when_tests_fail_or_there_is_none(
    form: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([str(PULL_REQUEST)], [str(folder), "--min-coverage", "100"], [str(folder), "--run", "none*"]):
        exit_code, text = run("test", *arguments, "--format", form, capsys=capsys)
        assert exit_code == 4
        check(form, text)
    shutil.rmtree(folder / "tests")
    exit_code, text = run("test", str(folder), "--format", form, capsys=capsys)
    assert exit_code == 4
    check(form, text)


def test_sarif_names_file_line_rule_and_level(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, text = run("lint", str(folder), "--format", "sarif", "--error", "W401", capsys=capsys)
    results = sarif(text)["results"]
    assert {(each["ruleId"], each["level"]) for each in results} == {
        ("W401", "error"),
        ("W404", "warning"),
        ("W409", "warning"),
        ("W412", "warning"),
    }
    location = results[0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == f"{folder.as_uri()}/rules/payments.yaml"
    assert location["region"] == {"startLine": 4, "startColumn": 18}


def test_sarif_escapes_file_names_and_is_empty_when_nothing_is_wrong(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sarif(run("validate", str(folder), "--format", "sarif", capsys=capsys)[1])["results"] == []
    monkeypatch.chdir(folder.parent)
    _, text = run("validate", str(broken(folder).relative_to(folder.parent)), "--format", "sarif", capsys=capsys)
    (result,) = sarif(text)["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "policies/zz%2C%20100%25%20%5Bodd%5D.yaml"
    assert "T%'e:e,m <b>&" in result["message"]["text"]


def test_a_fingerprint_stays_while_lines_move() -> None:
    def fingerprint(line: int, code: str = "W401") -> str:
        told = Told("lint", "", (Remark(Level.WARNING, code, "t", "a.yaml", line, 1, "m"),))
        return str(sarif(report_sarif.render(told))["results"][0]["partialFingerprints"])

    assert fingerprint(1) == fingerprint(9) != fingerprint(1, "W402")


def test_workflow_commands_are_escaped(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    _, text = run("validate", str(broken(folder).relative_to(folder.parent)), "--format", "github", capsys=capsys)
    (error, notice) = text.splitlines()
    assert error.startswith(
        "::error file=policies/zz%2C 100%25 [odd].yaml,line=2,col=7,title=E203 Invalid policy::"
        'there is no kind "T%25\'e:e,m <b>&"'
    )
    assert notice == "::notice::Invalid: 1 problem. Nothing was loaded."


def test_nine_of_each_level_are_shown_and_the_rest_counted() -> None:
    def told(errors: int, warnings: int) -> Told:
        def some(level: Level, amount: int) -> list[Remark]:
            return [
                Remark(level, "C1", "Title", "a:b,c.yaml", number, 1, "one\nline\r%") for number in range(1, amount + 1)
            ]

        return Told("lint", "Done.", (*some(Level.WARNING, warnings), *some(Level.ERROR, errors)))

    found = github(report_github.render(told(9, 12)))
    assert [each[0] for each in found] == ["error"] * 9 + ["warning"] * 10 + ["notice"]
    assert found[-2][5] == "and 3 more; run the command where you work to see all 12"
    assert found[0] == ("error", "a%3Ab%2Cc.yaml", "1", "1", "C1 Title", "one%0Aline%0D%25")
    assert len(github(report_github.render(told(500, 500)))) == 21


def test_junit_holds_each_case_and_why_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    _, text = run("test", str(PULL_REQUEST), "--format", "junit", "--min-coverage", "0", capsys=capsys)
    top = junit(text)
    assert (top.get("tests"), top.get("failures")) == ("12", "2")
    failed = [each for each in top.iter("testcase") if each.find("failure") is not None]
    assert failed[0].get("name") == "analytics may read reports"
    assert failed[0].get("classname") == "payments"
    assert f"{PULL_REQUEST}/tests/payments_test.yaml:58:7: Expected" in (failed[0].findtext("failure") or "")


def test_junit_of_validate_has_a_case_for_each_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = junit(run("validate", str(folder), "--format", "junit", capsys=capsys)[1])
    assert next(each.get("name") for each in top.iter("testcase")) == f"{folder}/approvals/prod.yaml"
    assert (top.get("tests"), top.get("failures")) == ("8", "0")
    top = junit(run("validate", str(broken(folder)), "--format", "junit", capsys=capsys)[1])
    assert (top.get("tests"), top.get("failures")) == ("1", "1")


def test_what_xml_cannot_hold_is_replaced_and_nothing_checked_is_a_failure() -> None:
    case = Case("a\x00<&", 'b"\ud800', "first\nsecond ]]>\x1b[31m")
    (element,) = junit(report_junit.render(Told("test", "Done.", cases=(case,)))).iter("testcase")
    assert (element.get("classname"), element.get("name")) == ("a\ufffd<&", 'b"\ufffd')
    failure = element.find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("first", "first\nsecond ]]>\ufffd[31m")
    top = junit(report_junit.render(Told("test", "Failed: there are no policy tests.")))
    assert top.get("failures") == "1"


def test_problems_of_one_file_are_one_case() -> None:
    problems = [Problem("E1", "b.yaml", 1, 1, "x", "y"), Problem("E2", "b.yaml", 2, 1, "x", "y")]
    assert cases_of_files("validate", "p", ["a.yaml"], problems) == (
        Case("policy validate", "p/a.yaml"),
        Case("policy validate", "p/b.yaml", "b.yaml:1:1: E1 x (y)\nb.yaml:2:1: E2 x (y)"),
    )
    assert remark_of("p", problems[0]).file == path_of("p", "b.yaml") == "p/b.yaml"


@pytest.mark.parametrize(
    ("pattern", "amount"),
    [("payments", 11), ("*person*", 1), ("payments/*CIDR*", 1), ("no MFA evidence is a refusal", 1), ("Payments", 0)],
)
def test_run_chooses_by_test_by_case_or_by_both(pattern: str, amount: int, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code, text = run("test", str(BASE), "--run", pattern, "--format", "json", capsys=capsys)
    answer = json.loads(text)
    assert (answer["totals"]["run"], answer["totals"]["gaps"], answer["coverage"]) == (amount, 0, None)
    assert exit_code == (0 if amount else 4)
    exit_code, text = run("test", str(BASE), "--run", pattern, capsys=capsys)
    assert text == (
        f"{amount} passed, 0 failed, 0 not shown.\n" if amount else "Failed: no policy test fits Payments.\n"
    )


@pytest.mark.parametrize(("wanted", "exit_code"), [("0", 0), ("88", 0), ("89", 4), ("100", 4)])
def test_coverage_is_asked_for_in_whole_percent(
    wanted: str, exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run("test", str(BASE), "--min-coverage", wanted, capsys=capsys)
    assert code == exit_code
    verdict = "not enough" if exit_code else "enough"
    assert text.endswith(f"Coverage is 88 % (8 of 9): {verdict}, {wanted} % is asked for.\n")
    code, text = run("test", str(BASE), "--min-coverage", wanted, "--format", "json", capsys=capsys)
    answer = json.loads(text)
    assert answer["coverage"] == {"shown": 8, "total": 9, "percent": 88, "wanted": int(wanted)}
    assert answer["ok"] is not bool(exit_code)


def test_a_set_without_rules_is_shown_as_a_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "set.yaml").write_text(
        "apiVersion: keymgr/v1\nkind: PolicySet\nmetadata: {name: a, owner: b}\n"
        "spec: {environments: [{name: dev, tier: nonprod}]}\n---\n"
        "apiVersion: keymgr/v1\nkind: Team\nmetadata: {name: b, owner: b}\nspec: {}\n"
    )
    code, text = run("test", str(tmp_path), "--min-coverage", "100", "--format", "json", capsys=capsys)
    assert (code, json.loads(text)["coverage"]["percent"]) == (4, 100)


def test_what_is_not_shown_is_an_error_at_its_place_only_when_too_much_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(github(run("test", str(BASE), "--format", "github", capsys=capsys)[1])) == 1
    text = run("test", str(BASE), "--format", "github", "--min-coverage", "100", capsys=capsys)[1]
    error, notice = github(text)
    assert error[1:] == (
        f"{BASE}/rules/payments.yaml",
        "2",
        "1",
        "Not tested",
        "IssuanceRule/payments-nonprod never refused",
    )
    assert notice[0] == "notice"


@pytest.mark.parametrize("value", ["101", "-1", "many"])
def test_wrong_usage_of_coverage_is_64(value: str) -> None:
    assert commands.run(["policy", "test", str(BASE), "--min-coverage", value]) == 64


def test_coverage_needs_all_tests(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "test", str(BASE), "--min-coverage", "5", "--run", "a"]) == 64
    assert "--min-coverage needs all tests" in capsys.readouterr().err


def on_a_terminal(*arguments: str, **environ: str) -> str:
    """Return what a command prints when somebody looks."""
    ours, theirs = pty.openpty()
    bare: Mapping[str, str] = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm", **environ}
    command = [sys.executable, "-m", "keymgr.cli", "policy", *arguments]
    with subprocess.Popen(command, stdout=theirs, env=bare, cwd=ROOT) as process:
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 4096):
                text += part
        except OSError:  # Linux ends a terminal without a writer this way.
            pass
        process.wait(timeout=60)
    os.close(ours)
    return text.decode()


def test_colour_is_for_terminals_without_no_color_and_never_the_only_signal() -> None:
    arguments = ("lint", "tests/policy/example/base", "--error", "W404")
    painted = on_a_terminal(*arguments)
    assert "\x1b[31m\x1b[1merror W404\x1b[0m" in painted
    assert "\x1b[33m\x1b[1mwarning W401\x1b[0m" in painted
    for plain in (on_a_terminal(*arguments, NO_COLOR="1"), on_a_terminal(*arguments, TERM="dumb")):
        assert "\x1b" not in plain
        assert plain == re.sub(r"\x1b\[\d+m", "", painted)
    assert "\x1b" not in on_a_terminal("lint", "tests/policy/example/base", "--format", "json")


@pytest.mark.parametrize("command", ["lint", "fmt", "schema", "test", "validate"])
def test_no_command_for_authors_loads_the_server(command: str) -> None:
    heavy = {"flask", "sqlalchemy", "alembic", "gunicorn", "werkzeug", "limits", "argon2"}
    program = (
        "import sys\nfrom keymgr.cli.commands import run\n"
        f"assert run({['policy', command, 'role' if command == 'schema' else 'tests/policy/example/base']!r}) == 0\n"
        f"print([name for name in sys.modules if name.split('.')[0] in {heavy!r}], file=sys.stderr)\n"
    )
    if command == "fmt":
        program = program.replace("'tests/policy/example/base'", "'policies', '--check'")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == "[]\n"
