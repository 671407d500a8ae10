"""How a key stands, in one word, worked out by the database so that lists can filter and sort by it."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Case, ColumnElement, and_, case, exists, func, select
from sqlalchemy.orm import aliased

from keymgr.store.keys import Credential, CredentialState, Key, KeyState

EXPIRING = timedelta(days=14)


class Status(StrEnum):
    """The word for a key's state on every page; where several fit, the later one here counts."""

    ACTIVE = "Active"
    EXPIRING = "Expiring"
    GRACE = "Grace"
    SUSPENDED = "Suspended"
    EXPIRED = "Expired"
    REVOKED = "Revoked"


def is_current() -> ColumnElement[bool]:
    """Write the condition that joins `Key` with its current `Credential`; there is always exactly one."""
    return and_(Credential.key_id == Key.id, Credential.state == CredentialState.CURRENT)


def status_at(now: datetime) -> Case[str]:
    """Write the word as an SQL expression over `Key` joined with its current `Credential`.

    A key whose current token has run out is Expired, even where a rotation could still give it a new one.
    """
    old = aliased(Credential)
    in_grace = exists().where(old.key_id == Key.id, old.state == CredentialState.RETIRING, old.retires_at > now)
    return case(
        (Key.state == KeyState.REVOKED, Status.REVOKED.value),
        (Credential.expires_at <= now, Status.EXPIRED.value),
        (Key.state == KeyState.SUSPENDED, Status.SUSPENDED.value),
        (in_grace, Status.GRACE.value),
        (Credential.expires_at <= now + EXPIRING, Status.EXPIRING.value),
        else_=Status.ACTIVE.value,
    )


def has_status(status: Status, now: datetime) -> ColumnElement[bool]:
    """Write the condition over `Key` alone that its word is this one, in a form that needs no work on other keys."""
    revoked, active = Key.state == KeyState.REVOKED, Key.state == KeyState.ACTIVE
    soon = now + EXPIRING
    current = select(Credential.key_id).where(Credential.state == CredentialState.CURRENT)
    works = Key.id.in_(current.where(Credential.expires_at > now))
    retiring = select(Credential.key_id).where(Credential.state == CredentialState.RETIRING)
    old_works = retiring.where(Credential.retires_at > now)
    words: dict[Status, ColumnElement[bool]] = {
        Status.REVOKED: revoked,
        Status.EXPIRED: and_(~revoked, Key.id.in_(current.where(Credential.expires_at <= now))),
        Status.SUSPENDED: and_(Key.state == KeyState.SUSPENDED, works),
        Status.GRACE: and_(active, works, Key.id.in_(old_works)),
        Status.EXPIRING: and_(
            active,
            Key.id.in_(current.where(Credential.expires_at > now, Credential.expires_at <= soon)),
            Key.id.not_in(old_works),
        ),
        Status.ACTIVE: and_(active, Key.id.in_(current.where(Credential.expires_at > soon)), Key.id.not_in(old_works)),
    }
    return words[status]


def old_good_until(now: datetime) -> ColumnElement[datetime | None]:
    """Write until when the key's old secret is good, None where there is none any more."""
    old = aliased(Credential)
    good = (old.key_id == Key.id, old.state == CredentialState.RETIRING, old.retires_at > now)
    return select(func.max(old.retires_at)).where(*good).correlate(Key).scalar_subquery()
