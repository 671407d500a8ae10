"""Bring a key's end forward to now: no verifier accepts it any more, and it does not come back."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.keys.mint import whole_seconds
from keymgr.keys.trail import Event, tell
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.keys import Credential, Key


def expire(session: Session, key: Key, *, note: str, actor: Actor, level: AuditLevel, now: datetime) -> None:
    """End a key that the caller holds, with all its credentials; a key that has ended keeps its date."""
    ends_at = whole_seconds(now)
    if key.expires_at <= ends_at:
        return
    detail = {"name": key.name, "owner": key.owner, "note": note, "would_have_ended": key.expires_at.isoformat()}
    key.expires_at = ends_at
    key.state_reason = note
    later = (Credential.key_id == key.id, Credential.expires_at > ends_at)
    session.execute(update(Credential).where(*later).values(expires_at=ends_at))
    session.flush()
    tell(session, level, actor, now, Event("key.expired", "key", key.id, detail))
    announce(session, ChangeKind.KEY, key.id, now)
