"""Choosing a password of one's own: the old one is given again, and every sign-in ends but a fresh one that goes on."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from argon2 import PasswordHasher
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from keymgr.people.passwords import HASHER, check_strength, hash_password, verify
from keymgr.people.sessions import open_session
from keymgr.people.sign_in import stored_hash
from keymgr.people.throttle import Throttle, Throttled
from keymgr.people.trail import tell
from keymgr.people.whois import Visitor
from keymgr.store.audit import Actor
from keymgr.store.people import Person, PersonState, SignInSession


@dataclass(frozen=True, slots=True)
class Chosen:
    """The new password is in force. `token` goes into the cookie in place of the old one, and is kept nowhere else."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotChosen:
    """Nothing was changed; `sentence` says what to correct, and in which of the two passwords."""

    which: Literal["old", "new"]
    sentence: str


ChooseOutcome = Chosen | NotChosen | Throttled


def choose_password(
    session: Session,
    visitor: Visitor,
    *,
    old: str,
    new: str,
    actor: Actor,
    throttle: Throttle,
    now: datetime,
    hasher: PasswordHasher = HASHER,
) -> ChooseOutcome:
    """Replace the visitor's password; tries count together with those of signing in.

    Whoever took a sign-in of theirs, this one included, is out. `session` must not have begun, because on SQLite it
    would keep everybody else from writing while the hashes are worked out.
    """
    weakness = check_strength(new)
    if weakness is not None:
        return NotChosen("new", weakness)
    throttled = throttle.admit(visitor.name, actor.address, now)
    if throttled is not None:
        return throttled
    stored = stored_hash(session, visitor.name, demo=True)
    if not verify(stored, old, hasher):
        return _refuse(session, visitor, actor, now)
    if verify(stored, new, hasher):
        return NotChosen("new", "This is the password you have. Choose another one.")
    fresh = hash_password(new, hasher)
    person = session.scalar(select(Person).where(Person.id == visitor.person_id).with_for_update())
    if person is None or person.password_hash != stored or person.state != PersonState.ACTIVE:
        return _refuse(session, visitor, actor, now)
    throttle.forgive(visitor.name)
    person.password_hash = fresh
    session.execute(delete(SignInSession).where(SignInSession.person_id == person.id))
    tell(session, actor, now, "person.password_chosen", about=("person", visitor.name))
    return Chosen(open_session(session, person, actor=actor, now=now))


def _refuse(session: Session, visitor: Visitor, actor: Actor, now: datetime) -> NotChosen:
    tell(session, actor, now, "person.password_refused", about=("person", visitor.name), outcome="refused")
    return NotChosen("old", "This is not your password. Check it and try again.")
