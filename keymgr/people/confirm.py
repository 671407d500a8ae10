"""Giving the password again: a sign-in that is a while ago becomes a recent one, in the same session."""

from dataclasses import dataclass
from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keymgr.people.passwords import HASHER, verify
from keymgr.people.sign_in import stored_hash
from keymgr.people.throttle import Throttle, Throttled
from keymgr.people.trail import tell
from keymgr.people.whois import Visitor
from keymgr.store.audit import Actor
from keymgr.store.people import Person, PersonState, SignInSession


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The password fits; the session counts as signed in at this moment."""

    at: datetime


@dataclass(frozen=True, slots=True)
class NotConfirmed:
    """The password does not fit, and nothing was changed."""

    sentence: str = "This is not your password. Check it and try again."


ConfirmOutcome = Confirmed | NotConfirmed | Throttled


def confirm(
    session: Session,
    visitor: Visitor,
    password: str,
    *,
    actor: Actor,
    throttle: Throttle,
    now: datetime,
    hasher: PasswordHasher = HASHER,
) -> ConfirmOutcome:
    """Check the password of somebody who is signed in; tries count together with those of signing in.

    `session` must not have begun, because on SQLite it would keep everybody else from writing meanwhile.
    """
    throttled = throttle.admit(visitor.name, actor.address, now)
    if throttled is not None:
        return throttled
    stored = stored_hash(session, visitor.name, demo=True)
    fits = verify(stored, password, hasher)
    person = session.scalar(select(Person).where(Person.id == visitor.person_id).with_for_update())
    about = ("person", visitor.name)
    if person is None or not fits or person.password_hash != stored or person.state != PersonState.ACTIVE:
        tell(session, actor, now, "person.confirm_refused", about=about, outcome="refused")
        return NotConfirmed()
    throttle.forgive(visitor.name)
    session.execute(update(SignInSession).where(SignInSession.id == visitor.session_id).values(signed_in_at=now))
    tell(session, actor, now, "person.confirmed", about=about)
    return Confirmed(now)
