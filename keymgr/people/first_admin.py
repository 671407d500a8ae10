"""The first admin of an empty install, let in once by a token that only the log showed, and the end of the set-up."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from keymgr.people.enrol import NewPerson, NotAdded, enrol
from keymgr.people.passwords import HASHER
from keymgr.people.trail import tell
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.people import Person, SetupToken

_TOKEN_BYTES = 32
_FINISHED, _VERIFIED = "setup.finished", "setup.key_verified"
_SETUP = Actor(id="anonymous")


@dataclass(frozen=True, slots=True)
class BadSetupToken:
    """The token is not the one of the log, or somebody has used it: the two look the same."""

    sentence: str = "This is not the code of the server's log. Each start of the server shows a new one there."


def make_setup_token(session: Session, now: datetime) -> str | None:
    """Make the token that lets the first admin in, replacing an earlier one; None once there is anybody.

    Sample people do not count, because nobody can sign in as one of them outside the demo.
    """
    if is_set_up(session):
        return None
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.execute(delete(SetupToken))
    session.add(SetupToken(id=1, digest=_digest(token), created_at=now))
    tell(session, Actor(id="cli:serve"), now, "setup.token_made", about=("setup", "first_admin"))
    return token


def is_set_up(session: Session) -> bool:
    """Tell whether the install has anybody but sample people."""
    return session.scalar(select(Person.id).where(Person.sample.is_(False)).limit(1)) is not None


def waits_for_first_admin(session: Session) -> bool:
    """Tell whether a token is out that would let the first admin in; it only reads."""
    return not is_set_up(session) and session.scalar(select(SetupToken.id)) is not None


def is_finished(session: Session) -> bool:
    """Tell whether an admin has said that the first set-up is over; the audit trail remembers it."""
    statement = select(AuditEvent.id).where(AuditEvent.action == _FINISHED).limit(1)
    return session.scalar(statement) is not None


def is_verified(session: Session) -> bool:
    """Tell whether a first key was issued and accepted by the verifier."""
    statement = select(AuditEvent.id).where(AuditEvent.action == _VERIFIED).limit(1)
    return session.scalar(statement) is not None


def note_verified(session: Session, key_id: str, *, actor: Actor, now: datetime) -> None:
    """Note that the verifier accepted a key of the set-up."""
    tell(session, actor, now, _VERIFIED, about=("key", key_id))


def finish_setup(session: Session, *, actor: Actor, now: datetime) -> None:
    """Note that the first set-up is over, so that its page is there no more."""
    if not is_finished(session):
        tell(session, actor, now, _FINISHED, about=("setup", "tasks"))


def claim_setup(
    session: Session,
    token: str,
    name: str,
    password: str,
    *,
    now: datetime,
    display_name: str = "",
    actor: Actor = _SETUP,
    hasher: PasswordHasher = HASHER,
) -> Person | NotAdded | BadSetupToken:
    """Spend the token on making the first admin; of several claims at once one succeeds.

    Raises `BadName`. After `NotAdded` the token is still good, so the form can be corrected and sent again.
    """
    if is_set_up(session) or not _is_good(session, token):
        return BadSetupToken()
    new = NewPerson(name=name, display_name=display_name, password=password, bootstrap_admin=True)
    person = enrol(session, new, actor=actor, now=now, hasher=hasher)
    if isinstance(person, NotAdded):
        return person
    session.execute(delete(SetupToken))
    tell(session, actor, now, "setup.claimed", about=("person", person.name))
    return person


def _is_good(session: Session, token: str) -> bool:
    """Compare with the stored digest, holding its row so that a second claim waits and then finds it gone."""
    statement = select(SetupToken.id).where(SetupToken.digest == _digest(token)).with_for_update()
    return session.scalar(statement) is not None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
