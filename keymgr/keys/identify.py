"""Whose secret somebody has in their hands: recognised by the keyed hash that is kept, and by nothing else."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.listing import KeyRow, find_row
from keymgr.keys.rights import Rights
from keymgr.store.keys import Credential, CredentialState
from keymgr.tokens.claims import from_payload
from keymgr.tokens.front import inspect
from keymgr.tokens.opaque import recognise
from keymgr.tokens.rejected import Rejected
from keymgr.tokens.secret import digest
from keymgr.tokens.wrap import TOKEN_TYPE


@dataclass(frozen=True, slots=True)
class Identified:
    """The key that a secret belongs to. `old_until` is set for a secret that was rotated away: when it ends or did."""

    row: KeyRow
    is_current: bool
    old_until: datetime | None


def identify(session: Session, text: str, *, rights: Rights, pepper: bytes, now: datetime) -> Identified | None:
    """Find the key of a presented secret; None when it is none of ours or the actor may not know of its key.

    It counts as no call and says nothing of whether the signature would be accepted: only the secret inside is looked
    up, so an expired key, or one whose signing key is gone, is found as well.
    """
    secret = _secret_of(text)
    if secret is None:
        return None
    columns = (Credential.key_id, Credential.state, Credential.retires_at, Credential.retired_at)
    found = session.execute(select(*columns).where(Credential.secret_digest == digest(secret, pepper))).first()
    row = None if found is None else find_row(session, found[0], rights.stoppable, now=now)
    if found is None or row is None:
        return None
    _, state, retires_at, retired_at = found
    is_current = state == CredentialState.CURRENT
    return Identified(row, is_current, None if is_current else retires_at or retired_at)


def _secret_of(text: str) -> str | None:
    """Read the secret out of an opaque key or a token, unverified; None for anything else."""
    opaque = recognise(text)
    if opaque is not None:
        return opaque.secret
    presented = inspect(text, typ=TOKEN_TYPE)
    if isinstance(presented, Rejected):
        return None
    claims = from_payload(presented.payload)
    return None if isinstance(claims, Rejected) else claims.secret
