"""A report of what is out of the ordinary in how keys were used yesterday and today, by days in UTC."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from statistics import median_low

from sqlalchemy import ColumnElement, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from keymgr.keys.reports import KEY_COLUMNS, Owners, ReportKey, of_owners, report_key
from keymgr.keys.status import is_current
from keymgr.store.keys import Credential, Key
from keymgr.store.usage import UsageDay
from keymgr.tokens.verdicts import VerdictCode

BASE_DAYS = 28
SURGE_TIMES = 10
SURGE_CALLS_MIN = 100
KNOWN_DAYS_MIN = 7
REFUSED_MIN = 100
REFUSED_SHARE = 5
FINDINGS_MAX = 500
_CHUNK = 5_000


class Oddity(StrEnum):
    """What is out of the ordinary."""

    OLD_SECRET = "old_secret"  # noqa: S105 - a word for a kind of finding.
    REFUSALS = "refusals"
    SURGE = "surge"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One finding: `calls` are the odd ones; `beside` is all calls, for a surge those of a usual day."""

    key: ReportKey
    oddity: Oddity
    calls: int
    beside: int


def anomalies(session: Session, owners: Owners, *, now: datetime) -> tuple[Anomaly, ...]:
    """List findings, the old secrets first, then refusals, then surges, each with the most calls first.

    Calls with a secret that a rotation has replaced and whose time is over; at least 100 refused calls that are one in
    five or more; at least 100 accepted calls on a day, more than on any of the 28 before and ten times their median.
    """
    today = now.date()
    found = [*_refused(session, owners, today), *_surges(session, owners, today)][:FINDINGS_MAX]
    keys = _keys(session, {key_id for key_id, _, _, _ in found})
    known = (finding for finding in found if finding[0] in keys)
    return tuple(Anomaly(keys[key_id], oddity, calls, beside) for key_id, oddity, calls, beside in known)


_Finding = tuple[str, Oddity, int, int]


def _refused(session: Session, owners: Owners, today: date) -> Iterator[_Finding]:
    """Find keys by their refused calls alone; all calls are then summed up of these few."""
    bad = func.sum(UsageDay.calls)
    old = func.sum(case((UsageDay.code == VerdictCode.KEY_SUPERSEDED.value, UsageDay.calls), else_=0))
    recent = UsageDay.day >= today - timedelta(days=1)
    statement = select(UsageDay.key_id, old, bad).where(recent, UsageDay.code != VerdictCode.OK.value, *_of(owners))
    grouped = statement.group_by(UsageDay.key_id).having(or_(old > 0, bad >= REFUSED_MIN))
    most = grouped.order_by(old.desc(), bad.desc(), UsageDay.key_id).limit(FINDINGS_MAX)
    rows = [(key_id, int(superseded), int(refused)) for key_id, superseded, refused in session.execute(most)]
    sums = select(UsageDay.key_id, func.sum(UsageDay.calls)).where(
        recent, UsageDay.key_id.in_([row[0] for row in rows])
    )
    total = {key_id: int(calls) for key_id, calls in session.execute(sums.group_by(UsageDay.key_id))}
    yield from ((key_id, Oddity.OLD_SECRET, superseded, total[key_id]) for key_id, superseded, _ in rows if superseded)
    for key_id, superseded, refused in sorted(rows, key=lambda row: -row[2]):
        if refused - superseded >= REFUSED_MIN and refused * REFUSED_SHARE >= total[key_id]:
            yield key_id, Oddity.REFUSALS, refused, total[key_id]


def _of(owners: Owners) -> tuple[ColumnElement[bool], ...]:
    return () if owners is None else (UsageDay.key_id.in_(select(Key.id).where(*of_owners(owners))),)


def _surges(session: Session, owners: Owners, today: date) -> Iterator[_Finding]:
    peaks: dict[str, int] = {}
    for key_id, calls in _peaks(session, owners, today):
        peaks[key_id] = max(calls, peaks.get(key_id, 0))
    usual = _medians(session, peaks, today)
    for key_id, calls in sorted(peaks.items(), key=lambda each: (-each[1], each[0])):
        if key_id in usual and calls >= SURGE_TIMES * usual[key_id]:
            yield key_id, Oddity.SURGE, calls, usual[key_id]


def _peaks(session: Session, owners: Owners, today: date) -> Iterator[tuple[str, int]]:
    """Find days with more calls than on any day of the base: of a steady key the first look at the base says no."""
    earlier = aliased(UsageDay)
    base = (earlier.day >= today - timedelta(days=BASE_DAYS + 1), earlier.day < today - timedelta(days=1))
    same = (earlier.key_id == UsageDay.key_id, earlier.code == VerdictCode.OK.value, *base)
    recent = (UsageDay.day >= today - timedelta(days=1), UsageDay.code == VerdictCode.OK.value)
    enough = (*recent, UsageDay.calls >= SURGE_CALLS_MIN, *_of(owners))
    unheard_of = select(UsageDay.key_id, UsageDay.calls).where(*enough)
    unheard_of = unheard_of.where(~exists().where(*same, earlier.calls >= UsageDay.calls), exists().where(*same))
    yield from ((key_id, calls) for key_id, calls in session.execute(unheard_of))


def _medians(session: Session, key_ids: Collection[str], today: date) -> Mapping[str, int]:
    """Return the calls of a usual day, of keys of which enough days are known."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    base = (UsageDay.day >= today - timedelta(days=BASE_DAYS + 1), UsageDay.day < today - timedelta(days=1))
    ordered = sorted(key_ids)
    for start in range(0, len(ordered), _CHUNK):
        among = UsageDay.key_id.in_(ordered[start : start + _CHUNK])
        statement = select(UsageDay.key_id, UsageDay.calls).where(among, UsageDay.code == VerdictCode.OK.value, *base)
        for key_id, calls in session.execute(statement):
            found[key_id].append(calls)
    return {key_id: median_low(calls) for key_id, calls in found.items() if len(calls) >= KNOWN_DAYS_MIN}


def _keys(session: Session, key_ids: Collection[str]) -> Mapping[str, ReportKey]:
    statement = select(*KEY_COLUMNS).select_from(Key).join(Credential, is_current()).where(Key.id.in_(sorted(key_ids)))
    return {row[0]: report_key(row) for row in session.execute(statement)}
