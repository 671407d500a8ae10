"""`keymgr policy status`: where policy stands, sync and health apart."""

from datetime import UTC, datetime
from typing import Any

import click

from keymgr.cli.plan_review import clean
from keymgr.cli.policy import format_option
from keymgr.cli.policy_report import INVALID, problems_as_json, say_json, say_problems
from keymgr.cli.policy_stored import (
    CHANGES,
    DEGRADED,
    detailed_option,
    in_every_format,
    looking,
    moment,
    revision_as_json,
)
from keymgr.cli.policy_sync import Sync, policy_of, say_sync, sync_as_json, sync_of
from keymgr.config import load
from keymgr.policy.read import ReadPolicy
from keymgr.reconcile.origin import NoOrigin, Origin, find_origin
from keymgr.reconcile.revisions import head_of
from keymgr.reconcile.status import Attempt, Health, Status, read_status

_MESSAGE_LENGTH = 300


@click.command()
@click.argument("folder", metavar="[DIR]", required=False)
@detailed_option
@format_option
@in_every_format("status")
def status(*, folder: str | None, detailed: bool, form: str) -> int:
    """Say what is in force and what was last tried, with DIR whether that is what DIR says, and what is still to do.

    The exit code is 3 when DIR is not valid. With --detailed-exitcode it is 2 when the two differ or there is drift,
    else 8 when effects of the policy on keys are failing.
    """
    origin = None if folder is None else find_origin(folder, revision=None, allow_dirty=True)
    found = policy_of(origin) if isinstance(origin, Origin) else None
    problems = found if isinstance(found, tuple) else ()
    with looking(load()) as session:
        now = read_status(session, datetime.now(UTC))
        sync = sync_of(head_of(session), found) if isinstance(found, ReadPolicy) else None
    exit_code = INVALID if problems else _exit_code(now, sync) if detailed else 0
    if form == "json":
        fields = _as_json(now, sync, origin)
        return say_json("status", exit_code=exit_code, problems=problems_as_json(problems), **fields)
    _say(now, sync, origin)
    return say_problems(folder or "", problems) if problems else exit_code


def _exit_code(now: Status, sync: Sync | None) -> int:
    if now.drift is not None or (sync is not None and not sync.is_same):
        return CHANGES
    return DEGRADED if now.health is Health.DEGRADED else 0


def _as_json(now: Status, sync: Sync | None, origin: Origin | NoOrigin | None) -> dict[str, Any]:
    return {
        "applied": None if now.applied is None else revision_as_json(now.applied),
        "attempted": None if now.attempted is None else _attempt_as_json(now.attempted),
        "pinned": None if now.pinned_reason is None else {"reason": now.pinned_reason, "kept_out": now.bad_digest},
        "drift": None if now.drift is None else {"kind": now.drift.kind.value, "message": now.drift.sentence},
        "sync": sync_as_json(sync),
        "folder_commit": origin.label if isinstance(origin, Origin) else None,
        "health": now.health.value,
        "effects": {
            "waiting": now.effects.waiting,
            "failing": now.effects.failing,
            "scheduled": now.effects.scheduled,
        },
    }


def _attempt_as_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "started_at": moment(attempt.started_at),
        "finished_at": moment(attempt.finished_at),
        "commit": attempt.commit,
        "digest": attempt.digest,
        "exit_code": attempt.result_code,
        "message": attempt.message,
    }


def _say(now: Status, sync: Sync | None, origin: Origin | NoOrigin | None) -> None:
    _say_applied(now)
    if now.attempted is not None:
        click.echo(f"Last tried: {_attempted(now.attempted)}")
    if isinstance(origin, Origin) and origin.label is not None:
        click.echo(f"The folder is at commit {clean(origin.label)}.")
    if sync is not None:
        say_sync(sync)
    if now.drift is not None:
        click.echo(f"Drift: {now.drift.sentence} Mend it with `keymgr policy drift --fix`.")
    effects = now.effects
    click.echo(
        f"Health: {now.health}. Effects on keys: {effects.failing} failing, {effects.waiting} waiting, "
        f"{effects.scheduled} due later."
    )


def _say_applied(now: Status) -> None:
    applied = now.applied
    if applied is None:
        click.echo("Nothing is in force, so nothing is issued. Run: keymgr policy apply DIR")
        return
    at = "" if applied.commit is None else f", commit {clean(applied.commit)}"
    click.echo(f"In force: revision {applied.number}, {applied.digest}{at}.")
    click.echo(f"Applied: {moment(applied.applied_at)} by {clean(applied.applied_by)}.")
    if now.pinned_reason is not None:
        click.echo(f"Pinned after a rollback: {clean(now.pinned_reason)}. Kept out: {now.bad_digest}.")


def _attempted(attempt: Attempt) -> str:
    commit = "" if attempt.commit is None else f", commit {clean(attempt.commit)}"
    if attempt.finished_at is None:
        return f"{moment(attempt.started_at)}{commit}: under way, or killed before it ended."
    said = clean(attempt.message)[:_MESSAGE_LENGTH]
    return f"{moment(attempt.finished_at)}{commit}: exit code {attempt.result_code}. {said}"
