"""Pull mode: fetches the branch that policy comes from and puts it in force as `keymgr policy apply` does.

Each part is a transaction of its own, opened by the caller's `begin`, which commits it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.reconcile.apply import (
    Applied,
    ApplyOutcome,
    Blocked,
    Expectation,
    Invalid,
    Refused,
    Stale,
    TestsFailed,
    apply_policy,
)
from keymgr.reconcile.attempts import finish_attempt, start_attempt
from keymgr.reconcile.git_fetch import Fetched, NotFetched, Source, fetch
from keymgr.store.lock import LockNotObtained
from keymgr.store.policies import PolicyAttempt

APPLIED_BY = "clock"
_FAILED, _INVALID, _TESTS_FAILED, _BLOCKED, LOCKED, _STALE = 1, 3, 4, 5, 6, 7

Begin = Callable[[], AbstractContextManager[Session]]
Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Pulled:
    """How one run ended: `result_code` is the exit code that `keymgr policy apply` would have had."""

    result_code: int
    message: str
    changed: bool = False


def pull(source: Source, begin: Begin, now: Now) -> Pulled:
    """Fetch and apply once. What is written down is every run but those that find the branch as it was applied."""
    fetched = fetch(source)
    sha = fetched.sha
    with begin() as session:
        if isinstance(fetched, Fetched) and _is_done(session, fetched.sha):
            return Pulled(0, f"The branch {source.branch} is at {fetched.sha[:12]}, as before.")
        number = start_attempt(session, commit=sha, now=now())
    outcome = _apply(source, fetched, begin, now)
    pulled = outcome if isinstance(outcome, Pulled) else told(outcome)
    with begin() as session:
        digest = outcome.digest if isinstance(outcome, Applied) else None
        finish_attempt(
            session, number, result_code=pulled.result_code, digest=digest, message=pulled.message, now=now()
        )
    return pulled


def _is_done(session: Session, sha: str) -> bool:
    """Tell whether the last thing that anybody tried was this commit, and that it went well."""
    newest = select(PolicyAttempt.commit, PolicyAttempt.result_code).order_by(PolicyAttempt.id.desc()).limit(1)
    row = session.execute(newest).one_or_none()
    return row is not None and (row.commit, row.result_code) == (sha, 0)


def _apply(source: Source, fetched: Fetched | NotFetched, begin: Begin, now: Now) -> ApplyOutcome | Pulled:
    if isinstance(fetched, NotFetched):
        return Pulled(_FAILED, fetched.sentence)
    if isinstance(fetched.files, tuple):
        return Invalid(fetched.files)
    try:
        with begin() as session:
            return apply_policy(
                session,
                fetched.files,
                revision=fetched.sha,
                ref=source.branch,
                author=fetched.author,
                signer=fetched.signer,
                applied_by=APPLIED_BY,
                now=now(),
                expect=Expectation(descends=fetched.descends),
            )
    except LockNotObtained as error:
        return Pulled(LOCKED, str(error))


def told(outcome: ApplyOutcome) -> Pulled:
    """Say how an apply ended: its exit code, and words for the note about it."""
    match outcome:
        case Applied():
            how = "is in force" if outcome.changed else "was in force already; nothing changed"
            return Pulled(0, f"Revision {outcome.revision} {how}: {outcome.digest}.", outcome.changed)
        case Invalid():
            return Pulled(_INVALID, "\n".join(map(str, outcome.problems)))
        case TestsFailed():
            failed = (f"{each.test}: {each.name}" for each in outcome.report.failures)
            return Pulled(_TESTS_FAILED, "\n".join(failed) or "There are no policy tests.")
        case Blocked():
            trips = (f"{each.guard} counts {each.value}, {each.limit} allowed" for each in outcome.report.blocking)
            return Pulled(_BLOCKED, "\n".join(("Guards stand in the way. Nothing was changed.", *trips)))
        case Stale():
            return Pulled(_STALE, f"The policy in force is {outcome.digest or 'none'}, not {outcome.expected}.")
        case Refused():
            return Pulled(_STALE, outcome.sentence)
