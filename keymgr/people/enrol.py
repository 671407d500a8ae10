"""How somebody becomes known here, gets a password, and stops being welcome."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.people.names import normalise
from keymgr.people.passwords import HASHER, check_strength, hash_password
from keymgr.people.sessions import end_all
from keymgr.people.trail import tell
from keymgr.people.whois import PERSON_PREFIX
from keymgr.store.audit import Actor
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.people import Person, PersonState
from keymgr.tokens.identifiers import new_id


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody to be added. `password` None means that they cannot sign in with one."""

    name: str
    display_name: str
    password: str | None = None
    email: str | None = None
    bootstrap_admin: bool = False
    sample: bool = False


@dataclass(frozen=True, slots=True)
class NotAdded:
    """Nobody was added or changed; `sentence` says what to correct."""

    sentence: str


def enrol(
    session: Session, new: NewPerson, *, actor: Actor, now: datetime, hasher: PasswordHasher = HASHER
) -> Person | NotAdded:
    """Add a person. Raises `BadName` for a name that is none; a taken name or a weak password is an answer.

    A taken address is one as well: policy names people by address, so a second one would be an alias of the first.
    """
    name = normalise(new.name)
    weakness = None if new.password is None else check_strength(new.password)
    if weakness is not None:
        return NotAdded(weakness)
    password_hash = None if new.password is None else hash_password(new.password, hasher)
    if session.scalar(select(Person.id).where(Person.name == name)) is not None:
        return NotAdded(f"Somebody is already called {name}. Choose another sign-in name.")
    if new.email is not None and _is_somebodys(session, new.email):
        return NotAdded(
            f"Somebody here has the address {new.email} already, and nobody is two people to the policy. "
            "If it is the same person and they are back, let them act again."
        )
    person = Person(
        id=new_id("usr", now, secrets.token_bytes(10)),
        name=name,
        display_name=new.display_name.strip()[:200] or name,
        created_at=now,
        email=new.email,
        password_hash=password_hash,
        bootstrap_admin=new.bootstrap_admin,
        sample=new.sample,
    )
    session.add(person)
    detail = {"email": new.email, "bootstrap_admin": new.bootstrap_admin, "sample": new.sample}
    tell(session, actor, now, "person.added", about=("person", name), detail=detail)
    return person


def _is_somebodys(session: Session, email: str) -> bool:
    """Tell whether a person has the address, spelt as policy compares it; who adds people waits for who else does."""
    session.execute(select(Person.id).order_by(Person.id).limit(1).with_for_update())
    known = session.scalars(select(Person.email).where(Person.email.is_not(None)))
    return email.casefold() in {address.casefold() for address in known if address}


def set_password(
    session: Session, person: Person, password: str, *, actor: Actor, now: datetime, hasher: PasswordHasher = HASHER
) -> NotAdded | None:
    """Replace a person's password and end all their sessions; None when it is done."""
    weakness = check_strength(password)
    if weakness is not None:
        return NotAdded(weakness)
    person.password_hash = hash_password(password, hasher)
    tell(session, actor, now, "person.password_set", about=("person", person.name))
    end_all(session, person, actor=actor, now=now)
    return None


def set_person_state(
    session: Session, person: Person, state: PersonState, *, actor: Actor, now: datetime, reason: str = ""
) -> None:
    """Change whether a person may act; somebody who may not has no session and no working key from the commit on."""
    if person.state == state:
        return
    detail = {"from": person.state, "to": state, "reason": reason}
    person.state = state
    tell(session, actor, now, "person.state_set", about=("person", person.name), detail=detail)
    announce(session, ChangeKind.OWNER, PERSON_PREFIX + person.name, now)
    if state is not PersonState.ACTIVE:
        end_all(session, person, actor=actor, now=now)
