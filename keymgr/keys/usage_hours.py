"""Calls hour by hour: of a key as a whole, and of an old secret while the grace after a rotation runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.sources import add_sources
from keymgr.keys.upsert import insert_or_add
from keymgr.store.base import EPOCH
from keymgr.store.keys import Credential, CredentialState
from keymgr.store.usage import KeySource, Usage
from keymgr.tokens.verdicts import VerdictCode

HOUR = timedelta(hours=1)
OldUse = tuple[str, VerdictCode, datetime, int, str | None]


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour (UTC), named by its beginning: calls by verdict code."""

    hour: datetime
    calls: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Source:
    """An address that accepted calls came from, as far as the callers said."""

    address: str
    first_at: datetime
    last_at: datetime
    calls: int


def count_old_secrets(session: Session, uses: Sequence[OldUse]) -> None:
    """Count calls with old secrets a second time, under the secret's own id: a grace is judged by who still calls.

    Each use is credential, code, moment, number of calls and address; those of current secrets are left out.
    """
    ids = sorted({credential_id for credential_id, *_ in uses})
    retiring = select(Credential.id).where(Credential.id.in_(ids), Credential.state == CredentialState.RETIRING)
    old = set(session.scalars(retiring))
    mine = [use for use in uses if use[0] in old]
    if not mine:
        return
    totals: defaultdict[tuple[str, datetime, str], int] = defaultdict(int)
    for credential_id, code, at, calls, _ in mine:
        totals[credential_id, hour_of(at), code.value] += calls
    rows = [
        {"key_id": of, "hour": at, "code": code, "calls": calls} for (of, at, code), calls in sorted(totals.items())
    ]
    insert_or_add(session, Usage, rows, "calls")
    accepted = (use for use in mine if use[1] is VerdictCode.OK)
    add_sources(session, [(of, address, at, calls) for of, _, at, calls, address in accepted if address])


def hours_between(session: Session, of: str, first: datetime, last: datetime) -> tuple[Hour, ...]:
    """List the hours from the one that holds `first` to the one that holds `last`, of a key or of an old secret."""
    start = hour_of(first)
    columns = (Usage.hour, Usage.code, Usage.calls)
    statement = select(*columns).where(Usage.key_id == of, Usage.hour >= start, Usage.hour <= last)
    found: defaultdict[datetime, dict[str, int]] = defaultdict(dict)
    for hour, code, calls in session.execute(statement):
        found[hour][code] = calls
    number = (hour_of(last) - start) // HOUR + 1
    return tuple(Hour(at, found.get(at, {})) for at in (start + step * HOUR for step in range(number)))


def sources_of(session: Session, of: str, *, most: int, since: datetime | None = None) -> tuple[Source, ...]:
    """List the addresses of a key or of an old secret, the one used last first."""
    statement = select(KeySource.address, KeySource.first_at, KeySource.last_at, KeySource.calls)
    statement = statement.where(KeySource.key_id == of)
    if since is not None:
        statement = statement.where(KeySource.last_at >= since)
    ordered = statement.order_by(KeySource.last_at.desc(), KeySource.address).limit(most)
    return tuple(Source(*row) for row in session.execute(ordered))


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour (UTC) that holds a moment."""
    return moment - (moment - EPOCH) % HOUR
