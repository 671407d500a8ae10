"""How policy commands answer: words for people, or JSON with a version for programs; nothing else goes to stdout."""

import json
from collections.abc import Iterable
from typing import Any

import click

from keymgr.cli.report_remarks import paint, path_of
from keymgr.policy.problems import Problem
from keymgr.policy.testing import TestReport
from keymgr.policy.wording import count

FORMAT_VERSION = "1.0"
INVALID = 3
TESTS_FAILED = 4


def say_json(command: str, *, exit_code: int, **fields: object) -> int:
    """Print one JSON object and return the exit code; programs ignore fields they do not know."""
    click.echo(json.dumps(envelope(command, exit_code=exit_code, **fields), indent=2))
    return exit_code


def envelope(command: str, *, exit_code: int, **fields: object) -> dict[str, Any]:
    """Return what a command tells programs: what every answer has, then its own fields."""
    answer = {"format_version": FORMAT_VERSION, "command": command, "ok": exit_code == 0, "exit_code": exit_code}
    return answer | fields


def problems_as_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return problems as plain data; files are named from the policy folder."""
    return [
        {
            "code": each.code,
            "file": each.file,
            "line": each.line,
            "column": each.column,
            "message": each.message,
            "remedy": each.remedy,
        }
        for each in problems
    ]


def say_problem(folder: str, problem: Problem, *, word: str = "", colour: str = "red") -> None:
    """Print one problem with a path that a terminal makes clickable; `word` goes before its code."""
    place, code = f"{path_of(folder, problem.file)}:{problem.line}:{problem.column}", f"{word} {problem.code}".strip()
    text = f"{problem.message} ({problem.remedy})".replace("\n", "\\n")
    click.echo(f"{place}: {paint(code, colour)} {text}")


def say_problems(folder: str, problems: tuple[Problem, ...]) -> int:
    """Print every problem, and the totals last."""
    for each in problems:
        say_problem(folder, each)
    files = len({each.file for each in problems})
    click.echo(f"Invalid: {count(len(problems), 'problem')} in {count(files, 'file')}. Nothing was loaded.")
    return INVALID


def report_as_json(report: TestReport) -> dict[str, Any]:
    """Return the results of the policy tests and what they do not show, as plain data."""
    return {
        "results": [
            {
                "test": each.test,
                "name": each.name,
                "file": each.source.file,
                "line": each.source.line,
                "column": each.source.column,
                "passed": each.passed,
                "message": each.message,
            }
            for each in report.results
        ],
        "gaps": [
            {
                "kind": each.kind,
                "name": each.name,
                "missing": each.missing,
                "file": each.source.file,
                "line": each.source.line,
                "column": each.source.column,
            }
            for each in report.gaps
        ],
        "totals": {"run": len(report.results), "failed": len(report.failures), "gaps": len(report.gaps)},
    }


def say_report(folder: str, report: TestReport) -> int:
    """Print what failed and what no test shows, and the totals last."""
    for failure in report.failures:
        click.echo(f"{paint('FAILED', 'red')} {path_of(folder, str(failure.source))}: {failure.test}: {failure.name}")
        click.echo(f"       {failure.message}")
    for gap in report.gaps:
        click.echo(f"not shown: {gap}")
    if not report.results:
        click.echo("Failed: there are no policy tests; write a document of kind PolicyTest.")
    else:
        passed = len(report.results) - len(report.failures)
        click.echo(f"{passed} passed, {len(report.failures)} failed, {len(report.gaps)} not shown.")
    return 0 if report.passed else TESTS_FAILED
