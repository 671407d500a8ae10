"""`keymgr policy history`: what was in force when, and who applied it."""

import click

from keymgr.cli.policy import format_option
from keymgr.cli.policy_report import say_json
from keymgr.cli.policy_stored import in_every_format, looking, moment, revision_as_json
from keymgr.cli.table import show_table
from keymgr.config import load
from keymgr.reconcile.history import Revision
from keymgr.reconcile.history import history as read_history

_COLUMNS = ("REVISION", "APPLIED", "BY", "COMMIT", "DIGEST", "WHAT")
_SHORT = 12


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many to list.")
@click.option("--before", type=click.IntRange(1), metavar="REV", help="Go on with those before this revision.")
@format_option
@in_every_format("history")
def history(*, limit: int, before: int | None, form: str) -> int:
    """List the revisions that were in force, the newest first."""
    with looking(load()) as session:
        found = read_history(session, most=limit, before=before)
    if form == "json":
        return say_json("history", exit_code=0, problems=[], revisions=[revision_as_json(each) for each in found])
    if not found:
        click.echo("Nothing has been applied yet.")
        return 0
    show_table(_COLUMNS, [_row(each) for each in found])
    return 0


def what_happened(revision: Revision) -> str:
    """Return in a few words what a revision is."""
    if revision.rollback_of is not None:
        return f"rollback of {revision.rollback_of} to {revision.rollback_to}"
    counts = (sum(revision.summary.get(word, {}).values()) for word in ("added", "changed", "removed"))
    return ", ".join(f"{count} {word}" for count, word in zip(counts, ("added", "changed", "removed"), strict=True))


def _row(revision: Revision) -> tuple[object, ...]:
    return (
        f"{revision.number}{' *' if revision.in_force else ''}",
        moment(revision.applied_at),
        revision.applied_by,
        (revision.commit or "")[:_SHORT],
        revision.digest.removeprefix("sha256:")[:_SHORT],
        what_happened(revision),
    )
