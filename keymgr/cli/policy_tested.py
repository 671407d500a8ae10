"""What a run of the policy tests comes to: which of them count, how much they show, and whether that is enough."""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import click

from keymgr.cli.policy_report import TESTS_FAILED, report_as_json, say_json, say_report
from keymgr.cli.report_remarks import Case, Level, Remark, Told, path_of, say_in
from keymgr.policy.model import Policy, Source
from keymgr.policy.testing import TestReport, TestResult


@dataclass(frozen=True, slots=True)
class Tested:
    """A report beside what was asked of it. `wanted` is the least coverage in percent, None where none is asked."""

    report: TestReport
    total: int
    pattern: str | None = None
    wanted: int | None = None

    @property
    def shown(self) -> int:
        """How much of what rules and guardrails can do is shown by a test."""
        return self.total - len(self.report.gaps)

    @property
    def percent(self) -> int:
        """The share of it, rounded down, so that 100 means all."""
        return 100 * self.shown // self.total if self.total else 100

    @property
    def is_enough(self) -> bool:
        """Whether the coverage that was asked for is reached."""
        return self.wanted is None or self.percent >= self.wanted

    @property
    def exit_code(self) -> int:
        """The exit code of the run."""
        return 0 if self.report.passed and self.is_enough else TESTS_FAILED


def tested(report: TestReport, policy: Policy, *, pattern: str | None, wanted: int | None) -> Tested:
    """Return what the run comes to; with a pattern only the results that fit it, and then nothing about coverage."""
    total = 2 * len(policy.rules) + len(policy.guardrails)
    if pattern is None:
        return Tested(report, total, wanted=wanted)
    chosen = tuple(each for each in report.results if _fits(each, pattern))
    return Tested(replace(report, results=chosen, gaps=()), total, pattern=pattern)


def _fits(result: TestResult, pattern: str) -> bool:
    """Tell whether a pattern such as `payments`, `*refund*` or `payments/*person*` means this result."""
    names = (result.test, result.name, f"{result.test}/{result.name}")
    return any(fnmatchcase(name, pattern) for name in names)


def say_tested(folder: str, form: str, run: Tested) -> int:
    """Print the run in the chosen format and return its exit code."""
    if form == "json":
        coverage = None if run.pattern else _coverage(run)
        return say_json(
            "test",
            exit_code=run.exit_code,
            problems=[],
            **report_as_json(run.report),
            run=run.pattern,
            coverage=coverage,
        )
    if form == "human":
        _say(folder, run)
    else:
        say_in(form, _told(folder, run))
    return run.exit_code


def _say(folder: str, run: Tested) -> None:
    if run.pattern is not None and not run.report.results:
        click.echo(_outcome(run))
        return
    say_report(folder, run.report)
    if run.wanted is not None:
        click.echo(_coverage_sentence(run))


def _coverage(run: Tested) -> dict[str, Any]:
    return {"shown": run.shown, "total": run.total, "percent": run.percent, "wanted": run.wanted}


def _outcome(run: Tested) -> str:
    if not run.report.results:
        none = "there are no policy tests; write a document of kind PolicyTest"
        return f"Failed: {none if run.pattern is None else f'no policy test fits {run.pattern}'}."
    failed = len(run.report.failures)
    total = f"{len(run.report.results) - failed} passed, {failed} failed, {len(run.report.gaps)} not shown."
    return total if run.wanted is None else f"{total} {_coverage_sentence(run)}"


def _coverage_sentence(run: Tested) -> str:
    verdict = "enough" if run.is_enough else "not enough"
    return f"Coverage is {run.percent} % ({run.shown} of {run.total}): {verdict}, {run.wanted} % is asked for."


def _told(folder: str, run: Tested) -> Told:
    failures = [_remark(folder, each.source, "Policy test failed", _failure(each)) for each in run.report.failures]
    missing = [] if run.is_enough else [_remark(folder, gap.source, "Not tested", str(gap)) for gap in run.report.gaps]
    cases = [
        Case(each.test, each.name, "" if each.passed else f"{path_of(folder, str(each.source))}: {each.message}")
        for each in run.report.results
    ]
    if run.wanted is not None:
        gaps = "\n".join(map(str, run.report.gaps))
        cases.append(Case("coverage", f"at least {run.wanted} %", "" if run.is_enough else f"{_outcome(run)}\n{gaps}"))
    remarks = (*failures, *missing) or (() if run.exit_code == 0 else (_nothing(folder, run),))
    return Told("test", _outcome(run), remarks, tuple(cases) if run.report.results else ())


def _failure(result: TestResult) -> str:
    return f"{result.test}: {result.name}: {result.message}"


def _nothing(folder: str, run: Tested) -> Remark:
    return _remark(folder, Source(".", 1, 1), "Nothing tested", _outcome(run))


def _remark(folder: str, source: Source, title: str, message: str) -> Remark:
    file = path_of(folder, source.file)
    return Remark(Level.ERROR, "", title, file, source.line, source.column, message)
