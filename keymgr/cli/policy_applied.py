"""How an apply ends: its exit code, the words for it, and both in the chosen format."""

from dataclasses import dataclass
from typing import Any

import click

from keymgr.cli.policy import refuse
from keymgr.cli.policy_report import INVALID, TESTS_FAILED, report_as_json, say_json, say_report
from keymgr.cli.policy_stored import BLOCKED, DEGRADED, STALE, trip_lines, trips_as_json
from keymgr.reconcile.apply import Applied, ApplyOutcome, Blocked, Invalid, Refused, Stale, TestsFailed
from keymgr.reconcile.status import Health


@dataclass(frozen=True, slots=True)
class NotFromHere:
    """What is in the folder may not be applied as it is: no commit holds it, or nobody trusted signed it."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, for the exit code and for the note about it."""

    exit_code: int
    message: str


def ending_of(outcome: ApplyOutcome | NotFromHere, *, health: Health) -> Ending:
    """Return exit code and words; `health` is that of the effects after the apply."""
    match outcome:
        case Applied():
            return Ending(*_in_force(outcome, health))
        case Invalid():
            return Ending(INVALID, "\n".join(map(str, outcome.problems)))
        case TestsFailed():
            failed = (f"{each.test}: {each.name}" for each in outcome.report.failures)
            return Ending(TESTS_FAILED, "\n".join(failed) or "There are no policy tests.")
        case Blocked():
            lines = ("Guards stand in the way. Nothing was changed.", *trip_lines(outcome.report, outcome.base_digest))
            return Ending(BLOCKED, "\n".join(lines))
        case Stale():
            sentence = f"The policy in force is {outcome.digest or 'none'}, not {outcome.expected}; plan again."
            return Ending(STALE, sentence)
        case Refused() | NotFromHere():
            return Ending(STALE, outcome.sentence)


def say_ending(outcome: ApplyOutcome | NotFromHere, ending: Ending, folder: str, form: str) -> int:
    """Print how it ended and return the exit code."""
    match outcome:
        case Invalid():
            return refuse("apply", folder, form, outcome.problems)
        case TestsFailed() if form == "json":
            return say_json("apply", exit_code=ending.exit_code, problems=[], **report_as_json(outcome.report))
        case TestsFailed():
            return say_report(folder, outcome.report)
        case _ if form == "json":
            fields = _fields(outcome)
            return say_json("apply", exit_code=ending.exit_code, problems=[], message=ending.message, **fields)
        case _:
            click.echo(ending.message)
            return ending.exit_code


def _in_force(outcome: Applied, health: Health) -> tuple[int, str]:
    if outcome.changed:
        message = f"Revision {outcome.revision} is in force: {outcome.digest}."
    else:
        message = f"Nothing changed: revision {outcome.revision} is in force already, {outcome.digest}."
    if health is Health.DEGRADED:
        return DEGRADED, f"{message} Effects on keys are failing and are tried again; see `keymgr policy status`."
    return 0, message


def _fields(outcome: ApplyOutcome | NotFromHere) -> dict[str, Any]:
    match outcome:
        case Applied():
            return {
                "revision": outcome.revision,
                "digest": outcome.digest,
                "changed": outcome.changed,
                "summary": outcome.summary,
            }
        case Stale():
            return {"reason": "base_moved", "digest": outcome.digest}
        case Refused():
            return {"reason": outcome.reason.value}
        case NotFromHere():
            return {"reason": "not_from_here"}
        case Blocked():
            return {"blocked_by": trips_as_json(outcome.report, outcome.base_digest)}
        case _:
            return {}
