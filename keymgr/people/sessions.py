"""Sign-in sessions: the browser holds 256 random bits, the table only their SHA-256."""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from keymgr.people.trail import tell
from keymgr.people.whois import Visitor, visitor_of
from keymgr.policy.model import Policy
from keymgr.store.audit import Actor
from keymgr.store.people import Person, PersonState, SignInSession

_TOKEN_BYTES = 32
_TOKEN_LENGTH_MAX = 64
_SEEN_EVERY = timedelta(seconds=60)


def open_session(session: Session, person: Person, *, actor: Actor, now: datetime) -> str:
    """Begin a session under a fresh token and return the token; only the browser will know it."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    row = SignInSession(
        id=_digest(token),
        person_id=person.id,
        created_at=now,
        seen_at=now,
        signed_in_at=now,
        address=(actor.address or "")[:64],
        user_agent=(actor.user_agent or "")[:300],
    )
    session.add(row)
    session.flush()
    return token


def find(
    session: Session,
    token: str,
    now: datetime,
    *,
    policy: Policy | None,
    demo: bool,
    idle_seconds: int,
    absolute_seconds: int,
) -> Visitor | None:
    """Find who holds the token; None when the session is over or its person may not act. It only reads.

    People of the demo are nobody outside `demo`. Call `keep_alive` afterwards, or an idle session ends while in use.
    """
    if len(token) > _TOKEN_LENGTH_MAX:
        return None
    statement = (
        select(SignInSession, Person)
        .join(Person, Person.id == SignInSession.person_id)
        .where(
            SignInSession.id == _digest(token),
            Person.state == PersonState.ACTIVE,
            SignInSession.seen_at > now - timedelta(seconds=idle_seconds),
            SignInSession.created_at > now - timedelta(seconds=absolute_seconds),
        )
    )
    row = session.execute(statement).one_or_none()
    if row is None or (row.Person.sample and not demo):
        return None
    return visitor_of(session, row.Person, row.SignInSession, policy)


def is_due(visitor: Visitor, now: datetime) -> bool:
    """Tell whether `keep_alive` would write, so that a door that only reads need not begin to write for nothing."""
    return now - visitor.seen_at >= _SEEN_EVERY


def keep_alive(session: Session, visitor: Visitor, now: datetime) -> None:
    """Note that the session is in use, at most once a minute, so that its idle time starts over."""
    if is_due(visitor, now):
        session.execute(update(SignInSession).where(SignInSession.id == visitor.session_id).values(seen_at=now))


def end(session: Session, visitor: Visitor, *, actor: Actor, now: datetime) -> None:
    """End the visitor's session; its token is nobody's from the commit on."""
    session.execute(delete(SignInSession).where(SignInSession.id == visitor.session_id))
    tell(session, actor, now, "person.signed_out", about=("person", visitor.name))


def end_all(session: Session, person: Person, *, actor: Actor, now: datetime) -> None:
    """End every session of a person, on every browser."""
    session.execute(delete(SignInSession).where(SignInSession.person_id == person.id))
    tell(session, actor, now, "person.sessions_ended", about=("person", person.name))


def purge(session: Session, *, now: datetime, idle_seconds: int, absolute_seconds: int) -> None:
    """Delete the rows of sessions that are over anyway."""
    over = or_(
        SignInSession.seen_at <= now - timedelta(seconds=idle_seconds),
        SignInSession.created_at <= now - timedelta(seconds=absolute_seconds),
    )
    session.execute(delete(SignInSession).where(over))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
