"""Revoke a key: for good, at once, with a reason."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import NotNow, NotYours, Revoked, RevokeOutcome
from keymgr.keys.rights import Rights, hold_key
from keymgr.keys.trail import Event, tell
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.keys import Key, KeyState
from keymgr.tokens.spotting import without_secrets

NOTE_LENGTH_MAX = 150


class RevokeReason(StrEnum):
    """Why a key is taken out of use."""

    LEAKED = "leaked"
    NOT_NEEDED = "not_needed"
    OWNER_LEFT = "owner_left"
    POLICY = "policy"
    OTHER = "other"


def revoke(
    session: Session,
    *,
    key_id: str,
    actor: Actor,
    rights: Rights,
    reason: RevokeReason,
    note: str = "",
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> RevokeOutcome:
    """Revoke a key of the actor, of a service account of the actor's teams, or for an admin any key.

    An expired key can still be revoked. From the commit on no verifier of this node accepts it. Of the note the first
    150 characters are kept.
    """

    def work() -> RevokeOutcome:
        key = hold_key(session, key_id, rights.stoppable)
        if key is None:
            return NotYours()
        if key.state == KeyState.REVOKED:
            return NotNow(f"The key “{key.name}” is already revoked, by {key.revoked_by}. There is nothing left to do.")
        return _revoke(session, key, reason=reason, note=tidy_note(note), actor=actor, level=level, now=now)

    return once(session, submit, "revoke", now, about=key_id, work=work, made=_made)


def tidy_note(note: str) -> str:
    """Cut a note to its length and leave out what cannot be shown, and must not be: a key that leaked, say."""
    shown = "".join(character for character in without_secrets(note) if character.isprintable())
    return shown.strip()[:NOTE_LENGTH_MAX]


def _revoke(
    session: Session, key: Key, *, reason: RevokeReason, note: str, actor: Actor, level: AuditLevel, now: datetime
) -> Revoked:
    key.state = KeyState.REVOKED
    key.state_reason = f"{reason}: {note}" if note else reason.value
    key.revoked_at = now
    key.revoked_by = actor.id
    session.flush()
    detail = {"name": key.name, "owner": key.owner, "reason": reason.value, "note": note}
    tell(session, level, actor, now, Event("key.revoked", "key", key.id, detail))
    announce(session, ChangeKind.KEY, key.id, now)
    return Revoked(key.id, now)


def _made(outcome: RevokeOutcome) -> str | None:
    return outcome.key_id if isinstance(outcome, Revoked) else None
