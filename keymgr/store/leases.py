"""Leases: which process does the clock's work, so that several nodes do not do it twice."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from keymgr.store.base import Record


class Lease(Record):
    """`holder` may do the work called `name` until `until`."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(80))
    until: Mapped[datetime]
