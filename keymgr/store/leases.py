"""Leases: which process does the clock's work, so that several nodes do not do it twice."""

from datetime import datetime, timedelta

from sqlalchemy import String, delete, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from keymgr.store.base import Record


class Lease(Record):
    """`holder` may do the work called `name` until `until`."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(80))
    until: Mapped[datetime]


def take(session: Session, name: str, holder: str, now: datetime, seconds: float) -> bool:
    """Take or keep the lease until `seconds` from `now`; False while another holder's time is not over."""
    row = {"name": name, "holder": holder, "until": now + timedelta(seconds=seconds)}
    free = or_(Lease.holder == holder, Lease.until <= now)
    statement = _insert(session).values(**row)
    statement = statement.on_conflict_do_update(index_elements=[Lease.name], set_=row, where=free)
    return session.scalar(statement.returning(Lease.name)) is not None


def give_back(session: Session, name: str, holder: str) -> None:
    """End the lease early, so that another process need not wait; nothing happens when it is not the holder's."""
    session.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))


def _insert(session: Session) -> postgresql.Insert | sqlite.Insert:
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(Lease)
    return sqlite.insert(Lease)
