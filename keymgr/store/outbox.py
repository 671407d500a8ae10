"""The outbox: things to do after a commit, written with it, done once, retried until they are."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keymgr.store.standing import Effect

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
_ERROR_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Errand:
    """Something to do not before `at`; of two with the same `once` only one is done.

    With `again`, one that has been done is done another time: who asks has seen that it is needed still.
    """

    once: str
    kind: str
    payload: Mapping[str, Any]
    at: datetime
    again: bool = False


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What is not done yet, counted: due and not tried, tried and failed, and not due before some later day."""

    waiting: int
    failing: int
    scheduled: int

    @property
    def is_settled(self) -> bool:
        """Whether all that is due has been done."""
        return self.waiting == 0 and self.failing == 0


def put(session: Session, errands: Sequence[Errand], now: datetime) -> None:
    """Add errands to the open transaction; they are done after its commit or not at all."""
    for again in (False, True):
        rows = [_row(errand, now) for errand in errands if errand.again is again]
        if rows:
            session.execute(_statement(session, again=again), rows)


def take_due(session: Session, now: datetime, most: int) -> Sequence[Effect]:
    """Read what is due, the longest due first, and keep others from doing it until this transaction ends."""
    due = select(Effect).where(Effect.done_at.is_(None), Effect.next_at <= now)
    ordered = due.order_by(Effect.next_at, Effect.id).limit(most)
    statement = ordered.with_for_update(skip_locked=True).execution_options(populate_existing=True)
    return session.scalars(statement).all()


def put_off(effect: Effect, error: Exception, now: datetime) -> None:
    """Note that an effect failed and when it is tried again: later and later, and never all at the same moment."""
    effect.tries += 1
    effect.last_error = f"{type(error).__name__}: {error}"[:_ERROR_LENGTH]
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(effect.tries, 20))
    effect.next_at = now + longest * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing.


def outstanding(session: Session, now: datetime) -> Outstanding:
    """Count what is not done yet."""
    later = and_(Effect.tries == 0, Effect.next_at > now)
    word = case((Effect.tries > 0, "failing"), (later, "scheduled"), else_="waiting").label("word")
    statement = select(word, func.count()).where(Effect.done_at.is_(None)).group_by(word)
    counts: dict[str, int] = {row.word: row[1] for row in session.execute(statement)}
    return Outstanding(counts.get("waiting", 0), counts.get("failing", 0), counts.get("scheduled", 0))


def forget_done(session: Session, before: datetime) -> int:
    """Delete effects that were done before a moment and say how many; what is not done stays."""
    gone = delete(Effect).where(Effect.done_at < before).returning(Effect.id)
    return len(session.execute(gone).all())


def _row(errand: Errand, now: datetime) -> dict[str, Any]:
    return {
        "idempotency_key": errand.once,
        "kind": errand.kind,
        "payload": dict(errand.payload),
        "created_at": now,
        "next_at": errand.at,
        "tries": 0,
    }


def _statement(session: Session, *, again: bool) -> postgresql.Insert | sqlite.Insert:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    insert = postgresql.insert(Effect) if is_postgresql else sqlite.insert(Effect)
    if not again:
        return insert.on_conflict_do_nothing(index_elements=[Effect.idempotency_key])
    return insert.on_conflict_do_update(
        index_elements=[Effect.idempotency_key],
        set_={"done_at": None, "next_at": insert.excluded.next_at, "tries": 0},
        where=Effect.done_at.is_not(None),
    )
