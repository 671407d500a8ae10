"""How this room tells the audit trail what happened: one function for what was done, one for what was refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from keymgr.store.audit import Actor, AuditEvent, AuditLevel, record

CLOCK = Actor(id="clock")


@dataclass(frozen=True, slots=True)
class Event:
    """What to tell. `detail` is told at every level; `whole` is worked out and added only at `verbose`.

    No secret goes into either.
    """

    action: str
    object_kind: str
    object_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    whole: Callable[[], Mapping[str, Any]] | None = None


def tell(session: Session, level: AuditLevel, actor: Actor, now: datetime, event: Event) -> None:
    """Record a change of state, at every level, in the transaction of the change."""
    _write(session, level, actor, now, event, outcome="done")


def tell_refused(session: Session, level: AuditLevel, actor: Actor, now: datetime, event: Event) -> None:
    """Record an attempt that was refused, unless the level is `basic`."""
    if level is not AuditLevel.BASIC:
        _write(session, level, actor, now, event, outcome="refused")


def _write(session: Session, level: AuditLevel, actor: Actor, now: datetime, event: Event, *, outcome: str) -> None:
    row = AuditEvent(
        at=now,
        actor=actor.id,
        action=event.action,
        object_kind=event.object_kind,
        object_id=event.object_id,
        outcome=outcome,
        detail=_detail(level, actor, event),
        request_id=actor.request_id,
        address=None if level is AuditLevel.BASIC else actor.address,
    )
    record(session, row)


def _detail(level: AuditLevel, actor: Actor, event: Event) -> dict[str, Any]:
    detail = dict(event.detail)
    if level is not AuditLevel.BASIC and actor.user_agent is not None:
        detail["user_agent"] = actor.user_agent
    if level is AuditLevel.VERBOSE and event.whole is not None:
        detail.update(event.whole())
    return detail
