"""A new generation of a key's secret: minted, digested, numbered, wrapped. The text leaves this room once."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.issuer import Issuer
from keymgr.keys.signing_keys import ensure_active
from keymgr.keys.turns import take_turn
from keymgr.policy.model import Policy, TokenForm
from keymgr.store.base import EPOCH
from keymgr.store.keys import Credential, Key
from keymgr.tokens.claims import Claims
from keymgr.tokens.identifiers import new_id
from keymgr.tokens.opaque import render
from keymgr.tokens.secret import digest, mint
from keymgr.tokens.wrap import wrap

_POLICY_DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Minted:
    """A stored credential beside the one text that is kept nowhere."""

    credential: Credential
    token: str = field(repr=False)


def whole_seconds(moment: datetime) -> datetime:
    """Cut a moment to the second: dates in tokens are whole, and the row must say the same as the token."""
    return moment.replace(microsecond=0)


def fresh_id(prefix: str, now: datetime) -> str:
    """Make the id of a new row."""
    return new_id(prefix, now, secrets.token_bytes(10))


def mint_credential(
    session: Session, key: Key, *, generation: int, policy: Policy, issuer: Issuer, now: datetime
) -> Minted:
    """Add the current credential of `key` and write its token in the key's form."""
    secret = mint(issuer.secret_bytes)
    expires_at, rotate_by = _dates(key, now)
    credential = Credential(
        id=fresh_id("crd", now),
        key_id=key.id,
        generation=generation,
        secret_digest=digest(secret, issuer.pepper),
        status_index=_next_status_index(session),
        issued_at=whole_seconds(now),
        expires_at=expires_at,
        rotate_by=rotate_by,
    )
    token = _token(session, key, credential, secret, policy=policy, issuer=issuer, now=now)
    session.add(credential)
    session.flush()
    return Minted(credential, token)


def _dates(key: Key, now: datetime) -> tuple[datetime, datetime | None]:
    """Say when the credential ends, and when it should be replaced: None where it may live as long as the key."""
    rotate_every_seconds = key.terms["rotate_every_seconds"]
    if rotate_every_seconds is None:
        return key.expires_at, None
    rotate_by = whole_seconds(now) + timedelta(seconds=rotate_every_seconds)
    if rotate_by >= key.expires_at:
        return key.expires_at, None
    overlap = timedelta(seconds=key.terms["rotation_overlap_seconds"])
    return min(key.expires_at, rotate_by + overlap), rotate_by


def _next_status_index(session: Session) -> int:
    """Find the credential's place in the status list; others who number theirs wait until this transaction ends."""
    take_turn(session, "status index")
    highest = session.scalar(select(func.max(Credential.status_index)))
    return 0 if highest is None else highest + 1


def _token(
    session: Session, key: Key, credential: Credential, secret: str, *, policy: Policy, issuer: Issuer, now: datetime
) -> str:
    if key.token_form == TokenForm.OPAQUE:
        return render(key.environment, credential.id, secret)
    signing_key = ensure_active(session, issuer, now)
    credential.signing_kid = signing_key.kid
    issued_at = _unix(credential.issued_at)
    claims = Claims(
        issuer=issuer.url,
        subject=key.owner,
        audience=key.service,
        client_id=key.id,
        credential_id=credential.id,
        scopes=frozenset(key.scopes),
        environment=key.environment,
        issued_at=issued_at,
        not_before=issued_at,
        expires_at=_unix(credential.expires_at),
        status_index=credential.status_index,
        status_uri=issuer.status_uri,
        policy=f"{policy.digest.removeprefix('sha256:')[:_POLICY_DIGEST_LENGTH]}:{key.rule}",
        secret=secret,
    )
    return wrap(claims, signing_key)


def _unix(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds())
