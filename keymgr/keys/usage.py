"""What keys are used for: counts per hour, per day and per address, written in batches, read per day."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from keymgr.keys.sources import add_sources
from keymgr.keys.upsert import insert_or_add
from keymgr.keys.usage_hours import count_old_secrets
from keymgr.store.base import EPOCH
from keymgr.store.keys import Credential, Key
from keymgr.store.usage import Usage, UsageDay
from keymgr.tokens.verdicts import VerdictCode

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calls:
    """How often one credential was presented with one outcome since the last batch; `last_at` is the last of them.

    `address` is where the last one came from, as far as the caller said.
    """

    key_id: str
    credential_id: str
    code: VerdictCode
    calls: int
    last_at: datetime
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC) of a key: calls by verdict code."""

    day: date
    calls: Mapping[str, int]


def record_batch(session: Session, counts: Iterable[Calls]) -> None:
    """Add counts to what is stored, in one short transaction that the caller commits.

    Each is counted into the hour and the day (UTC) of its `last_at`. Only accepted calls are a use: they move
    `last_used_at` forward, never back, set a credential's `first_used_at` once, and count for their address.
    """
    batch = sorted(counts, key=lambda each: (each.key_id, each.last_at))
    if not batch:
        return
    insert_or_add(session, Usage, _hours(batch), "calls")
    insert_or_add(session, UsageDay, _days(batch), "calls")
    count_old_secrets(session, [(use.credential_id, use.code, use.last_at, use.calls, use.address) for use in batch])
    accepted = [each for each in batch if each.code is VerdictCode.OK]
    if accepted:
        _move_last_use(session, accepted)
        _set_first_use(session, accepted)
        add_sources(session, [(use.key_id, use.address, use.last_at, use.calls) for use in accepted if use.address])


def calls_per_day(session: Session, key_id: str, *, days: int, now: datetime) -> tuple[Day, ...]:
    """List the last `days` days (UTC) of a key, oldest first, days without a call among them."""
    return calls_by_day(session, (key_id,), days=days, now=now)[key_id]


def calls_by_day(
    session: Session, key_ids: Sequence[str], *, days: int, now: datetime
) -> Mapping[str, tuple[Day, ...]]:
    """Do the same for a page of keys at once, with one look at the table."""
    span = [first_day(days, now) + number * _DAY for number in range(days)]
    columns = (UsageDay.key_id, UsageDay.day, UsageDay.code, UsageDay.calls)
    statement = select(*columns).where(UsageDay.key_id.in_(key_ids), UsageDay.day >= span[0])
    found: defaultdict[tuple[str, date], dict[str, int]] = defaultdict(dict)
    for key_id, day, code, calls in session.execute(statement):
        found[key_id, day][code] = calls
    return {key_id: tuple(Day(day, found.get((key_id, day), {})) for day in span) for key_id in key_ids}


def first_day(days: int, now: datetime) -> date:
    """Return the first of the last `days` days, today (UTC) among them."""
    return now.date() - (days - 1) * _DAY


def _hours(batch: Sequence[Calls]) -> list[dict[str, Any]]:
    """Sum up by primary key, in its order: two batches at once then never wait for each other in a circle."""
    totals: dict[tuple[str, datetime, str], int] = defaultdict(int)
    for each in batch:
        totals[each.key_id, each.last_at - (each.last_at - EPOCH) % _HOUR, each.code.value] += each.calls
    return [
        {"key_id": key_id, "hour": hour, "code": code, "calls": calls}
        for (key_id, hour, code), calls in sorted(totals.items())
    ]


def _days(batch: Sequence[Calls]) -> list[dict[str, Any]]:
    """Sum up likewise by day."""
    totals: dict[tuple[str, date, str], int] = defaultdict(int)
    for each in batch:
        totals[each.key_id, each.last_at.date(), each.code.value] += each.calls
    return [
        {"key_id": key_id, "day": day, "code": code, "calls": calls}
        for (key_id, day, code), calls in sorted(totals.items())
    ]


def _move_last_use(session: Session, accepted: Sequence[Calls]) -> None:
    statement = (
        update(Key.__table__)  # type: ignore[arg-type]  # a Table, typed wider.
        .where(Key.id == bindparam("of_key"))
        .where((Key.last_used_at.is_(None)) | (Key.last_used_at < bindparam("at", type_=Key.last_used_at.type)))
        .values(last_used_at=bindparam("at"), last_used_from=bindparam("address"))
    )
    newest = [list(group)[-1] for _, group in groupby(accepted, key=lambda each: each.key_id)]
    values = [{"of_key": each.key_id, "at": each.last_at, "address": each.address} for each in newest]
    session.connection().execute(statement, values)


def _set_first_use(session: Session, accepted: Sequence[Calls]) -> None:
    statement = (
        update(Credential.__table__)  # type: ignore[arg-type]  # a Table, typed wider.
        .where(Credential.id == bindparam("of_credential"), Credential.first_used_at.is_(None))
        .values(first_used_at=bindparam("at"))
    )
    first = {each.credential_id: each.last_at for each in reversed(accepted)}
    values = [{"of_credential": credential_id, "at": at} for credential_id, at in sorted(first.items())]
    session.connection().execute(statement, values)
