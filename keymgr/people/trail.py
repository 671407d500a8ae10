"""How this room tells the audit trail what happened; nothing typed into a form goes in as it came."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from keymgr.store.audit import Actor, AuditEvent, record


def tell(
    session: Session,
    actor: Actor,
    now: datetime,
    action: str,
    *,
    about: tuple[str, str],
    detail: Mapping[str, Any] | None = None,
    outcome: Literal["done", "refused"] = "done",
) -> None:
    """Record one event in the open transaction; `about` is kind and name of what changed."""
    event = AuditEvent(
        at=now,
        actor=actor.id,
        action=action,
        object_kind=about[0],
        object_id=about[1],
        outcome=outcome,
        detail=dict(detail or {}),
        request_id=actor.request_id,
        address=actor.address,
    )
    record(session, event)
