"""Undo a rotation while its grace runs and nobody has used the new secret yet."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.keys.grace import changed, no_grace, pair_of
from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours
from keymgr.keys.rights import Rights, hold_key
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.keys import CredentialState, KeyState


@dataclass(frozen=True, slots=True)
class RotationUndone:
    """The old secret is the key's secret again, and the new one is out of use."""

    key_id: str
    at: datetime


UndoRotationOutcome = RotationUndone | NotYours | NotNow | AlreadyDone


def undo_rotation(
    session: Session,
    *,
    key_id: str,
    actor: Actor,
    rights: Rights,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> UndoRotationOutcome:
    """Take the new secret out of use and let the old one work on until its own end; for the owner only.

    The key keeps the terms that the rotation was granted by. A first use may take a second to be known, as usage is
    written in batches; then the new secret stops all the same.
    """

    def work() -> UndoRotationOutcome:
        key = hold_key(session, key_id, rights.owners)
        if key is None:
            return NotYours()
        pair = pair_of(session, key_id, now)
        if pair is None:
            return no_grace(key)
        if key.state != KeyState.ACTIVE:
            return NotNow(f"The key “{key.name}” is {key.state}; only the rotation of an active key can be undone.")
        if pair.new.first_used_at is not None:
            return NotNow(f"The new secret of the key “{key.name}” is in use already. Rotate again, or end the grace.")
        pair.new.state = CredentialState.RETIRED
        pair.new.retired_at = now
        session.flush()
        pair.old.state = CredentialState.CURRENT
        pair.old.retires_at = None
        session.flush()
        detail: dict[str, str | None] = {"credential": pair.old.id, "gave_up": pair.new.id}
        changed(session, key, "key.rotation_undone", detail, actor=actor, level=level, now=now)
        return RotationUndone(key.id, now)

    return once(session, submit, "undo_rotation", now, about=key_id, work=work, made=_made)


def _made(outcome: UndoRotationOutcome) -> str | None:
    return outcome.key_id if isinstance(outcome, RotationUndone) else None
