"""What the policy commands that need the database share: looking without writing, and failures in every format."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Any

import click
from sqlalchemy.orm import Session

from keymgr.cli.database import transaction
from keymgr.cli.plan_review import SIGNS, clean, field_words, short_path
from keymgr.cli.policy_report import say_json
from keymgr.config import BadSettings, Settings
from keymgr.policy.guards import GuardReport, Trip, ack_document
from keymgr.policy.plan_objects import ObjectChange
from keymgr.reconcile.apply import WAIT_SECONDS
from keymgr.reconcile.history import Revision

CHANGES = 2
BLOCKED = 5
STALE = 7
DEGRADED = 8
USAGE = 64

wait_option = click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0, max=3600),
    default=WAIT_SECONDS,
    show_default=True,
    help="How many seconds to wait while another apply runs.",
)
detailed_option = click.option("--detailed-exitcode", "detailed", is_flag=True, help="Exit with 2 where states differ.")


@contextmanager
def looking(settings: Settings) -> Iterator[Session]:
    """Open a transaction that cannot write and waits for no writer."""
    with transaction(settings) as session:
        session.connection(execution_options={"read_only": True})
        yield session


def in_every_format(name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return what lets a command with `--format json` answer in JSON also where it cannot begin its work."""

    def around(command: Callable[..., int]) -> Callable[..., int]:
        @wraps(command)
        def run(**given: Any) -> int:  # noqa: ANN401 - whatever the command takes.
            try:
                return command(**given)
            except (click.ClickException, BadSettings) as error:
                if given["form"] != "json":
                    raise
                return say_json(name, exit_code=_exit_code(error), message=_message(error), problems=[])

        return run

    return around


def moment(at: datetime | None) -> str | None:
    """Write a moment in UTC, as JSON and people both read it."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def revision_as_json(revision: Revision) -> dict[str, Any]:
    """Return a revision as plain data."""
    return {
        "revision": revision.number,
        "policy_set": revision.name,
        "digest": revision.digest,
        "commit": revision.commit,
        "ref": revision.ref,
        "author": revision.author,
        "signer": revision.signer,
        "applied_at": moment(revision.applied_at),
        "applied_by": revision.applied_by,
        "app_version": revision.app_version,
        "summary": revision.summary,
        "rollback_of": revision.rollback_of,
        "rollback_to": revision.rollback_to,
        "in_force": revision.in_force,
    }


def changes_as_json(changes: tuple[ObjectChange, ...] | None) -> list[dict[str, Any]] | None:
    """Return what changed object by object as plain data; None where it cannot be told."""
    return None if changes is None else [_change_as_json(change) for change in changes]


def say_changes(changes: tuple[ObjectChange, ...]) -> None:
    """Print each object that changed, and its fields below it."""
    for change in changes:
        former = f" (was {clean(change.previous_name)})" if change.previous_name else ""
        click.echo(f"  {SIGNS[change.action]} {clean(change)} {change.action}{former}   {clean(change.source)}")
        for each in change.changes:
            click.echo(f"      {clean(short_path(each))}   {clean(field_words(each))}")


def trips_as_json(report: GuardReport, base_digest: str) -> list[dict[str, Any]]:
    """Return the guards that stand in the way, each with the acknowledgement that would let the change pass."""
    return [
        {
            "kind": "guard",
            "code": trip.guard.value,
            "value": trip.value,
            "limit": trip.limit,
            "items": list(trip.items),
            "ack": dict(ack_document(trip, base_digest)),
        }
        for trip in report.blocking
    ]


def trip_lines(report: GuardReport, base_digest: str) -> Iterator[str]:
    """Yield each guard that stands in the way in words, with what to add to go on."""
    for trip in report.blocking:
        yield f"Guard {trip.guard}: {trip.value}, limit {trip.limit}: {clean(', '.join(trip.items))}"
        yield f"  to go on, add a ChangeAck: {_ack_words(trip, base_digest)}"


def _ack_words(trip: Trip, base_digest: str) -> str:
    return ", ".join(f"{field} {value}" for field, value in ack_document(trip, base_digest).items())


def _change_as_json(change: ObjectChange) -> dict[str, Any]:
    return {
        "action": change.action.value,
        "kind": change.kind,
        "name": change.name,
        "previous_name": change.previous_name,
        "source": {"file": change.source.file, "line": change.source.line},
        "changes": [{"path": each.path, "before": each.before, "after": each.after} for each in change.changes],
    }


def _exit_code(error: click.ClickException | BadSettings) -> int:
    if isinstance(error, click.UsageError):
        return USAGE
    return error.exit_code if isinstance(error, click.ClickException) else 1


def _message(error: click.ClickException | BadSettings) -> str:
    return error.format_message() if isinstance(error, click.ClickException) else " ".join(error.problems)
