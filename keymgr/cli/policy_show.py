"""`keymgr policy show`: one revision, and what it changed."""

import click

from keymgr.cli.plan_review import clean
from keymgr.cli.policy import format_option
from keymgr.cli.policy_history import what_happened
from keymgr.cli.policy_report import say_json
from keymgr.cli.policy_stored import (
    changes_as_json,
    in_every_format,
    looking,
    moment,
    revision_as_json,
    say_changes,
)
from keymgr.config import load
from keymgr.reconcile.history import Shown
from keymgr.reconcile.history import show as read_revision


@click.command()
@click.argument("number", metavar="[REV]", type=click.IntRange(1), required=False)
@format_option
@in_every_format("show")
def show(*, number: int | None, form: str) -> int:
    """Show revision REV and what it changed against the one before; without REV the one in force."""
    with looking(load()) as session:
        shown = read_revision(session, number)
    if shown is None:
        missing = "Nothing is in force yet." if number is None else f"There is no revision {number}."
        raise click.UsageError(f"{missing} `keymgr policy history` lists them.")
    if form == "json":
        fields = {"previous": shown.previous, "changes": changes_as_json(shown.changes)}
        return say_json("show", exit_code=0, problems=[], **revision_as_json(shown.revision), **fields)
    _say(shown)
    return 0


def _say(shown: Shown) -> None:
    revision = shown.revision
    lines = {
        "Revision": f"{revision.number}{' (in force)' if revision.in_force else ''}: {what_happened(revision)}",
        "Digest": revision.digest,
        "Commit": revision.commit,
        "Branch": revision.ref,
        "Author": revision.author,
        "Signed by": revision.signer,
        "Applied": f"{moment(revision.applied_at)} by {revision.applied_by}, keymgr {revision.app_version}",
    }
    for name, value in lines.items():
        if value is not None:
            click.echo(f"{name:<11}{clean(value)}")
    before = "nothing" if shown.previous is None else f"revision {shown.previous}"
    if shown.changes is None:
        click.echo(f"This version cannot compare it with {before}.")
        return
    click.echo(f"Against {before}:" if shown.changes else f"Nothing that decides changed against {before}.")
    say_changes(shown.changes)
