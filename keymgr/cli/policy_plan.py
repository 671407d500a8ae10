"""`keymgr policy plan`: what a change of policy does, for the reviewer of a pull request; needs a folder and git."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from keymgr.cli.plan_review import Review
from keymgr.cli.plan_server import Server, plain_folder, read_credential
from keymgr.cli.policy import folder_argument, formats, read_all, refuse
from keymgr.cli.policy_report import INVALID, say_json
from keymgr.policy.compile import check
from keymgr.policy.load import read_documents
from keymgr.policy.plan import plan as plan_between
from keymgr.policy.problems import Problem, Problems
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.policy.testing import run_tests
from keymgr.reconcile.folder import read_folder
from keymgr.reconcile.git import describe
from keymgr.reconcile.git_files import files_at

CHANGES = 2
GUARD_TRIPPED = 5


@click.command()
@folder_argument
@click.option("--base", metavar="DIR|REF", help="What to compare with: a folder, or a commit, branch or tag of git.")
@click.option("--server", metavar="URL", help="Ask this keymgr: compare with what is in force there, live keys too.")
@click.option(
    "--credential-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The plan credential (kmp_…) for --server.",
)
@click.option("--show-owners", is_flag=True, help="Ask the server who owns the keys, where it allows that.")
@click.option(
    "--days",
    "replay_days",
    type=click.IntRange(0, 90),
    default=90,
    show_default=True,
    help="How many days of past requests the server asks DIR again; 0: none.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@formats("human", "json", "markdown", "github")
def plan(
    *,
    folder: str,
    base: str | None,
    server: str | None,
    credential_file: Path | None,
    show_owners: bool,
    replay_days: int,
    form: str,
    detailed_exitcode: bool,
) -> int:
    """Show what the policy in DIR changes: objects, who gains or loses what, and the guards that stop it.

    Without --base everything in DIR is new. The exit code is 3 when one of the two is not valid and 5 when a guard
    trips; nothing is ever written.
    """
    if server is not None:
        if base is not None or credential_file is None:
            raise click.UsageError(
                "--server needs --credential-file, and compares with what is in force there: no --base."
            )
        at = Server(server, read_credential(credential_file))
        more = {"replay_days": replay_days, "show_owners": show_owners}
        return _ask(at, folder, form, more, detailed=detailed_exitcode)
    if credential_file is not None or show_owners:
        raise click.UsageError("--credential-file and --show-owners are for --server.")
    now = datetime.now(UTC)
    head, before = read_all(folder, now=now), _read_base(folder, base) if base is not None else None
    if isinstance(before, tuple):
        click.echo(f"keymgr: the base {base} is not a policy; these are its problems.", err=True)
        return _refuse("", base if base is not None and Path(base).is_dir() else "", form, before)
    if not isinstance(head, ReadPolicy):
        return _refuse(before.policy.name if before else "", folder, form, head)
    made = plan_between(before, head, now=int(now.timestamp()))
    review = Review(made, head, run_tests(head.documents, head.policy), folder, base)
    return _say(review, form, _exit_code(review, detailed=detailed_exitcode))


def _ask(server: Server, folder: str, form: str, more: Mapping[str, Any], *, detailed: bool) -> int:
    """Let the server make the plan; what is not even valid here is not sent."""
    files = read_folder(folder)
    if isinstance(files, tuple):
        return _refuse("", folder, form, files)
    found = read_policy(files, now=datetime.now(UTC))
    if isinstance(found, tuple):
        return _refuse("", folder, form, found)
    commit = describe(folder)
    question = {
        "files": {path: text.decode() for path, text in files.items()},
        "commit": None if commit is None else commit.sha,
        "folder": plain_folder(folder),
        "format": form,
        **more,
    }
    answer = server.ask(question)
    if answer.get("owners") == "not allowed":
        click.echo("keymgr: this server tells no job who owns a key; see KEYMGR_POLICY_PLAN_OWNERS there.", err=True)
    click.echo(json.dumps(answer, indent=2) if form == "json" else answer.get("report") or _problem_lines(answer))
    exit_code = int(answer.get("exit_code", 1))
    return CHANGES if exit_code == 0 and detailed and answer.get("result") == "changes" else exit_code


def _problem_lines(answer: Mapping[str, Any]) -> str:
    """Write the problems of a policy that is valid here and not for the version of the server."""
    found = (Problem(**each) for each in answer.get("problems", []))
    return "\n".join([*map(str, found), "The server does not find this policy valid; it may be of another version."])


def _exit_code(review: Review, *, detailed: bool) -> int:
    if review.plan.is_blocked:
        return GUARD_TRIPPED
    return CHANGES if detailed and not review.plan.is_empty else 0


def _read_base(folder: str, base: str) -> ReadPolicy | Problems:
    """Return the policy that was there before; time does not undo what was valid once."""
    files = read_folder(base) if Path(base).is_dir() else files_at(folder, base)
    if isinstance(files, tuple):
        return files
    readable = read_documents(files)
    policy, unfit = check(readable.documents, whole=readable.whole, now=None)
    problems = tuple(sorted({*readable.problems, *unfit}))
    return problems or ReadPolicy(readable.documents, policy)


def _refuse(name: str, folder: str, form: str, problems: Problems) -> int:
    """Say the problems; `name` of the policy set goes into the marker by which a comment is found again."""
    if form != "markdown":
        return refuse("plan", folder, form, problems)
    click.echo(import_module("keymgr.cli.plan_markdown").render_problems(name, folder, problems))
    return INVALID


def _say(review: Review, form: str, exit_code: int) -> int:
    """Print the plan by the module of its format, loaded only when it is asked for."""
    if form == "json":
        data = import_module("keymgr.cli.plan_json").review_as_json(review)
        return say_json("plan", exit_code=exit_code, problems=[], **data)
    click.echo(import_module(f"keymgr.cli.plan_{form}").render(review))
    return exit_code
