"""What owners hold and held: the keys that a decision about one more of them is weighed against."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.store.keys import Key, KeyState

_READ_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Holding:
    """One key as far as it matters here; `state` is what was decided about it, expiry is told by `expires_at`."""

    id: str
    name: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    state: KeyState
    state_reason: str | None
    last_used_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Tell whether it is neither revoked nor expired; a suspended key is live."""
        return self.state is not KeyState.REVOKED and self.expires_at > now


_FIELDS = tuple(field.name for field in fields(Holding))
_COLUMNS = tuple(getattr(Key, name) for name in _FIELDS)


def holdings_of(session: Session, owner: str) -> tuple[Holding, ...]:
    """List the newest keys of an owner, revoked and expired ones among them, at most 1,000."""
    statement = select(*_COLUMNS).where(Key.owner == owner).order_by(Key.created_at.desc(), Key.id.desc())
    return tuple(_holding(row) for row in session.execute(statement.limit(_READ_MAX)))


def holders_of(session: Session, service: str, now: datetime) -> frozenset[str]:
    """Name the owners of live keys of a service; the door finds out who of them is a team mate of whom."""
    live = (Key.service == service, Key.state != KeyState.REVOKED, Key.expires_at > now)
    return frozenset(session.scalars(select(Key.owner).where(*live).distinct()))


def live_holdings(session: Session, service: str, owners: Collection[str], now: datetime) -> tuple[Holding, ...]:
    """List the newest live keys that these owners have of a service, at most 1,000."""
    live = (Key.service == service, Key.state != KeyState.REVOKED, Key.expires_at > now)
    statement = select(*_COLUMNS).where(*live, Key.owner.in_(sorted(owners)))
    ordered = statement.order_by(Key.created_at.desc(), Key.id.desc()).limit(_READ_MAX)
    return tuple(_holding(row) for row in session.execute(ordered))


def _holding(row: Sequence[Any]) -> Holding:
    values = dict(zip(_FIELDS, row, strict=True))
    return Holding(**{**values, "scopes": tuple(values["scopes"]), "state": KeyState(values["state"])})
