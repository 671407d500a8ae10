"""`keymgr policy apply`: put a policy folder in force. The one policy command that needs settings and the database."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from keymgr.cli.database import LockTaken, Unavailable, transaction
from keymgr.cli.operator import operator
from keymgr.cli.policy import format_option, refuse
from keymgr.cli.policy_report import INVALID, TESTS_FAILED, report_as_json, say_json, say_report
from keymgr.config import Settings, load
from keymgr.reconcile.apply import WAIT_SECONDS, Applied, ApplyOutcome, Invalid, Stale, TestsFailed, apply_policy
from keymgr.reconcile.folder import read_folder
from keymgr.reconcile.git import Commit, describe
from keymgr.store.policies import PolicyAttempt

STALE = 7
_NOTE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Label:
    """What a revision is called: the commit with where it comes from."""

    revision: str | None
    ref: str | None
    author: str | None


@click.command()
@click.argument("folder", metavar="[DIR]", required=False)
@click.option("--revision", metavar="SHA", help="The commit the folder is at; asked of git when left out.")
@click.option("--expect-base", metavar="DIGEST", help="Refuse when another policy than this is in force.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0, max=3600),
    default=WAIT_SECONDS,
    show_default=True,
    help="How many seconds to wait while another apply runs.",
)
@format_option
def apply(*, folder: str | None, revision: str | None, expect_base: str | None, wait_seconds: float, form: str) -> int:
    """Put the policy in DIR in force, in one transaction; without DIR the folder of KEYMGR_POLICIES.

    Whatever goes wrong, the policy in force stays. The exit code is 3 for an invalid policy, 4 for failing tests, 6
    when another apply is running, and 7 when --expect-base does not hold.
    """
    settings, started_at = load(), datetime.now(UTC)
    folder = str(settings.policies) if folder is None else folder
    label = _label(revision, describe(folder))
    try:
        outcome = _apply(settings, folder, label, expect_base=expect_base, wait_seconds=wait_seconds)
    except Unavailable as error:
        if isinstance(error, LockTaken):
            _record(settings, label, started_at, error.exit_code, error.message)
        if form == "json":
            return say_json("apply", exit_code=error.exit_code, message=error.message, problems=[])
        raise
    exit_code, message = _told(outcome)
    _record(
        settings, label, started_at, exit_code, message, digest=outcome.digest if isinstance(outcome, Applied) else None
    )
    return _say(outcome, folder, form, exit_code, message)


def _label(revision: str | None, commit: Commit | None) -> _Label:
    """Return the label; a folder with changes that no commit holds is labelled so, and told."""
    if commit is None or (revision is not None and not commit.sha.startswith(revision)):
        return _Label(revision, None, None)
    if commit.dirty:
        click.echo(f"keymgr: the folder differs from commit {commit.sha[:12]}; the revision says so.", err=True)
    return _Label(f"{commit.sha}{'-dirty' if commit.dirty else ''}", commit.ref, commit.author)


def _apply(
    settings: Settings, folder: str, label: _Label, *, expect_base: str | None, wait_seconds: float
) -> ApplyOutcome:
    files = read_folder(folder)
    if isinstance(files, tuple):
        return Invalid(files)
    with transaction(settings) as session:
        return apply_policy(
            session,
            files,
            revision=label.revision,
            ref=label.ref,
            author=label.author,
            applied_by=operator().id,
            now=datetime.now(UTC),
            expect_base=expect_base,
            wait_seconds=wait_seconds,
        )


def _record(
    settings: Settings, label: _Label, started_at: datetime, exit_code: int, message: str, *, digest: str | None = None
) -> None:
    """Write the attempt down in a transaction of its own; when even that cannot be, the outcome stands all the same."""
    with suppress(Unavailable), transaction(settings) as session:
        attempt = PolicyAttempt(started_at=started_at, finished_at=datetime.now(UTC), commit=label.revision)
        attempt.digest, attempt.result_code, attempt.message = digest, exit_code, message
        # Whoever holds the lock may hold it for long; a note that cannot be written is no reason to wait as long.
        session.connection(execution_options={"wait_seconds": _NOTE_SECONDS})
        session.add(attempt)


def _told(outcome: ApplyOutcome) -> tuple[int, str]:
    match outcome:
        case Applied(changed=True):
            return 0, f"Revision {outcome.revision} is in force: {outcome.digest}."
        case Applied():
            return 0, f"Nothing changed: revision {outcome.revision} is in force already, {outcome.digest}."
        case Invalid():
            return INVALID, "\n".join(map(str, outcome.problems))
        case TestsFailed():
            return TESTS_FAILED, "\n".join(f"{each.test}: {each.name}" for each in outcome.report.failures)
        case Stale():
            return STALE, f"The policy in force is {outcome.digest or 'none'}, not {outcome.expected}; plan again."


def _say(outcome: ApplyOutcome, folder: str, form: str, exit_code: int, message: str) -> int:
    match outcome:
        case Invalid():
            return refuse("apply", folder, form, outcome.problems)
        case TestsFailed() if form == "json":
            return say_json("apply", exit_code=exit_code, problems=[], **report_as_json(outcome.report))
        case TestsFailed():
            return say_report(folder, outcome.report)
        case Applied() if form == "json":
            fields = {"revision": outcome.revision, "digest": outcome.digest, "changed": outcome.changed}
            return say_json(
                "apply", exit_code=exit_code, problems=[], message=message, summary=outcome.summary, **fields
            )
        case Stale() if form == "json":
            return say_json("apply", exit_code=exit_code, problems=[], message=message, digest=outcome.digest)
        case Applied() | Stale():
            click.echo(message)
            return exit_code
