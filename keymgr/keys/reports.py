"""Reports over live keys: which end soon, which nobody uses, how many stand how. Owners None means everybody's."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, UnaryExpression, func, select
from sqlalchemy.orm import Session

from keymgr.keys.status import Status, is_current, status_at
from keymgr.store.keys import Credential, Key, KeyState
from keymgr.store.usage import UsageDay

PAGE_SIZE = 50
_WEEK = timedelta(days=7)
Item = TypeVar("Item")
Made = TypeVar("Made")
Owners = frozenset[str] | None


@dataclass(frozen=True, slots=True)
class ReportKey:
    """One key of a report. `ends_at` is when its token ends, `key_ends_at` when a rotation can prolong it no more."""

    id: str
    name: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    created_at: datetime
    ends_at: datetime
    key_ends_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a report: `total` counts all of it, `number` is from 1 and within `pages`."""

    rows: tuple[Item, ...]
    total: int
    number: int = 1
    pages: int = 1

    def turned(self, make: Callable[[Item], Made]) -> "Page[Made]":
        """Return the same page with something else made of each row."""
        return Page(tuple(make(row) for row in self.rows), self.total, self.number, self.pages)


def expiring(session: Session, owners: Owners, *, days: int, now: datetime, number: int | None = 1) -> Page[ReportKey]:
    """List keys whose token ends within so many days, the next one first; without a number, all at once."""
    soon = (*live(owners, now), Credential.expires_at <= now + timedelta(days=days))
    return page_of_keys(session, soon, (Credential.expires_at.asc(), Key.id.asc()), number)


def expiry_weeks(session: Session, owners: Owners, *, weeks: int, now: datetime) -> tuple[int, ...]:
    """Count the keys whose token ends in each of the weeks to come."""
    soon = (*live(owners, now), Credential.expires_at <= now + weeks * _WEEK)
    ends = session.scalars(select(Credential.expires_at).join(Key, is_current()).where(*soon))
    found = Counter(min((at - now) // _WEEK, weeks - 1) for at in ends)
    return tuple(found[week] for week in range(weeks))


def unused(
    session: Session, owners: Owners, *, days: int | None, now: datetime, number: int | None = 1
) -> Page[ReportKey]:
    """List keys without an accepted call for so many days, counted from the making of those that had none.

    `days` None lists those that never had one. What was unused for longest comes first.
    """
    since = func.coalesce(Key.last_used_at, Key.created_at)
    idle = Key.last_used_at.is_(None) if days is None else since <= now - timedelta(days=days)
    return page_of_keys(session, (*live(owners, now), idle), (since.asc(), Key.id.asc()), number)


def by_status(session: Session, owners: Owners, now: datetime) -> Mapping[Status, int]:
    """Count the keys of each status, those that are over among them."""
    word = status_at(now).label("word")
    statement = select(word, func.count()).select_from(Key).join(Credential, is_current()).where(*of_owners(owners))
    found: dict[str, int] = {name: number for name, number in session.execute(statement.group_by(word))}  # noqa: C416 - a row is no pair to the type checker.
    return {status: found.get(status.value, 0) for status in Status}


def counted_since(session: Session) -> date | None:
    """Return the first day whose calls are known, None before the first call."""
    return session.scalar(select(func.min(UsageDay.day)))


def of_owners(owners: Owners) -> tuple[ColumnElement[bool], ...]:
    """Write the condition that a key belongs to one of the owners."""
    return () if owners is None else (Key.owner.in_(sorted(owners)),)


def live(owners: Owners, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Write the conditions that a key of the owners, joined with its current credential, is not over."""
    return (*of_owners(owners), Key.state != KeyState.REVOKED, Credential.expires_at > now)


def page_of_keys(
    session: Session,
    conditions: Sequence[ColumnElement[bool]],
    order: Sequence[UnaryExpression[Any]],
    number: int | None,
) -> Page[ReportKey]:
    """Read one page of the keys that meet the conditions, or all of them."""
    matching = select(*KEY_COLUMNS).select_from(Key).join(Credential, is_current()).where(*conditions)
    total, shown, pages = paged(session, matching, number)
    rows = session.execute(cut(matching.order_by(*order), shown))
    return Page(tuple(report_key(row) for row in rows), total, shown or 1, pages)


def paged(session: Session, matching: Any, number: int | None) -> tuple[int, int | None, int]:  # noqa: ANN401 - any statement.
    """Count what a statement finds; return that, the page to show, None for all of it, and how many pages there are."""
    total = session.scalar(select(func.count()).select_from(matching.order_by(None).subquery())) or 0
    pages = 1 if number is None else max(1, -(-total // PAGE_SIZE))
    return total, None if number is None else min(max(1, number), pages), pages


def cut(statement: Any, shown: int | None) -> Any:  # noqa: ANN401 - any statement.
    """Keep one page of what a statement finds."""
    return statement if shown is None else statement.limit(PAGE_SIZE).offset((shown - 1) * PAGE_SIZE)


def report_key(row: Sequence[Any]) -> ReportKey:
    """Make a key of a row that begins with `KEY_COLUMNS`."""
    key_id, name, owner, service, environment, scopes, created_at, ends_at, key_ends_at, last_used_at = row[:10]
    return ReportKey(
        key_id, name, owner, service, environment, tuple(scopes), created_at, ends_at, key_ends_at, last_used_at
    )


KEY_COLUMNS = (
    Key.id,
    Key.name,
    Key.owner,
    Key.service,
    Key.environment,
    Key.scopes,
    Key.created_at,
    Credential.expires_at,
    Key.expires_at,
    Key.last_used_at,
)
