"""`keymgr policy lint`: what is valid and still not what was meant."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from keymgr.cli.policy import folder_argument, formats, read_all, refuse
from keymgr.cli.policy_report import INVALID, problems_as_json, say_json, say_problem
from keymgr.cli.report_remarks import Level, Told, remark_of, say_in
from keymgr.policy.lint import LintReport
from keymgr.policy.lint import lint as find
from keymgr.policy.lint_codes import WARNINGS
from keymgr.policy.problems import Problem, nearest
from keymgr.policy.read import ReadPolicy
from keymgr.policy.wording import count


def _codes(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return codes of warnings in capitals; errors are nobody's to choose."""
    for value in values:
        if value.upper().startswith("E"):
            raise click.BadParameter(f"{value} is an error, not a warning; errors always count.")
        if value.upper() not in WARNINGS:
            raise click.BadParameter(f"there is no warning {value}; {nearest(value.upper(), WARNINGS)}")
    return tuple(value.upper() for value in values)


@click.command()
@folder_argument
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "never"]),
    default="never",
    show_default=True,
    help="What makes the exit code 3, beside --error.",
)
@click.option(
    "--error", "errors", metavar="CODE", multiple=True, callback=_codes, help="Let this warning fail; may be repeated."
)
@click.option(
    "--ignore",
    "ignored",
    metavar="CODE",
    multiple=True,
    callback=_codes,
    help="Leave this warning out; may be repeated.",
)
@click.option("--now", type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]), help="Judge by this moment instead of the clock.")
@formats("human", "json", "github", "sarif")
def lint(
    *, folder: str, fail_on: str, errors: tuple[str, ...], ignored: tuple[str, ...], now: datetime | None, form: str
) -> int:
    """Point out what is valid in DIR and still not what was meant.

    An object accepts a warning by an annotation with the reason, such as lint-w401. The exit code is 0 unless
    --fail-on or --error says otherwise, and 3 when the policy itself is not valid.
    """
    both = sorted({*errors} & {*ignored})
    if both:
        raise click.UsageError(f"{', '.join(both)} cannot be both an --error and left out by --ignore.")
    moment = now.replace(tzinfo=UTC) if now else datetime.now(UTC)
    found = read_all(folder, now=moment)
    if not isinstance(found, ReadPolicy):
        return refuse("lint", folder, form, found)
    report = find(found.documents, found.policy, now=moment)
    warnings = tuple(each for each in report.warnings if each.code not in ignored)
    failing = {each.code for each in warnings if fail_on == "warning" or each.code in errors}
    _say(folder, form, report, warnings, failing)
    return INVALID if failing else 0


def _say(folder: str, form: str, report: LintReport, warnings: tuple[Problem, ...], failing: set[str]) -> None:
    levels = {each.code: Level.ERROR if each.code in failing else Level.WARNING for each in warnings}
    outcome = _outcome(warnings, len(report.accepted))
    if form == "json":
        _say_json(report, warnings, levels)
    elif form == "human":
        for each in warnings:
            level = levels[each.code]
            say_problem(folder, each, word=level.value, colour="red" if level is Level.ERROR else "yellow")
        click.echo(outcome)
    else:
        remarks = (remark_of(folder, each, level=levels[each.code], title=WARNINGS[each.code]) for each in warnings)
        say_in(form, Told("lint", outcome, tuple(remarks)))


def _say_json(report: LintReport, warnings: Sequence[Problem], levels: dict[str, Level]) -> None:
    told = [
        {**plain, "level": levels[each.code].value}
        for each, plain in zip(warnings, problems_as_json(warnings), strict=True)
    ]
    accepted = [
        {**plain, "reason": each.reason}
        for each, plain in zip(report.accepted, problems_as_json(each.problem for each in report.accepted), strict=True)
    ]
    exit_code = INVALID if Level.ERROR in levels.values() else 0
    say_json("lint", exit_code=exit_code, problems=[], warnings=told, accepted=accepted)


def _outcome(warnings: Sequence[Problem], accepted: int) -> str:
    amount = count(len(warnings), "warning") if warnings else "No warnings"
    return f"{amount}, {accepted} accepted." if accepted else f"{amount}."
