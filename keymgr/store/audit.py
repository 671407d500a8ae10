"""The audit trail: one row per change of state or refused attempt, written in the same transaction as the change."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from keymgr.store.base import Record
from keymgr.tokens.spotting import without_secrets


class AuditLevel(StrEnum):
    """How much an event carries. Every level records every change of state and every sign-in.

    `basic`: who did what to which object. `detailed` adds refused attempts and where the actor came from.
    `verbose` adds the whole explanation (every rule considered) and the evidence.
    """

    BASIC = "basic"
    DETAILED = "detailed"
    VERBOSE = "verbose"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something and from where; `id` is `user:NAME`, `svc:NAME`, `cli:NAME`, `clock` or `anonymous`."""

    id: str
    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


class AuditEvent(Record):
    """One event. `id` orders the trail; `actor` is `user:NAME`, `svc:NAME`, `cli:NAME`, `clock` or `anonymous`."""

    __tablename__ = "audit_event"
    __table_args__ = (
        CheckConstraint("outcome in ('done', 'refused')", name="outcome"),
        Index("ix_audit_event_object", "object_kind", "object_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(80), index=True)
    action: Mapped[str] = mapped_column(String(64), index=True)
    object_kind: Mapped[str] = mapped_column(String(32))
    object_id: Mapped[str] = mapped_column(String(80))
    outcome: Mapped[str] = mapped_column(String(8))
    detail: Mapped[dict[str, Any]]
    request_id: Mapped[str | None] = mapped_column(String(64), default=None)
    address: Mapped[str | None] = mapped_column(String(64), default=None)


def record(session: Session, event: AuditEvent) -> None:
    """Add the event to the open transaction and flush it, so that a failing audit fails the change too.

    A key that somebody wrote into a name, a note or a search is left out.
    """
    event.detail = _without_secrets(event.detail)
    session.add(event)
    session.flush()


def _without_secrets(told: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold.
    match told:
        case str():
            return without_secrets(told)
        case dict():
            return {name: _without_secrets(value) for name, value in told.items()}
        case list() | tuple():
            return [_without_secrets(value) for value in told]
        case _:
            return told
