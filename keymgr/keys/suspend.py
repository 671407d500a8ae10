"""Take a key out of use for a while, and put it back: admins only."""

from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import NotNow, NotYours, Resumed, ResumeOutcome, Suspended, SuspendOutcome
from keymgr.keys.revoke import tidy_note
from keymgr.keys.rights import Rights, hold_key
from keymgr.keys.trail import Event, tell
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.keys import Key, KeyState

_NOBODY: frozenset[str] = frozenset()


def suspend(
    session: Session,
    *,
    key_id: str,
    actor: Actor,
    rights: Rights,
    note: str,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> SuspendOutcome:
    """Suspend an active key; from the commit on no verifier of this node accepts it until it is resumed."""

    def work() -> SuspendOutcome:
        key = _read(session, key_id, rights)
        if key is None:
            return NotYours()
        if key.state != KeyState.ACTIVE:
            return NotNow(f"The key “{key.name}” is {key.state}; only an active key can be suspended.")
        _change(session, key, KeyState.SUSPENDED, note=tidy_note(note), actor=actor, level=level, now=now)
        return Suspended(key.id, now)

    return once(session, submit, "suspend", now, about=key_id, work=work, made=_made)


def resume(
    session: Session,
    *,
    key_id: str,
    actor: Actor,
    rights: Rights,
    note: str = "",
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> ResumeOutcome:
    """Put a suspended key back into use; it keeps its dates, so it may have expired meanwhile."""

    def work() -> ResumeOutcome:
        key = _read(session, key_id, rights)
        if key is None:
            return NotYours()
        if key.state != KeyState.SUSPENDED:
            return NotNow(f"The key “{key.name}” is {key.state}; only a suspended key can be resumed.")
        _change(session, key, KeyState.ACTIVE, note=tidy_note(note), actor=actor, level=level, now=now)
        return Resumed(key.id, now)

    return once(session, submit, "resume", now, about=key_id, work=work, made=_made)


def _read(session: Session, key_id: str, rights: Rights) -> Key | None:
    return hold_key(session, key_id, None if rights.admin else _NOBODY)


def _change(
    session: Session, key: Key, state: KeyState, *, note: str, actor: Actor, level: AuditLevel, now: datetime
) -> None:
    key.state = state
    key.state_reason = note if note and state is KeyState.SUSPENDED else None
    session.flush()
    action = "key.suspended" if state is KeyState.SUSPENDED else "key.resumed"
    detail = {"name": key.name, "owner": key.owner, "note": note}
    tell(session, level, actor, now, Event(action, "key", key.id, detail))
    announce(session, ChangeKind.KEY, key.id, now)


def _made(outcome: SuspendOutcome | ResumeOutcome) -> str | None:
    return outcome.key_id if isinstance(outcome, Suspended | Resumed) else None
