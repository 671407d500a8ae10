"""`keymgr policy rollback`: an earlier revision in force again, pinned until what was wrong is mended."""

from datetime import UTC, datetime
from pathlib import Path

import click

from keymgr.cli.database import transaction
from keymgr.cli.operator import operator
from keymgr.cli.policy import format_option
from keymgr.cli.policy_report import INVALID, problems_as_json, say_json
from keymgr.cli.policy_stored import BLOCKED, USAGE, in_every_format, trip_lines, trips_as_json, wait_option
from keymgr.config import load
from keymgr.policy.documents import Document
from keymgr.policy.load import Loaded
from keymgr.policy.load import load as load_files
from keymgr.reconcile.apply import Blocked
from keymgr.reconcile.rollback import NoSuchRevision, RollbackOutcome, RolledBack, Unreadable, roll_back


def _reason(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("say in a few words why.")
    return value.strip()


@click.command()
@click.option("--to", type=click.IntRange(1), metavar="REV", required=True, help="The revision to bring back.")
@click.option("--reason", metavar="WORDS", required=True, callback=_reason, help="Why; everybody sees it.")
@click.option(
    "--ack",
    "ack_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with ChangeAck documents for guards that stand in the way.",
)
@wait_option
@format_option
@in_every_format("rollback")
def rollback(*, to: int, reason: str, ack_file: Path | None, wait_seconds: float, form: str) -> int:
    """Bring revision REV back into force, as a new revision, and keep what it undoes out until `unpin`.

    Guards count as for any change. The exit code is 3 when the revision cannot be read any more, 5 when a guard stands
    in the way, 6 when another apply is running.
    """
    acks = () if ack_file is None else _acks(ack_file)
    with transaction(load()) as session:
        outcome = roll_back(
            session,
            to=to,
            reason=reason,
            applied_by=operator().id,
            now=datetime.now(UTC),
            acks=acks,
            wait_seconds=wait_seconds,
        )
    return _say(outcome, form)


def _acks(file: Path) -> tuple[Document, ...]:
    """Return the acknowledgements of a file that holds nothing else."""
    loaded = load_files({file.name: file.read_bytes()})
    if not isinstance(loaded, Loaded):
        raise click.BadParameter("\n".join(map(str, loaded)), param_hint="--ack")
    if any(document.kind != "ChangeAck" for document in loaded.documents):
        raise click.BadParameter("only documents of kind ChangeAck belong in it.", param_hint="--ack")
    return loaded.documents


def _say(outcome: RollbackOutcome, form: str) -> int:
    exit_code, message, fields = _told(outcome)
    if form == "json":
        problems = problems_as_json(outcome.problems) if isinstance(outcome, Unreadable) else []
        return say_json("rollback", exit_code=exit_code, problems=problems, message=message, **fields)
    click.echo(message)
    for line in trip_lines(outcome.report, outcome.base_digest) if isinstance(outcome, Blocked) else ():
        click.echo(line)
    return exit_code


def _told(outcome: RollbackOutcome) -> tuple[int, str, dict[str, object]]:
    match outcome:
        case RolledBack():
            fields: dict[str, object] = {
                "revision": outcome.revision,
                "digest": outcome.digest,
                "to": outcome.to,
                "of": outcome.of,
                "changed": outcome.changed,
            }
            return 0, _rolled_back(outcome), fields
        case NoSuchRevision(number):
            return USAGE, f"There is no revision {number}. `keymgr policy history` lists them.", {}
        case Unreadable(number):
            return INVALID, f"Revision {number} cannot be read any more. Nothing was changed.", {}
        case Blocked(report, base):
            return BLOCKED, "Guards stand in the way. Nothing was changed.", {"blocked_by": trips_as_json(report, base)}


def _rolled_back(outcome: RolledBack) -> str:
    if not outcome.changed:
        return f"Nothing changed: the policy of revision {outcome.to} is in force already, as {outcome.revision}."
    return (
        f"Revision {outcome.revision} is in force: revision {outcome.to} again, instead of {outcome.of}, which is "
        "kept out. Keys that only it had flagged or suspended are released; revoked keys stay revoked."
    )
