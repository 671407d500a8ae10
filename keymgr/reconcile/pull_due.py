"""When policy is fetched next: one row that all processes share, moved by the clock and by hints of the forge."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keymgr.store.leases import Lease, take

DUE = "policy-pull-due"
"""A lease that nobody holds: its `until` is the moment of the next fetch."""
RUNNING = "policy-pull"
"""The lease of the one process that fetches."""


def hint(session: Session, now: datetime) -> None:
    """Make the next fetch due at once. One that runs at the moment does not count: another one follows it."""
    _move(session, now)


def is_due(session: Session, now: datetime) -> bool:
    """Tell whether it is time to fetch; also when nothing was ever fetched."""
    until = session.scalar(select(Lease.until).where(Lease.name == DUE))
    return until is None or until <= now


def begin_fetch(session: Session, now: datetime, seconds: float) -> datetime:
    """Plan the next fetch as this one begins, and return when it is: what a hint moves meanwhile stays moved."""
    planned = now + timedelta(seconds=seconds)
    _move(session, planned)
    return planned


def postpone(session: Session, planned: datetime, later: datetime) -> None:
    """Put off the next fetch, unless a hint has called for it since it was planned."""
    session.execute(update(Lease).where(Lease.name == DUE, Lease.until == planned).values(until=later))


def _move(session: Session, until: datetime) -> None:
    """Set the moment, whatever it was before: the row belongs to everybody, so everybody has its one name."""
    take(session, DUE, DUE, until, 0)
