"""Emergency overrides as asking sees them: what is not issued for a while, whatever the policy grants."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.outcomes import Closed
from keymgr.policy.model import Asker, Wish
from keymgr.store.policies import PolicyOverride


class OverrideKind(StrEnum):
    """What an override stops."""

    SERVICE = "service"
    SCOPE = "scope"
    TEAM = "team"


@dataclass(frozen=True, slots=True)
class Override:
    """One override that holds. `target` is the name of a service or team, of a scope `service/scope`."""

    id: str
    kind: OverrideKind
    target: str
    reason: str
    created_at: datetime
    created_by: str
    expires_at: datetime

    def stops(self, asker: Asker, wish: Wish) -> bool:
        """Tell whether the wish is not granted while this holds."""
        match self.kind:
            case OverrideKind.SERVICE:
                return wish.service == self.target
            case OverrideKind.SCOPE:
                return any(f"{wish.service}/{scope}" == self.target for scope in wish.scopes)
            case _:
                return self.target in asker.teams

    @property
    def words(self) -> str:
        """What is stopped, such as `the scope refunds:write of payments`."""
        if self.kind is OverrideKind.SCOPE:
            service, _, scope = self.target.partition("/")
            return f"the scope {scope} of {service}"
        return f"the {self.kind.value} {self.target}"


def active_overrides(session: Session, now: datetime) -> tuple[Override, ...]:
    """Return the overrides that hold now, the newest first."""
    rows = session.scalars(
        select(PolicyOverride)
        .where(PolicyOverride.expires_at > now, PolicyOverride.lifted_at.is_(None))
        .order_by(PolicyOverride.created_at.desc(), PolicyOverride.id.desc())
    )
    return tuple(
        Override(row.id, OverrideKind(row.kind), row.target, row.reason, row.created_at, row.created_by, row.expires_at)
        for row in rows
    )


def stopped(session: Session, asker: Asker, wish: Wish, now: datetime) -> Closed | None:
    """Say by which override the wish is not granted now; None where none stands in the way."""
    stopping = next((each for each in active_overrides(session, now) if each.stops(asker, wish)), None)
    if stopping is None:
        return None
    who = stopping.created_by.partition(":")[2] or stopping.created_by
    until = f"{stopping.expires_at.day} {stopping.expires_at:%b %Y, %H:%M} UTC"
    return Closed(
        f"Issuing is stopped for {stopping.words} until {until}, by an emergency override of {who}: "
        f"“{stopping.reason}”. Existing keys work as before; ask again then, or ask {who}."
    )
