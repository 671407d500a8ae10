"""Where policy stands, on two axes: sync, which is about what was applied, and health, about what is still to do."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.reconcile.drift import Drift, find_drift
from keymgr.reconcile.history import Revision, find_revision
from keymgr.store.outbox import Outstanding, outstanding
from keymgr.store.policies import PolicyAttempt, PolicyHead


class Health(StrEnum):
    """Whether what follows from the policy has been done; `degraded` means that some of it failed so far."""

    DEGRADED = "degraded"
    HEALTHY = "healthy"
    PROGRESSING = "progressing"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last run of apply; without `finished_at` it is under way, or it was killed."""

    started_at: datetime
    finished_at: datetime | None
    commit: str | None
    digest: str | None
    result_code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Status:
    """Both axes. `applied` is what is in force, `attempted` what was last tried, `drift` what was changed behind us."""

    applied: Revision | None
    attempted: Attempt | None
    pinned_reason: str | None
    bad_digest: str | None
    drift: Drift | None
    health: Health
    effects: Outstanding


def read_status(session: Session, now: datetime) -> Status:
    """Read where policy stands."""
    head = session.execute(select(PolicyHead.pinned_reason, PolicyHead.bad_digest)).one_or_none()
    effects = outstanding(session, now)
    return Status(
        applied=find_revision(session),
        attempted=last_attempt(session),
        pinned_reason=None if head is None else head.pinned_reason,
        bad_digest=None if head is None else head.bad_digest,
        drift=find_drift(session),
        health=health_of(effects),
        effects=effects,
    )


def health_of(effects: Outstanding) -> Health:
    """Return the health that goes with what is outstanding; what is due only later is no concern yet."""
    if effects.failing:
        return Health.DEGRADED
    return Health.HEALTHY if effects.is_settled else Health.PROGRESSING


def last_attempt(session: Session) -> Attempt | None:
    """Read the last run of apply; None before the first."""
    columns = (
        PolicyAttempt.started_at,
        PolicyAttempt.finished_at,
        PolicyAttempt.commit,
        PolicyAttempt.digest,
        PolicyAttempt.result_code,
        PolicyAttempt.message,
    )
    row = session.execute(select(*columns).order_by(PolicyAttempt.id.desc()).limit(1)).one_or_none()
    return None if row is None else Attempt(*row)
