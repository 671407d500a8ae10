"""How many keys an owner has, for `max_keys_per_owner`."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.policy.model import Evidence, Wish
from keymgr.store.keys import Key, KeyState


def with_keys_held(
    session: Session, evidence: Evidence, *, owner: str, wish: Wish, now: datetime, beside: str | None = None
) -> Evidence:
    """Count the owner's live keys for the same service and environment into the evidence; suspended ones are live.

    `beside` names a key that does not count, because it is the one being judged. The count stays true until commit
    only where the owner's turn has been taken.
    """
    statement = select(func.count()).where(
        Key.owner == owner,
        Key.service == wish.service,
        Key.environment == wish.environment,
        Key.state != KeyState.REVOKED,
        Key.expires_at > now,
    )
    if beside is not None:
        statement = statement.where(Key.id != beside)
    return replace(evidence, keys_held=session.scalar(statement) or 0)
