"""`keymgr policy drift`: whether what is stored is what was applied, and whether that is what a folder says."""

from datetime import UTC, datetime
from typing import Any

import click

from keymgr.cli.database import transaction
from keymgr.cli.operator import operator
from keymgr.cli.policy import format_option, refuse
from keymgr.cli.policy_report import say_json
from keymgr.cli.policy_stored import (
    CHANGES,
    STALE,
    changes_as_json,
    detailed_option,
    in_every_format,
    looking,
    say_changes,
    wait_option,
)
from keymgr.cli.policy_sync import Sync, read_folder_of, say_sync, sync_as_json, sync_of
from keymgr.config import Settings, load
from keymgr.policy.read import ReadPolicy
from keymgr.reconcile.drift import Drift, Fixed, NotFixed, find_drift, fix_drift
from keymgr.reconcile.revisions import head_of


@click.command()
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--fix", is_flag=True, help="Put what was applied in force again.")
@detailed_option
@wait_option
@format_option
@in_every_format("drift")
def drift(*, folder: str | None, fix: bool, detailed: bool, wait_seconds: float, form: str) -> int:
    """Tell whether the stored policy is still what was applied, and with DIR whether that is what DIR says.

    With --detailed-exitcode the exit code is 2 where something differs. --fix takes the applied state from another
    revision that holds it, or from DIR; the exit code is 7 when neither does.
    """
    settings = load()
    found = None if folder is None else read_folder_of(folder)
    if isinstance(found, tuple):
        return refuse("drift", folder or "", form, found)
    if fix:
        return _fix(settings, found, wait_seconds, form)
    with looking(settings) as session:
        drifted, head = find_drift(session, found), head_of(session)
    sync = None if found is None else sync_of(head, found)
    exit_code = CHANGES if detailed and (drifted is not None or (sync is not None and not sync.is_same)) else 0
    if form == "json":
        return say_json("drift", exit_code=exit_code, problems=[], drift=_as_json(drifted), sync=sync_as_json(sync))
    _say(drifted, sync)
    return exit_code


def _fix(settings: Settings, found: ReadPolicy | None, wait_seconds: float, form: str) -> int:
    with transaction(settings) as session:
        outcome = fix_drift(
            session, folder=found, applied_by=operator().id, now=datetime.now(UTC), wait_seconds=wait_seconds
        )
    exit_code, message = _told(outcome)
    if form == "json":
        fields: dict[str, Any] = {"drift": _as_json(outcome.drift if outcome else None)}
        fields["revision"] = outcome.revision if isinstance(outcome, Fixed) else None
        return say_json("drift", exit_code=exit_code, problems=[], message=message, **fields)
    click.echo(message)
    return exit_code


def _told(outcome: Fixed | NotFixed | None) -> tuple[int, str]:
    match outcome:
        case None:
            return 0, "Nothing to fix: what is stored is what was applied."
        case Fixed():
            return 0, f"Fixed: {outcome.drift.sentence} Revision {outcome.revision} puts {outcome.digest} in force."
        case NotFixed():
            at = "" if outcome.commit is None else f" at commit {outcome.commit}"
            sentence = f"{outcome.drift.sentence} No revision holds what was applied; name the folder{at}"
            return STALE, f"{sentence}: keymgr policy drift --fix DIR"


def _as_json(drifted: Drift | None) -> dict[str, Any] | None:
    if drifted is None:
        return None
    return {
        "kind": drifted.kind.value,
        "revision": drifted.revision,
        "expected": drifted.expected,
        "message": drifted.sentence,
        "changes": changes_as_json(drifted.changes),
    }


def _say(drifted: Drift | None, sync: Sync | None) -> None:
    if drifted is None:
        click.echo("No drift: what is stored is what was applied.")
    else:
        click.echo(f"Drift: {drifted.sentence} Mend it with `keymgr policy drift --fix`.")
        say_changes(drifted.changes or ())
    if sync is not None:
        say_sync(sync)
