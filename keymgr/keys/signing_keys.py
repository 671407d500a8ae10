"""The keys that sign tokens: made when first needed, sealed in the database, replaced under live traffic.

There is always exactly one active key and one that is published and comes next; old ones stay published until the last
secret that they signed has ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.orm import Session

from keymgr.keys.issuer import Issuer
from keymgr.keys.outcomes import NotNow, NotYours
from keymgr.keys.trail import CLOCK, Event, tell
from keymgr.keys.turns import take_turn
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.keys import Credential, CredentialState, Key, KeyState, SigningKeyState
from keymgr.store.keys import SigningKey as Row
from keymgr.tokens import signing
from keymgr.tokens.keyring import Keyring
from keymgr.tokens.signing import Algorithm, SigningKey, VerifyingKey

_TURN = "signing keys"
_PUBLISHED = (SigningKeyState.ACTIVE, SigningKeyState.NEXT, SigningKeyState.RETIRING)
SETTLING = timedelta(hours=1)
"""How long a key stays published whatever needs it: what it signed last may be on its way, and clocks differ."""


@dataclass(frozen=True, slots=True)
class Rolled:
    """The key that signs from now on, the one that signed until now, and the one that is published to come next."""

    active: str
    retiring: str
    following: str


@dataclass(frozen=True, slots=True)
class Retired:
    """The key is published no more; nothing that it signed is good any longer."""

    kid: str


def ensure_active(session: Session, issuer: Issuer, now: datetime) -> SigningKey:
    """Read the key that signs; make one when there is none yet or the settings ask for another algorithm.

    Any number of processes may call it at once: one makes the key, the others wait and find it.
    """
    row = _only(session, SigningKeyState.ACTIVE)
    if row is None or row.algorithm != issuer.algorithm:
        take_turn(session, _TURN)
        row = _only(session, SigningKeyState.ACTIVE)
        if row is None or row.algorithm != issuer.algorithm:
            row = _advance(session, issuer, CLOCK, now, row)
    return _unseal(row, issuer)


def roll(session: Session, issuer: Issuer, *, actor: Actor, now: datetime) -> Rolled:
    """Let the next key sign and the active one retire; old tokens stay good, because both stay published."""
    ensure_active(session, issuer, now)
    take_turn(session, _TURN)
    old = _only(session, SigningKeyState.ACTIVE)
    assert old is not None  # noqa: S101 - ensure_active has just seen to it, and nothing deletes signing keys.
    active = _advance(session, issuer, actor, now, old)
    following = _only(session, SigningKeyState.NEXT)
    assert following is not None  # noqa: S101 - _advance has just made it.
    return Rolled(active.kid, old.kid, following.kid)


def retire(
    session: Session, *, kid: str, actor: Actor, level: AuditLevel, now: datetime
) -> Retired | NotYours | NotNow:
    """Publish a retiring key no more; refused while a live secret still needs it."""
    take_turn(session, _TURN)
    row = session.scalar(select(Row).where(Row.kid == kid).execution_options(populate_existing=True))
    if row is None:
        return NotYours()
    if row.state != SigningKeyState.RETIRING:
        return NotNow(f"The signing key {kid} is {row.state}; only one that is retiring can be retired.")
    if row.retiring_at is not None and row.retiring_at > now - SETTLING:
        return NotNow(
            f"The signing key {kid} signed until less than an hour ago. Wait until what it signed is settled."
        )
    if session.scalar(select(exists().where(Row.kid == kid, is_needed(now)))):
        return NotNow(f"Live keys are still signed by {kid}, and would be refused. Wait until they end or are rotated.")
    _retire(session, row, level, actor, now)
    return Retired(kid)


def retire_unneeded(session: Session, *, level: AuditLevel, now: datetime) -> int:
    """Retire every key that nothing needs any more, and say how many; what the clock calls."""
    due = (Row.state == SigningKeyState.RETIRING, Row.retiring_at <= now - SETTLING, ~exists().where(is_needed(now)))
    kids = session.scalars(select(Row.kid).where(*due).order_by(Row.kid)).all()
    outcomes = [retire(session, kid=kid, actor=CLOCK, level=level, now=now) for kid in kids]
    return sum(isinstance(outcome, Retired) for outcome in outcomes)


def is_needed(now: datetime) -> ColumnElement[bool]:
    """Write the condition on `Credential` and its `Key` that a signing key's row is needed for this secret."""
    return and_(
        Credential.signing_kid == Row.kid,
        Credential.state != CredentialState.RETIRED,
        Credential.expires_at > now - SETTLING,
        Key.id == Credential.key_id,
        Key.state != KeyState.REVOKED,
    )


def load_keyring(session: Session, issuer: Issuer) -> Keyring | None:
    """Read the key that signs and all keys whose tokens are good; None before the first key was made."""
    rows = session.scalars(select(Row).where(Row.state.in_(_PUBLISHED)).order_by(Row.created_at, Row.kid)).all()
    keys = {row.kid: _unseal(row, issuer) for row in rows}
    active = next((keys[row.kid] for row in rows if row.state == SigningKeyState.ACTIVE), None)
    if active is None:
        return None
    verifying: Mapping[str, VerifyingKey] = {kid: signing.verifying_key(key) for kid, key in keys.items()}
    return Keyring(active, verifying)


def public_jwks(session: Session) -> list[dict[str, Any]]:
    """List the public keys to publish, oldest first; HS* keys have no public part and are left out."""
    statement = select(Row.public_jwk).where(Row.state.in_(_PUBLISHED)).order_by(Row.created_at, Row.kid)
    return [jwk for jwk in session.scalars(statement) if jwk is not None]


def _only(session: Session, state: SigningKeyState) -> Row | None:
    statement = select(Row).where(Row.state == state).execution_options(populate_existing=True)
    return session.scalars(statement).one_or_none()


def _advance(session: Session, issuer: Issuer, actor: Actor, now: datetime, old: Row | None) -> Row:
    """Retire the old key, activate the next (or a new one where the algorithm differs), and publish a following one."""
    if old is not None:
        old.state = SigningKeyState.RETIRING
        old.retiring_at = now
        session.flush()
        _tell(session, issuer.audit_level, actor, now, old)
    active = _next_of(session, issuer, actor, now)
    active.state = SigningKeyState.ACTIVE
    active.activated_at = now
    session.flush()
    _tell(session, issuer.audit_level, actor, now, active)
    _tell(session, issuer.audit_level, actor, now, _make(session, issuer, now))
    return active


def _next_of(session: Session, issuer: Issuer, actor: Actor, now: datetime) -> Row:
    waiting = _only(session, SigningKeyState.NEXT)
    if waiting is None:
        return _make(session, issuer, now)
    if waiting.algorithm == issuer.algorithm:
        return waiting
    _retire(session, waiting, issuer.audit_level, actor, now)
    return _make(session, issuer, now)


def _retire(session: Session, row: Row, level: AuditLevel, actor: Actor, now: datetime) -> None:
    row.state = SigningKeyState.RETIRED
    row.retired_at = now
    session.flush()
    _tell(session, level, actor, now, row)


def _make(session: Session, issuer: Issuer, now: datetime) -> Row:
    key = signing.generate(issuer.algorithm)
    sealed = issuer.vault.seal(signing.to_bytes(key), row=_place(key.kid))
    row = Row(
        kid=key.kid,
        algorithm=key.algorithm,
        state=SigningKeyState.NEXT,
        public_jwk=signing.public_jwk(key),
        sealed=sealed.blob,
        kek_id=sealed.kek_id,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _unseal(row: Row, issuer: Issuer) -> SigningKey:
    private = issuer.vault.unseal(row.kek_id, row.sealed, row=_place(row.kid))
    return signing.from_bytes(Algorithm(row.algorithm), private)


def _place(kid: str) -> str:
    """Name the row a sealed key is bound to, so that two rows cannot be swapped."""
    return f"signing_key:{kid}"


def _tell(session: Session, level: AuditLevel, actor: Actor, now: datetime, row: Row) -> None:
    event = Event(f"signing_key.{row.state}", "signing_key", row.kid, {"algorithm": row.algorithm})
    tell(session, level, actor, now, event)
    announce(session, ChangeKind.SIGNING_KEY, row.kid, now)
