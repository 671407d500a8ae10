"""Live keys as policy pages show them: counted for everybody, named only to those who may know them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from keymgr.people.whois import Visitor, owners_of
from keymgr.policy.existing import Verdict
from keymgr.policy.model import PortalPermission
from keymgr.store.keys import Key, KeyState
from keymgr.store.standing import KeyStanding

SHOWN_MAX = 20
_OVERSIGHT = frozenset({PortalPermission.ADMIN, PortalPermission.AUDITOR, PortalPermission.REVIEWER})
OUT_OF_POLICY = (Verdict.VIOLATES.value, Verdict.UNKNOWN.value)


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One live key; `may_open` tells whether its page exists for the visitor."""

    id: str
    name: str
    owner: str
    service: str
    environment: str
    expires_at: datetime
    may_open: bool


@dataclass(frozen=True, slots=True)
class LiveKeys:
    """How many live keys there are, and the first of those the visitor may know by name."""

    total: int
    known: int
    lines: tuple[KeyLine, ...]


@dataclass(frozen=True, slots=True)
class Misfit:
    """One live key that does not fit the policy, why, and what follows when."""

    key: KeyLine
    verdict: str
    sentences: tuple[str, ...]
    action: str | None
    due_at: datetime | None
    acted_at: datetime | None


def oversees(visitor: Visitor) -> bool:
    """Tell whether the visitor looks after everybody's keys: admins, auditors and reviewers."""
    return bool(visitor.portal & _OVERSIGHT)


def live_keys_where(session: Session, visitor: Visitor, now: datetime, *where: ColumnElement[bool]) -> LiveKeys:
    """Count the live keys that meet the conditions, and name those of them that the visitor may know."""
    live = (*alive(now), *where)
    total = session.scalar(select(func.count()).select_from(Key).where(*live)) or 0
    mine = (*live, *known_to(visitor))
    known = session.scalar(select(func.count()).select_from(Key).where(*mine)) or 0
    statement = select(*_COLUMNS).where(*mine).order_by(Key.name, Key.id).limit(SHOWN_MAX)
    return LiveKeys(total, known, tuple(_line(row, visitor) for row in session.execute(statement)))


def misfits(session: Session, visitor: Visitor, now: datetime) -> tuple[Misfit, ...]:
    """Return the live keys that do not fit, those on which something happens soonest first."""
    columns = (KeyStanding.verdict, KeyStanding.reasons, KeyStanding.action, KeyStanding.due_at, KeyStanding.acted_at)
    statement = (
        select(*_COLUMNS, *columns)
        .join(KeyStanding, KeyStanding.key_id == Key.id)
        .where(*alive(now), *known_to(visitor), KeyStanding.verdict.in_(OUT_OF_POLICY))
        .order_by(KeyStanding.due_at, Key.id)
        .limit(SHOWN_MAX)
    )
    return tuple(_misfit(row, visitor) for row in session.execute(statement))


def count_misfits(session: Session, now: datetime) -> int:
    """Count the live keys that do not fit, or cannot be shown to."""
    statement = (
        select(func.count())
        .select_from(KeyStanding)
        .join(Key, Key.id == KeyStanding.key_id)
        .where(KeyStanding.verdict.in_(OUT_OF_POLICY), *alive(now))
    )
    return session.scalar(statement) or 0


def alive(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a live key: neither revoked nor expired; a suspended one is live."""
    return (Key.state != KeyState.REVOKED, Key.expires_at > now)


def known_to(visitor: Visitor) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions under which the visitor may know a key by name."""
    return () if oversees(visitor) else (Key.owner.in_(sorted(owners_of(visitor))),)


_COLUMNS = (Key.id, Key.name, Key.owner, Key.service, Key.environment, Key.expires_at)


def _line(row: Sequence[Any], visitor: Visitor) -> KeyLine:
    may_open = PortalPermission.ADMIN in visitor.portal or row[2] in owners_of(visitor)
    return KeyLine(row[0], row[1], row[2], row[3], row[4], row[5], may_open)


def _misfit(row: Sequence[Any], visitor: Visitor) -> Misfit:
    verdict, reasons, action, due_at, acted_at = row[len(_COLUMNS) :]
    sentences = tuple(str(reason["sentence"]) for reason in reasons)
    return Misfit(_line(row, visitor), verdict, sentences, action, due_at, acted_at)
