"""Lists of keys: searched, filtered, sorted and paged by the database, ten thousand of them as quick as ten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, or_, select
from sqlalchemy.orm import Session

from keymgr.keys.status import Status, is_current, old_good_until, status_at
from keymgr.store.keys import Credential, Key, KeyState, Usage

PAGE_SIZE = 50
SEARCH_LENGTH_MAX = 80
CALLS_WINDOW = timedelta(days=7)


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
class Filters:
    """What a list shows; an empty text or None does not restrict.

    `search` finds a part of the name, or the beginning of a key's or its current credential's id; of more than 80
    characters the rest is ignored.
    """

    search: str = ""
    service: str | None = None
    environment: str | None = None
    owner: str | None = None
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One line of the list. `token_expires_at` is when the current token ends, `expires_at` when the key does.

    `old_good_until` is set during a rotation's overlap; `calls` counts every presentation in the last seven days.
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
    filters: Filters = Filters(),
    sort: Sort = Sort.EXPIRES,
    direction: Direction = Direction.ASCENDING,
    number: int = 1,
) -> Page:
    """List the keys of `owners` (None: everybody's); a page number beyond the last gives the last."""
    conditions = _conditions(owners, filters, now)
    matching = select(Key.id).join(Credential, is_current()).where(*conditions)
    total = session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    shown = min(max(1, number), pages)
    ordered = matching.order_by(*_order(sort, direction, now)).limit(PAGE_SIZE).offset((shown - 1) * PAGE_SIZE)
    return Page(_rows(session, session.scalars(ordered).all(), now), total, shown, pages)


def find_row(session: Session, key_id: str, owners: frozenset[str] | None, *, now: datetime) -> KeyRow | None:
    """Read the line of one key; None when there is none among `owners`."""
    key_ids = session.scalars(select(Key.id).where(Key.id == key_id, *_conditions(owners, Filters(), now))).all()
    return next(iter(_rows(session, key_ids, now)), None)


def _rows(session: Session, key_ids: Sequence[str], now: datetime) -> tuple[KeyRow, ...]:
    """Read the lines of these keys, in this order; what costs time is worked out for them alone."""
    columns = (column.label(name) for name, column in _columns(now).items())
    statement = select(*columns).join(Credential, is_current()).where(Key.id.in_(key_ids))
    found = {row["id"]: _row(row) for row in session.execute(statement).mappings()}
    return tuple(found[key_id] for key_id in key_ids)


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
        "calls": _calls(now),
    }


def _calls(now: datetime) -> ColumnElement[int]:
    """Write the sum of calls, one key at a time: the database works it out for the lines it shows."""
    total = cast(func.coalesce(func.sum(Usage.calls), 0), BigInteger)
    recent = (Usage.key_id == Key.id, Usage.hour >= now - CALLS_WINDOW)
    return select(total).where(*recent).correlate(Key).scalar_subquery()


def _conditions(owners: frozenset[str] | None, filters: Filters, now: datetime) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if owners is not None:
        conditions.append(Key.owner.in_(sorted(owners)))
    exact = ((Key.service, filters.service), (Key.environment, filters.environment), (Key.owner, filters.owner))
    conditions.extend(column == value for column, value in exact if value is not None)
    if filters.status is not None:
        conditions.append(status_at(now) == filters.status.value)
    text = "".join(character for character in filters.search if character.isprintable())
    text = text.strip()[:SEARCH_LENGTH_MAX].rstrip()
    if text:
        conditions.append(_matches(text))
    return conditions


def _matches(text: str) -> ColumnElement[bool]:
    return or_(
        Key.name.icontains(text, autoescape=True),
        Key.id.startswith(text.lower(), autoescape=True),
        Credential.id.startswith(text.lower(), autoescape=True),
    )


def _order(sort: Sort, direction: Direction, now: datetime) -> tuple[ColumnElement[Any], ...]:
    by: dict[Sort, ColumnElement[Any]] = {
        Sort.EXPIRES: Credential.expires_at.expression,
        Sort.NAME: func.lower(Key.name),
        Sort.SERVICE: Key.service.expression,
        Sort.LAST_USED: Key.last_used_at.expression,
        Sort.CALLS: _calls(now),
        Sort.CREATED: Key.created_at.expression,
    }
    column = by[sort].asc() if direction is Direction.ASCENDING else by[sort].desc()
    if sort is not Sort.EXPIRES:
        return column.nulls_last(), Key.id.expression
    is_over = or_(Key.state == KeyState.REVOKED, Credential.expires_at <= now)
    return case((is_over, 1), else_=0), column, Key.id.expression


def _row(row: Mapping[Any, Any]) -> KeyRow:
    return KeyRow(**{**row, "scopes": tuple(row["scopes"]), "status": Status(row["status"])})
