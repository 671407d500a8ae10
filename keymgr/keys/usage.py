"""What keys are used for: counts per hour and verdict, written in batches, read per day."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from keymgr.keys.upsert import insert_or_add
from keymgr.store.base import EPOCH
from keymgr.store.keys import Credential, Key, Usage
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

    Each is counted into the hour of its `last_at`. Only accepted calls are a use: they move `last_used_at` forward,
    never back, and set a credential's `first_used_at` once.
    """
    batch = sorted(counts, key=lambda each: (each.key_id, each.last_at))
    if not batch:
        return
    insert_or_add(session, Usage, _hours(batch), "calls")
    accepted = [each for each in batch if each.code is VerdictCode.OK]
    if accepted:
        _move_last_use(session, accepted)
        _set_first_use(session, accepted)


def calls_per_day(session: Session, key_id: str, *, days: int, now: datetime) -> tuple[Day, ...]:
    """List the last `days` days (UTC) of a key, oldest first, days without a call among them."""
    first = now.date() - timedelta(days=days - 1)
    since = datetime.combine(first, datetime.min.time(), tzinfo=now.tzinfo)
    statement = select(Usage.hour, Usage.code, Usage.calls).where(Usage.key_id == key_id, Usage.hour >= since)
    found: dict[date, dict[str, int]] = defaultdict(dict)
    for hour, code, calls in session.execute(statement):
        day = found[hour.date()]
        day[code] = day.get(code, 0) + calls
    return tuple(Day(day, found.get(day, {})) for day in (first + number * _DAY for number in range(days)))


def _hours(batch: Sequence[Calls]) -> list[dict[str, Any]]:
    """Sum up by primary key, in its order: two batches at once then never wait for each other in a circle."""
    totals: dict[tuple[str, datetime, str], int] = defaultdict(int)
    for each in batch:
        totals[each.key_id, each.last_at - (each.last_at - EPOCH) % _HOUR, each.code.value] += each.calls
    return [
        {"key_id": key_id, "hour": hour, "code": code, "calls": calls}
        for (key_id, hour, code), calls in sorted(totals.items())
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
