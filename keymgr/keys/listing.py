"""Lists of keys: searched, filtered, sorted and paged by the database, ten thousand of them as quick as ten."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, or_, select
from sqlalchemy.orm import Session

from keymgr.keys.matching import Filters, conditions
from keymgr.keys.status import Status, is_current, old_good_until, status_at
from keymgr.keys.usage import calls_by_day, first_day
from keymgr.store.keys import Credential, Key, KeyState
from keymgr.store.usage import UsageDay
from keymgr.tokens.verdicts import VerdictCode

__all__ = (
    "Direction",
    "Filters",
    "KeyRow",
    "Page",
    "Sort",
    "each_row",
    "find_row",
    "listing",
    "matching_ids",
    "rows_among",
    "rows_of",
)

PAGE_SIZE = 50
CALLS_DAYS = 7
CHART_DAYS = 30
_ROWS_AT_ONCE = 500
_EVERYTHING = Filters()


class Sort(StrEnum):
    """By what a list is sorted. `expires` puts keys that still work first."""

    EXPIRES = "expires"
    NAME = "name"
    SERVICE = "service"
    LAST_USED = "last_used"
    CALLS = "calls"
    CREATED = "created"


class Direction(StrEnum):
    """Which end of a sorted list comes first."""

    ASCENDING = "asc"
    DESCENDING = "desc"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One line of the list. `token_expires_at` is when the current token ends, `expires_at` when the key does.

    `old_good_until` is set during a rotation's overlap. `calls` counts every presentation in the last seven days (UTC,
    today among them); `accepted` and `refused` are those of each of the last thirty.
    """

    id: str
    credential_id: str
    name: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    status: Status
    created_at: datetime
    expires_at: datetime
    token_expires_at: datetime
    rotate_by: datetime | None
    old_good_until: datetime | None
    last_used_at: datetime | None
    last_used_from: str | None
    calls: int
    accepted: tuple[int, ...]
    refused: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: `total` counts all lines of all pages, `number` is from 1 and within `pages`."""

    rows: tuple[KeyRow, ...]
    total: int
    number: int
    pages: int


def listing(
    session: Session,
    owners: frozenset[str] | None,
    *,
    now: datetime,
    filters: Filters = _EVERYTHING,
    sort: Sort = Sort.EXPIRES,
    direction: Direction = Direction.ASCENDING,
    number: int = 1,
) -> Page:
    """List the keys of `owners` (None: everybody's); a page number beyond the last gives the last."""
    found = conditions(owners, filters, now)
    total = session.scalar(select(func.count()).select_from(Key).where(*found)) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    shown = min(max(1, number), pages)
    ordered = _ordered(found, sort, direction, now).limit(PAGE_SIZE).offset((shown - 1) * PAGE_SIZE)
    return Page(rows_of(session, session.scalars(ordered).all(), now=now), total, shown, pages)


def matching_ids(
    session: Session,
    owners: frozenset[str] | None,
    *,
    now: datetime,
    filters: Filters,
    sort: Sort = Sort.EXPIRES,
    direction: Direction = Direction.ASCENDING,
    most: int | None = None,
) -> tuple[str, ...]:
    """Name the keys of all pages in their order, at most so many of them."""
    ordered = _ordered(conditions(owners, filters, now), sort, direction, now)
    return tuple(session.scalars(ordered if most is None else ordered.limit(most)))


def find_row(session: Session, key_id: str, owners: frozenset[str] | None, *, now: datetime) -> KeyRow | None:
    """Read the line of one key; None when there is none among `owners`."""
    return next(iter(rows_among(session, (key_id,), owners, now=now)), None)


def rows_among(
    session: Session, key_ids: Sequence[str], owners: frozenset[str] | None, *, now: datetime
) -> tuple[KeyRow, ...]:
    """Read the lines of those among these keys that are of `owners`, in this order, each once."""
    statement = select(Key.id).where(Key.id.in_(key_ids), *conditions(owners, _EVERYTHING, now))
    known = frozenset(session.scalars(statement))
    return rows_of(session, [key_id for key_id in dict.fromkeys(key_ids) if key_id in known], now=now)


def rows_of(session: Session, key_ids: Sequence[str], *, now: datetime) -> tuple[KeyRow, ...]:
    """Read the lines of keys that are there, in this order; what costs time is worked out for them alone."""
    return tuple(each_row(session, key_ids, now=now))


def each_row(session: Session, key_ids: Sequence[str], *, now: datetime) -> Iterator[KeyRow]:
    """Do the same a part at a time, for lists of any length."""
    for start in range(0, len(key_ids), _ROWS_AT_ONCE):
        part = key_ids[start : start + _ROWS_AT_ONCE]
        columns = (column.label(name) for name, column in _columns(now).items())
        statement = select(*columns).join(Credential, is_current()).where(Key.id.in_(part))
        found = {row["id"]: row for row in session.execute(statement).mappings()}
        days = calls_by_day(session, part, days=CHART_DAYS, now=now)
        for key_id in part:
            yield _row(found[key_id], [day.calls for day in days[key_id]])


def _columns(now: datetime) -> dict[str, ColumnElement[Any]]:
    return {
        "id": Key.id.expression,
        "credential_id": Credential.id.expression,
        "name": Key.name.expression,
        "owner": Key.owner.expression,
        "service": Key.service.expression,
        "environment": Key.environment.expression,
        "scopes": Key.scopes.expression,
        "status": status_at(now),
        "created_at": Key.created_at.expression,
        "expires_at": Key.expires_at.expression,
        "token_expires_at": Credential.expires_at.expression,
        "rotate_by": Credential.rotate_by.expression,
        "old_good_until": old_good_until(now),
        "last_used_at": Key.last_used_at.expression,
        "last_used_from": Key.last_used_from.expression,
    }


def _row(row: Mapping[Any, Any], days: Sequence[Mapping[str, int]]) -> KeyRow:
    accepted = tuple(calls.get(VerdictCode.OK.value, 0) for calls in days)
    refused = tuple(sum(calls.values()) - good for calls, good in zip(days, accepted, strict=True))
    calls = sum(accepted[-CALLS_DAYS:] + refused[-CALLS_DAYS:])
    known = {**row, "scopes": tuple(row["scopes"]), "status": Status(row["status"])}
    return KeyRow(**known, calls=calls, accepted=accepted, refused=refused)


def _ordered(found: Sequence[ColumnElement[bool]], sort: Sort, direction: Direction, now: datetime) -> Select[str]:
    """Put ids in order, joining only what the order needs."""
    statement = select(Key.id).where(*found)
    first: list[ColumnElement[Any]] = []
    column: ColumnElement[Any]
    if sort is Sort.EXPIRES:
        statement = statement.join(Credential, is_current())
        is_over = or_(Key.state == KeyState.REVOKED, Credential.expires_at <= now)
        first, column = [case((is_over, 1), else_=0)], Credential.expires_at.expression
    elif sort is Sort.CALLS:
        column = _recent_calls(now)
    else:
        column = _plain(sort)
    by = column.asc() if direction is Direction.ASCENDING else column.desc()
    return statement.order_by(*first, by.nulls_last() if sort is Sort.LAST_USED else by, Key.id)


def _plain(sort: Sort) -> ColumnElement[Any]:
    by: dict[Sort, ColumnElement[Any]] = {
        Sort.NAME: func.lower(Key.name),
        Sort.SERVICE: Key.service.expression,
        Sort.LAST_USED: Key.last_used_at.expression,
        Sort.CREATED: Key.created_at.expression,
    }
    return by[sort]


def _recent_calls(now: datetime) -> ColumnElement[int]:
    """Sum up a key's week: by primary key, so that neither database needs to know how full the table is."""
    total = cast(func.coalesce(func.sum(UsageDay.calls), 0), BigInteger)
    week = (UsageDay.key_id == Key.id, UsageDay.day >= first_day(CALLS_DAYS, now))
    return select(total).where(*week).correlate(Key).scalar_subquery()
