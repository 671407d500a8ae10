"""Reads the audit trail: filtered, newest first, page by page, with an upper bound on the work of each page."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, UnaryExpression, and_, cast, collate, func, or_, select
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent
from keymgr.store.keys import Key, KeyRequest

LOOKED_AT_MAX = 50_000
TEXT_LENGTH_MAX = 120
ID_MAX = 2**63 - 1
DISORDER = timedelta(days=1)
"""Ids and times rise together; how far a time may be off from those of its neighbours before a search misses it."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; None and empty do not restrict. `since` is included, `until` is not.

    `service` finds the events of its keys and requests and what names it; `text` a part of anything an event says.
    """

    actor: str | None = None
    action: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    service: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it is stored."""

    id: int
    at: datetime
    actor: str
    action: str
    object_kind: str
    object_id: str
    outcome: str
    detail: dict[str, Any]
    request_id: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """One page. `older` is the id below which the next one starts, None where there is nothing older.

    `stopped_at` is set where the search ended after `LOOKED_AT_MAX` events: the time of the oldest one looked at.
    """

    entries: tuple[Entry, ...]
    older: int | None
    stopped_at: datetime | None = None


def find_entries(session: Session, search: Search, *, before: int | None = None, most: int = 50) -> Found:
    """Read the newest events that match, of those with an id below `before`; events that arrive move nothing."""
    lead, rest = _conditions(search, is_postgresql=_is_postgresql(session))
    below = AuditEvent.id < min(before or ID_MAX, ID_MAX)
    led = [*lead, *_ids_of_time(session, search), below]
    floor = _floor(session, led) if rest else None
    if floor is not None:
        entries = _read(session, [*led, *rest, AuditEvent.id >= floor[0]], most + 1)
    elif lead and _is_postgresql(session):
        entries = _read_by_lead(session, [*led, *rest], below, most + 1)
    else:
        entries = _read(session, [*led, *rest], most + 1)
    if len(entries) > most:
        return Found(entries[:most], entries[most - 1].id)
    return Found(entries, None) if floor is None else Found(entries, *floor)


_COLUMNS = (
    AuditEvent.id,
    AuditEvent.at,
    AuditEvent.actor,
    AuditEvent.action,
    AuditEvent.object_kind,
    AuditEvent.object_id,
    AuditEvent.outcome,
    AuditEvent.detail,
    AuditEvent.request_id,
    AuditEvent.address,
)
_Conditions = list[ColumnElement[bool]]
_BY_ID = AuditEvent.id.desc()


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _read(session: Session, conditions: _Conditions, most: int, by: UnaryExpression[int] = _BY_ID) -> tuple[Entry, ...]:
    statement = select(*_COLUMNS).where(*conditions).order_by(by).limit(most)
    return tuple(Entry(*row) for row in session.execute(statement))


def _read_by_lead(
    session: Session, conditions: _Conditions, below: ColumnElement[bool], most: int
) -> tuple[Entry, ...]:
    """Look among the newest events, then by the index that leads.

    PostgreSQL keeps no index in the order of ids but that of ids itself, and takes that one where it hopes for enough
    among the newest: for somebody who was busy long ago it would walk through everything.
    """
    newest = session.scalar(select(func.max(AuditEvent.id)).where(below)) or 0
    entries = _read(session, [*conditions, AuditEvent.id > newest - LOOKED_AT_MAX], most)
    return entries if len(entries) == most else _read(session, conditions, most, (AuditEvent.id + 0).desc())


def _conditions(search: Search, *, is_postgresql: bool) -> tuple[_Conditions, _Conditions]:
    """Return what leads, by one index in the order of ids, and the rest, which looks at each event it leads to.

    The rest is written so that no other index is taken for it: an index that is not bounded can be a walk of a million.
    """
    ways = (
        ((AuditEvent.object_kind, search.object_kind), (AuditEvent.object_id, search.object_id)),
        ((AuditEvent.actor, search.actor),),
        ((AuditEvent.action, search.action),),
    )
    lead = next((way for way in ways if all(word is not None for _, word in way)), ())
    others = [pair for way in ways if way is not lead for pair in way]
    rest = [column.concat("") == word for column, word in others if word is not None]
    return [column == word for column, word in lead], [*rest, *_unindexed(search, is_postgresql=is_postgresql)]


def _unindexed(search: Search, *, is_postgresql: bool) -> Iterator[ColumnElement[bool]]:
    at = func.coalesce(AuditEvent.at, AuditEvent.at)
    if search.since is not None:
        yield at >= search.since
    if search.until is not None:
        yield at < search.until
    if search.outcome is not None:
        yield AuditEvent.outcome == search.outcome
    if search.request_id is not None:
        yield AuditEvent.request_id == search.request_id
    if search.service is not None:
        yield _is_about(search.service)
    text = search.text.strip()[:TEXT_LENGTH_MAX]
    if text:
        yield _says(text, is_postgresql=is_postgresql)


def _is_about(service: str) -> ColumnElement[bool]:
    keys = select(Key.id).where(Key.service == service)
    requests = select(KeyRequest.id).where(KeyRequest.service == service)
    return or_(
        and_(AuditEvent.object_kind == "key", AuditEvent.object_id.in_(keys)),
        and_(AuditEvent.object_kind == "request", AuditEvent.object_id.in_(requests)),
        cast(AuditEvent.detail, Text).contains(f'"service": {json.dumps(service)}', autoescape=True),
    )


def _says(text: str, *, is_postgresql: bool) -> ColumnElement[bool]:
    """Look into everything at once; details are stored as JSON, in which a letter beyond ASCII is an escape.

    So the plain rules for small letters are enough, which take PostgreSQL half the time.
    """
    columns = (AuditEvent.actor, AuditEvent.action, AuditEvent.object_id, AuditEvent.request_id, AuditEvent.address)
    whole: ColumnElement[str] = cast(AuditEvent.detail, Text)
    for column in columns:
        whole = whole.concat(" ").concat(func.coalesce(column, ""))
    whole = collate(whole, "C") if is_postgresql else whole
    spellings = dict.fromkeys((text, json.dumps(text)[1:-1]))
    return or_(*(whole.icontains(spelling, autoescape=True) for spelling in spellings))


def _ids_of_time(session: Session, search: Search) -> Iterator[ColumnElement[bool]]:
    """Bound a time span by ids, so that the walk stays in their order: by the event next to it, and a day away."""
    if search.since is not None:
        earlier = select(AuditEvent.id).where(AuditEvent.at < search.since - DISORDER)
        last = session.scalar(earlier.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(1))
        yield AuditEvent.id > (last or 0)
    if search.until is not None:
        later = select(AuditEvent.id).where(AuditEvent.at >= search.until + DISORDER)
        first = session.scalar(later.order_by(AuditEvent.at, AuditEvent.id).limit(1))
        yield AuditEvent.id < (first or ID_MAX)


def _floor(session: Session, led: _Conditions) -> tuple[int, datetime] | None:
    """Return id and time of the oldest event that is looked at, None where there are fewer than the most."""
    ids = select(AuditEvent.id).where(*led).order_by(AuditEvent.id.desc())
    floor = session.scalar(ids.offset(LOOKED_AT_MAX - 1).limit(1))
    at = None if floor is None else session.scalar(select(AuditEvent.at).where(AuditEvent.id == floor))
    return None if floor is None or at is None else (floor, at)
