"""Every run of apply, also the ones that changed nothing: what was last tried, and how it ended.

An attempt is written in transactions of its own, so that it is told even when the apply is undone or killed.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.store.policies import PolicyAttempt

_MESSAGE_LENGTH = 10_000


def start_attempt(session: Session, *, commit: str | None, now: datetime) -> int:
    """Write down that an apply begins and return the attempt's number; commit before the apply begins."""
    attempt = PolicyAttempt(started_at=now, commit=None if commit is None else commit[:64])
    session.add(attempt)
    session.flush()
    return attempt.id


def finish_attempt(
    session: Session, attempt_id: int, *, result_code: int, digest: str | None, message: str, now: datetime
) -> None:
    """Write down how the apply ended: the exit code, what was put in force if anything, and words for people."""
    attempt = session.get_one(PolicyAttempt, attempt_id)
    attempt.finished_at = now
    attempt.result_code = result_code
    attempt.digest = digest
    attempt.message = message[:_MESSAGE_LENGTH]
    session.flush()
