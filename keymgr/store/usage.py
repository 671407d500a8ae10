"""Tables of use: how often keys were presented, per hour and per day, and from where."""

from datetime import date, datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from keymgr.store.base import Record


class Usage(Record):
    """How often a key was presented, per hour and verdict code; written in batches by the verify path."""

    __tablename__ = "key_usage"

    key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    calls: Mapped[int]


class UsageDay(Record):
    """The same per day, for lists and charts over weeks; written together with the hours."""

    __tablename__ = "key_usage_day"

    key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    calls: Mapped[int]


class KeySource(Record):
    """One address a key was used from, as far as the callers said; only accepted calls. Old rows are trimmed."""

    __tablename__ = "key_source"

    key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)
    calls: Mapped[int]
