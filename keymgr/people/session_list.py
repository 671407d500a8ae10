"""Where somebody is signed in: one line for each browser, and ending one of them."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from keymgr.people.trail import tell
from keymgr.people.whois import Visitor
from keymgr.store.audit import Actor
from keymgr.store.people import SignInSession

_HANDLE_LENGTH = 16
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    (r"iPhone", "iPhone"),
    (r"iPad", "iPad"),
    (r"Android", "Android"),
    (r"Windows", "Windows"),
    (r"Mac OS X|Macintosh", "macOS"),
    (r"CrOS", "ChromeOS"),
    (r"Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser that is signed in; `handle` names it among the person's own, and is of no other use."""

    handle: str
    device: str
    address: str
    signed_in_at: datetime
    seen_at: datetime
    is_this: bool


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over; `was_this` means that it was the one that asked."""

    was_this: bool


@dataclass(frozen=True, slots=True)
class NoSuchSession:
    """There is no such session of this person, or not any more."""


def sessions_of(
    session: Session, visitor: Visitor, now: datetime, *, idle_seconds: int, absolute_seconds: int
) -> tuple[OpenSession, ...]:
    """List the browsers that the visitor is signed in on, the one used last first."""
    open_ones = (
        SignInSession.person_id == visitor.person_id,
        SignInSession.seen_at > now - timedelta(seconds=idle_seconds),
        SignInSession.created_at > now - timedelta(seconds=absolute_seconds),
    )
    statement = select(SignInSession).where(*open_ones).order_by(SignInSession.seen_at.desc(), SignInSession.id)
    return tuple(_open(row, visitor) for row in session.scalars(statement))


def end_one(
    session: Session, visitor: Visitor, handle: str, *, actor: Actor, now: datetime
) -> SessionEnded | NoSuchSession:
    """End one session of the visitor; its token is nobody's from the commit on."""
    ids = session.scalars(select(SignInSession.id).where(SignInSession.person_id == visitor.person_id)).all()
    found = next((session_id for session_id in ids if session_id[:_HANDLE_LENGTH] == handle), None)
    if found is None:
        return NoSuchSession()
    session.execute(delete(SignInSession).where(SignInSession.id == found))
    tell(session, actor, now, "person.session_ended", about=("person", visitor.name))
    return SessionEnded(found == visitor.session_id)


def device_of(user_agent: str) -> str:
    """Name browser and system as far as the browser tells, such as `Firefox on Linux`."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for pattern, name in _SYSTEMS if re.search(pattern, user_agent)), "")
    return " on ".join(part for part in (browser, system) if part) or "Unknown browser"


def _open(row: SignInSession, visitor: Visitor) -> OpenSession:
    return OpenSession(
        handle=row.id[:_HANDLE_LENGTH],
        device=device_of(row.user_agent),
        address=row.address,
        signed_in_at=row.signed_in_at,
        seen_at=row.seen_at,
        is_this=row.id == visitor.session_id,
    )
