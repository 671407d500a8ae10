"""The note about every apply: begun before it and finished after it, each in a transaction of its own."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from keymgr.cli.database import Unavailable, transaction
from keymgr.cli.policy_applied import Ending
from keymgr.config import Settings
from keymgr.reconcile.attempts import finish_attempt, start_attempt

_NOTE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Note:
    """An apply that has begun; `number` is None while nothing could be written."""

    commit: str | None
    started_at: datetime
    number: int | None
    patience: float


def start(settings: Settings, commit: str | None, *, patience: float) -> Note:
    """Write down that an apply begins, so that one that is killed is told as well."""
    note = Note(commit, datetime.now(UTC), None, min(patience, _NOTE_SECONDS))
    with suppress(Unavailable), transaction(settings) as session:
        session.connection(execution_options={"wait_seconds": note.patience})
        number = start_attempt(session, commit=commit, now=note.started_at)
        note = Note(commit, note.started_at, number, note.patience)
    return note


def finish(settings: Settings, note: Note, ending: Ending, *, digest: str | None) -> None:
    """Write down how it ended; a note that cannot be written changes nothing about the outcome.

    Whoever holds the lock may hold it for long, and a note is no reason to wait as long.
    """
    with suppress(Unavailable), transaction(settings) as session:
        session.connection(execution_options={"wait_seconds": note.patience})
        number = note.number or start_attempt(session, commit=note.commit, now=note.started_at)
        finish_attempt(
            session,
            number,
            result_code=ending.exit_code,
            digest=digest,
            message=ending.message,
            now=datetime.now(UTC),
        )
