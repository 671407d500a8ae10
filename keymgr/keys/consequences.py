"""What the policy does to a key that no longer fits, and what it takes back; all of it done by the clock.

A key that policy suspended says so in its reason. Only such a key is put back into use; what a person suspended stays.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never

from sqlalchemy.orm import Session

from keymgr.keys.expire import expire
from keymgr.keys.revoke import RevokeReason, revoke, tidy_note
from keymgr.keys.rights import Rights
from keymgr.keys.standing import Stood
from keymgr.keys.suspend import resume, suspend
from keymgr.keys.trail import CLOCK, Event, tell
from keymgr.policy.model import OwnerExit, ViolationAction
from keymgr.store.audit import AuditLevel
from keymgr.store.keys import Key, KeyState

BY_POLICY = "policy: "
OWNER_HAS_LEFT = BY_POLICY + "the owner has left"
_ANYBODYS = Rights(frozenset(), admin=True)


def is_held_by_policy(state: str, reason: str | None) -> bool:
    """Tell whether a key in this state is suspended because of the policy, not by a person."""
    return state == KeyState.SUSPENDED and (reason or "").startswith(BY_POLICY)


def carry_out(
    session: Session, key: Key, action: ViolationAction, how: Stood, *, level: AuditLevel, now: datetime
) -> None:
    """Do to a key what follows its violation now that the grace is over; what has been done is left as it is."""
    note = tidy_note(_sentence(how.reasons))
    match action:
        case ViolationAction.FLAG:
            detail = {"owner": key.owner, "name": key.name, "note": note}
            tell(session, level, CLOCK, now, Event("key.overdue", "key", key.id, detail))
        case ViolationAction.SUSPEND:
            _suspend(session, key, BY_POLICY + note, level=level, now=now)
        case ViolationAction.EXPIRE:
            expire(session, key, note=BY_POLICY + note, actor=CLOCK, level=level, now=now)
        case ViolationAction.REVOKE:
            _revoke(session, key, RevokeReason.POLICY, note, level=level, now=now)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(action)


def leave(session: Session, key: Key, exit_: OwnerExit, *, level: AuditLevel, now: datetime) -> None:
    """Do to an active key what its rule says for an owner who has left.

    There is nobody a key could be handed to: its secret is known to who left. So transfer suspends as well, and the
    team asks for a key of its own.
    """
    if key.state != KeyState.ACTIVE:
        return
    if exit_ is OwnerExit.REVOKE:
        _revoke(session, key, RevokeReason.OWNER_LEFT, "as the rule says", level=level, now=now)
    else:
        _suspend(session, key, OWNER_HAS_LEFT, level=level, now=now)


def release(session: Session, key: Key, *, level: AuditLevel, now: datetime) -> None:
    """Put a key back into use that policy suspended and that fits again; others stay as they are."""
    if is_held_by_policy(key.state, key.state_reason):
        resume(session, key_id=key.id, actor=CLOCK, rights=_ANYBODYS, submit=None, level=level, now=now)


def _suspend(session: Session, key: Key, note: str, *, level: AuditLevel, now: datetime) -> None:
    suspend(session, key_id=key.id, actor=CLOCK, rights=_ANYBODYS, note=note, submit=None, level=level, now=now)


def _revoke(session: Session, key: Key, reason: RevokeReason, note: str, *, level: AuditLevel, now: datetime) -> None:
    revoke(
        session,
        key_id=key.id,
        actor=CLOCK,
        rights=_ANYBODYS,
        reason=reason,
        note=note,
        submit=None,
        level=level,
        now=now,
    )


def _sentence(reasons: tuple[Mapping[str, str], ...]) -> str:
    return reasons[0]["sentence"] if reasons else "it no longer fits"
