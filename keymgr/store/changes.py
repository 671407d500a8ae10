"""The change feed: what verifiers must look at again, in commit order of one node."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import String
from sqlalchemy.orm import Mapped, Session, mapped_column

from keymgr.store.base import Record


class ChangeKind(StrEnum):
    """What kind of thing changed; decides which cached states are dropped."""

    KEY = "key"
    OWNER = "owner"
    SERVICE_CREDENTIAL = "service_credential"
    SIGNING_KEY = "signing_key"


class Change(Record):
    """One thing that changed; `object_id` is a key id, an owner such as `user:ana`, a kid or a credential id."""

    __tablename__ = "change_feed"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's own way; a number never comes twice.

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    kind: Mapped[str] = mapped_column(String(24))
    object_id: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]


def announce(session: Session, kind: ChangeKind, object_id: str, now: datetime) -> None:
    """Add a change to the open transaction; verifiers see it with the commit or not at all."""
    session.add(Change(kind=kind, object_id=object_id, at=now))
    session.flush()
