"""`keymgr policy`: what reviewers and pipelines run on a policy folder, without server, database or settings."""

import importlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from keymgr.cli.policy_report import INVALID, problems_as_json, say_json, say_problems
from keymgr.cli.policy_tested import say_tested, tested
from keymgr.cli.report_remarks import Told, cases_of_files, remark_of, say_in
from keymgr.policy.problems import Problem
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.policy.testing import run_tests
from keymgr.policy.wording import count
from keymgr.reconcile.folder import read_folder

_ELSEWHERE = {
    "apply": "Put the policy in DIR in force, in one transaction.",
    "credential": "Make, list and revoke what pull-request jobs present when they ask a server for a plan.",
    "drift": "Tell whether what is stored still is what was applied, and mend it.",
    "explain": "Say why a wish is allowed or not, or how a live key stands, then and now.",
    "export": "Write what is in force as policy files.",
    "fmt": "Lay the files of DIR out in the one canonical way, comments kept.",
    "history": "List the revisions that were in force.",
    "lint": "Point out what is valid in DIR and still not what was meant.",
    "plan": "Show what DIR changes: objects, who gains or loses what, and the guards that stop it.",
    "rollback": "Bring an earlier revision back into force, and keep out what it undoes.",
    "schema": "Print or export JSON Schemas for editors.",
    "show": "Show one revision and what it changed.",
    "status": "Say where policy stands: what is in force, what was tried, what is still to do.",
    "unpin": "Let what was rolled back be applied again.",
    "who-can": "Say who may hold keys for a service, by which rule and on which terms.",
}
"""Commands with a module of their own, loaded only when they run: some need the server's packages, all take time."""


class _PolicyCommands(click.Group):
    """The group's own commands beside those that need more than a folder."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, in the order of the alphabet."""
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command of this module, or load its own."""
        if cmd_name in _ELSEWHERE:
            name = cmd_name.replace("-", "_")
            command: click.Command = getattr(importlib.import_module(f"keymgr.cli.policy_{name}"), name)
            return command
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - Click's.
        """Write the list of commands without loading those that need more."""
        own = {name: command.get_short_help_str(limit=100) for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted((own | _ELSEWHERE).items()))


folder_argument = click.argument("folder", metavar="DIR")


def formats(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option that chooses what stdout carries; `human` is what it is without it."""
    return click.option(
        "--format", "form", type=click.Choice(names), default="human", show_default=True, help="What stdout carries."
    )


format_option = formats("human", "json")


@click.group(cls=_PolicyCommands)
def policy() -> None:
    """Validate, test and apply the rules."""


@policy.command()
@folder_argument
@formats("human", "json", "github", "sarif", "junit")
def validate(folder: str, form: str) -> int:
    """Check the policy in DIR: files, fields, names, and what fits together.

    The exit code is 3 when something is wrong. All problems of all files are told in one run.
    """
    found = read_all(folder)
    if not isinstance(found, ReadPolicy):
        return refuse("validate", folder, form, found)
    digest, documents, files = found.policy.digest, len(found.documents), {each.source.file for each in found.documents}
    message = f"Valid: {count(documents, 'document')} in {count(len(files), 'file')}, {digest}."
    if form == "json":
        return say_json("validate", exit_code=0, problems=[], digest=digest, documents=documents, files=len(files))
    if form == "human":
        click.echo(message)
    else:
        say_in(form, Told("validate", message, cases=cases_of_files("validate", folder, files)))
    return 0


@policy.command()
@folder_argument
@formats("human", "json", "junit", "github")
@click.option(
    "--run", "pattern", metavar="GLOB", help="Only what fits this: a test, a case, or TEST/CASE, with * and ?."
)
@click.option(
    "--min-coverage",
    "wanted",
    type=click.IntRange(0, 100),
    metavar="PERCENT",
    help="Fail unless the tests show so much of what rules and guardrails can do.",
)
def test(*, folder: str, form: str, pattern: str | None, wanted: int | None) -> int:
    """Run the policy tests in DIR.

    The exit code is 4 when one fails, there is none or the coverage is too low, and 3 when the policy is not valid.
    """
    if pattern is not None and wanted is not None:
        raise click.UsageError("--min-coverage needs all tests; leave --run out.")
    found = read_all(folder)
    if not isinstance(found, ReadPolicy):
        return refuse("test", folder, form, found)
    report = run_tests(found.documents, found.policy)
    return say_tested(folder, form, tested(report, found.policy, pattern=pattern, wanted=wanted))


def read_all(folder: str, *, now: datetime | None = None) -> ReadPolicy | tuple[Problem, ...]:
    """Return the policy of a folder, or every problem of the folder and of the files in it; now is now if left out."""
    files = read_folder(folder)
    return files if isinstance(files, tuple) else read_policy(files, now=now or datetime.now(UTC))


def refuse(command: str, folder: str, form: str, problems: tuple[Problem, ...]) -> int:
    """Say every problem in the chosen format and return the exit code."""
    if form == "json":
        return say_json(command, exit_code=INVALID, problems=problems_as_json(problems))
    if form == "human":
        return say_problems(folder, problems)
    remarks = tuple(remark_of(folder, each) for each in problems)
    outcome = f"Invalid: {count(len(problems), 'problem')}. Nothing was loaded."
    say_in(form, Told(command, outcome, remarks, cases_of_files(command, folder, (), problems)))
    return INVALID
