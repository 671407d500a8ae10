"""Who is asking: Flask-Login on our server-side sessions; the cookie holds a token, the row everything else."""

from typing import cast

from flask import Flask, g, request
from flask_login import LoginManager, UserMixin, current_user

from keymgr import db
from keymgr.keys.rights import Rights
from keymgr.people.sessions import find, is_due, keep_alive
from keymgr.people.whois import Visitor, asker_of_owner, owners_of
from keymgr.policy.model import Asker, InForce, PortalPermission
from keymgr.store.audit import Actor
from keymgr.web.portal import address, desk, now, request_id

_USER_AGENT_LENGTH_MAX = 300


class SignedInPerson(UserMixin):  # type: ignore[misc]  # Flask-Login carries no types.
    """A visitor in the form that Flask-Login keeps; its id is the token of the session, None for who just came in."""

    def __init__(self, token: str, visitor: Visitor | None = None) -> None:
        self.token = token
        self.visitor = visitor

    def get_id(self) -> str:
        """Return what goes into the cookie."""
        return self.token


def attach(app: Flask) -> None:
    """Teach Flask-Login to find our sessions; it keeps no remember cookie and guesses nothing from addresses."""
    manager = LoginManager()
    manager.session_protection = None
    manager.init_app(app, add_context_processor=False)  # Or every page, a failure's too, would ask the database.
    manager.user_loader(_load)


def _load(token: str) -> SignedInPerson | None:
    policy = in_force()
    visitor = find(
        db.session(),
        token,
        now(),
        policy=None if policy is None else policy.policy,
        demo=desk().demo,
        idle_seconds=desk().session_idle_seconds,
        absolute_seconds=desk().session_absolute_seconds,
    )
    return None if visitor is None else SignedInPerson(token, visitor)


def in_force() -> InForce | None:
    """Return the policy that decides now, read once for a request."""
    if "in_force" not in g:
        g.in_force = desk().in_force(db.session())
    return cast("InForce | None", g.in_force)


def is_signed_in() -> bool:
    """Tell whether somebody is signed in; an ended, expired or suspended session counts as nobody."""
    return bool(current_user.is_authenticated)


def visitor() -> Visitor:
    """Return who is signed in; pages behind sign-in always have one."""
    return cast("Visitor", current_user.visitor)


def note_use() -> bool:
    """Let the idle time start over, at most once a minute, in a short transaction of its own before the page's.

    True means that it did, and that the session has no transaction any more.
    """
    if not is_due(visitor(), now()):
        return False
    session = db.session()
    session.rollback()
    keep_alive(session, visitor(), now())
    session.commit()
    return True


def actor() -> Actor:
    """Return the visitor as the audit trail names them, with where the request came from."""
    return _from_here(visitor().asker.id)


def stranger() -> Actor:
    """Return somebody who has not signed in."""
    return _from_here("anonymous")


def rights() -> Rights:
    """Return whose keys the visitor may act on."""
    return Rights(owners_of(visitor()), admin=PortalPermission.ADMIN in visitor().portal)


def asker_for(owner_id: str) -> Asker | None:
    """Return an owner as the policy in force sees it; None when the visitor may not act for it."""
    if owner_id not in owners_of(visitor()):
        return None
    if owner_id == visitor().asker.id:
        return visitor().asker
    policy = in_force()
    return asker_of_owner(db.session(), owner_id, None if policy is None else policy.policy)


def _from_here(actor_id: str) -> Actor:
    return Actor(
        id=actor_id,
        address=address(),
        user_agent=request.headers.get("User-Agent", "")[:_USER_AGENT_LENGTH_MAX],
        request_id=request_id(),
    )
