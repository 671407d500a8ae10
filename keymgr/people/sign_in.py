"""Signing in with a name and a password: one answer for every failure, one cost, and only so many tries."""

from dataclasses import dataclass, field
from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.people.names import BadName, normalise
from keymgr.people.passwords import HASHER, hash_password, verify
from keymgr.people.sessions import open_session
from keymgr.people.throttle import Throttle, Throttled
from keymgr.people.trail import tell
from keymgr.people.whois import PERSON_PREFIX
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.people import Person, PersonState


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The password fits. `token` goes into the cookie, in place of what was there, and is kept nowhere else.

    Without `password_is_own`, whoever added the person or set the password knows it too, so another has to be chosen.
    """

    person: Person
    token: str = field(repr=False)
    password_is_own: bool = True


@dataclass(frozen=True, slots=True)
class WrongNameOrPassword:
    """Nobody was signed in; the one sentence does not tell which part was wrong."""

    sentence: str = "The name and the password do not fit together. Check both and try again."


SignInOutcome = SignedIn | WrongNameOrPassword | Throttled


def sign_in(
    session: Session,
    *,
    name: str,
    password: str,
    actor: Actor,
    demo: bool,
    throttle: Throttle,
    now: datetime,
    hasher: PasswordHasher = HASHER,
) -> SignInOutcome:
    """Check a name and a password and open a session. People of the demo get in only when `demo`.

    `actor` says where the attempt comes from. The stored hash is read through a connection of its own, because on
    SQLite the session would keep everybody else from writing while the hash is worked out.
    """
    account = _account(name)
    throttled = throttle.admit(account or f"no name: {name}", actor.address, now)
    if throttled is not None:
        return throttled
    stored = stored_hash(session, account, demo=demo)
    fits = verify(stored, password, hasher)
    person = session.scalar(select(Person).where(Person.name == account).with_for_update())
    if person is None or not fits or person.password_hash != stored or person.state != PersonState.ACTIVE:
        about = ("person", "unknown" if person is None else person.name)
        tell(session, actor, now, "person.sign_in_refused", about=about, outcome="refused")
        return WrongNameOrPassword()
    throttle.forgive(account)
    if hasher.check_needs_rehash(str(stored)):
        person.password_hash = hash_password(password, hasher)
    token = open_session(session, person, actor=actor, now=now)
    signed_in = Actor(PERSON_PREFIX + person.name, actor.address, actor.user_agent, actor.request_id)
    tell(session, signed_in, now, "person.signed_in", about=("person", person.name))
    return SignedIn(person, token, _is_own(session, person))


def _is_own(session: Session, person: Person) -> bool:
    """Tell whether the person chose the password, as the trail remembers; those of the demo are everybody's anyway."""
    about = (AuditEvent.object_kind == "person", AuditEvent.object_id == person.name)
    set_by = AuditEvent.action.in_(("person.added", "person.password_set", "person.password_chosen"))
    latest = select(AuditEvent.action).where(*about, set_by).order_by(AuditEvent.id.desc()).limit(1)
    action = session.scalar(latest)
    # The first admin adds themself, so nobody else has known that password.
    by_others = {"person.password_set"} if person.bootstrap_admin else {"person.added", "person.password_set"}
    return person.sample or action is None or action not in by_others


def _account(name: str) -> str:
    """Return the spelling of a name, and for what cannot be one a name that nobody has."""
    try:
        return normalise(name)
    except BadName:
        return ""


def stored_hash(session: Session, account: str, *, demo: bool) -> str | None:
    """Read the hash of somebody who may sign in through a connection of its own; None for everybody else."""
    statement = select(Person.password_hash).where(Person.name == account, Person.state == PersonState.ACTIVE)
    if not demo:
        statement = statement.where(Person.sample.is_(False))
    bind = session.get_bind()
    engine = bind if isinstance(bind, Engine) else bind.engine
    with engine.connect().execution_options(read_only=True) as connection:
        return connection.scalar(statement)
