"""A report of how long requests waited for their decision, week by week."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.reports import Owners
from keymgr.store.keys import KeyRequest, RequestState

WEEKS = 12
_DECIDED = (RequestState.APPROVED, RequestState.CLAIMED, RequestState.REFUSED)
_READ_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Waits:
    """The decisions of one week that begins on a Monday (UTC): half of them took `middle_seconds` or less."""

    monday: date
    decided: int
    refused: int
    middle_seconds: int
    nine_in_ten_seconds: int


def waits(session: Session, owners: Owners, *, now: datetime) -> tuple[Waits, ...]:
    """Tell of the last twelve weeks, oldest first; weeks without a decision are left out.

    Emergencies that somebody granted alone count for nothing: nobody waited.
    """
    first = _monday(now) - timedelta(weeks=WEEKS - 1)
    start = datetime.combine(first, datetime.min.time(), tzinfo=now.tzinfo)
    found: defaultdict[date, list[tuple[int, bool]]] = defaultdict(list)
    decided = (KeyRequest.state.in_(_DECIDED), KeyRequest.decided_at >= start, KeyRequest.break_glass.is_(False))
    decided_at = func.coalesce(KeyRequest.decided_at, KeyRequest.created_at)
    statement = select(KeyRequest.created_at, decided_at, KeyRequest.state).where(*decided)
    if owners is not None:
        statement = statement.where(KeyRequest.owner.in_(sorted(owners)))
    for asked_at, ended_at, state in session.execute(statement.order_by(KeyRequest.id.desc()).limit(_READ_MAX)):
        seconds = max(0, int((ended_at - asked_at).total_seconds()))
        found[_monday(ended_at)].append((seconds, state == RequestState.REFUSED))
    return tuple(_week(monday, found[monday]) for monday in sorted(found))


def asked_since(session: Session) -> datetime | None:
    """Return when the first request was made, None before it."""
    return session.scalar(select(KeyRequest.created_at).order_by(KeyRequest.created_at).limit(1))


def _week(monday: date, decisions: Sequence[tuple[int, bool]]) -> Waits:
    seconds = sorted(each for each, _ in decisions)
    refused = sum(is_refused for _, is_refused in decisions)
    return Waits(monday, len(seconds), refused, _rank(seconds, 50), _rank(seconds, 90))


def _rank(ordered: Sequence[int], percent: int) -> int:
    """Return the smallest of the numbers that so many percent of them do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _monday(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.weekday())
