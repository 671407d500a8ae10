"""`keymgr policy`: what reviewers and pipelines run on a policy folder, without server, database or settings."""

import importlib
from datetime import UTC, datetime

import click

from keymgr.cli.policy_report import (
    INVALID,
    TESTS_FAILED,
    problems_as_json,
    report_as_json,
    say_json,
    say_problems,
    say_report,
)
from keymgr.policy.problems import Problem
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.policy.testing import run_tests
from keymgr.policy.wording import count
from keymgr.reconcile.folder import read_folder

_ELSEWHERE = {"apply": "Put the policy in DIR in force, in one transaction."}
"""Commands that need the server's packages: each is loaded from its own module, and only when it runs."""


class _PolicyCommands(click.Group):
    """The group's own commands beside those that need more than a folder."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, in the order of the alphabet."""
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command of this module, or load its own."""
        if cmd_name in _ELSEWHERE:
            command: click.Command = getattr(importlib.import_module(f"keymgr.cli.policy_{cmd_name}"), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - Click's.
        """Write the list of commands without loading those that need more."""
        own = {name: command.get_short_help_str(limit=100) for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted((own | _ELSEWHERE).items()))


folder_argument = click.argument("folder", metavar="DIR")
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["human", "json"]),
    default="human",
    show_default=True,
    help="What stdout carries.",
)


@click.group(cls=_PolicyCommands)
def policy() -> None:
    """Validate, test and apply the rules."""


@policy.command()
@folder_argument
@format_option
def validate(folder: str, form: str) -> int:
    """Check the policy in DIR: files, fields, names, and what fits together.

    The exit code is 3 when something is wrong. All problems of all files are told in one run.
    """
    found = read_all(folder)
    if not isinstance(found, ReadPolicy):
        return refuse("validate", folder, form, found)
    documents, files = len(found.documents), len({each.source.file for each in found.documents})
    if form == "json":
        return say_json(
            "validate", exit_code=0, problems=[], digest=found.policy.digest, documents=documents, files=files
        )
    click.echo(f"Valid: {count(documents, 'document')} in {count(files, 'file')}, {found.policy.digest}.")
    return 0


@policy.command()
@folder_argument
@format_option
def test(folder: str, form: str) -> int:
    """Run the policy tests in DIR.

    The exit code is 4 when one fails or there is none, and 3 when the policy itself is not valid.
    """
    found = read_all(folder)
    if not isinstance(found, ReadPolicy):
        return refuse("test", folder, form, found)
    report = run_tests(found.documents, found.policy)
    if form == "json":
        exit_code = 0 if report.passed else TESTS_FAILED
        return say_json("test", exit_code=exit_code, problems=[], **report_as_json(report))
    return say_report(folder, report)


def read_all(folder: str) -> ReadPolicy | tuple[Problem, ...]:
    """Return the policy of a folder, or every problem of the folder and of the files in it."""
    files = read_folder(folder)
    return files if isinstance(files, tuple) else read_policy(files, now=datetime.now(UTC))


def refuse(command: str, folder: str, form: str, problems: tuple[Problem, ...]) -> int:
    """Say every problem in the chosen format and return the exit code."""
    if form == "json":
        return say_json(command, exit_code=INVALID, problems=problems_as_json(problems))
    return say_problems(folder, problems)
