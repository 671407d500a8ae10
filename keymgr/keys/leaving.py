"""What becomes of somebody's keys when they leave: told beforehand, by the rules that the keys were issued by."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.status import is_current
from keymgr.policy.model import OwnerExit, Policy
from keymgr.store.keys import Credential, Key, KeyState


@dataclass(frozen=True, slots=True)
class Leaving:
    """One live key of an owner, and what its rule says for an owner who leaves."""

    key_id: str
    name: str
    service: str
    environment: str
    expires_at: datetime
    last_used_at: datetime | None
    state: KeyState
    rule: str
    exit: OwnerExit


def keys_that_stay(session: Session, owner: str, policy: Policy | None, now: datetime) -> tuple[Leaving, ...]:
    """List the keys of an owner that are not over; a rule that is gone suspends, as the clock does."""
    columns = (
        Key.id,
        Key.name,
        Key.service,
        Key.environment,
        Key.expires_at,
        Key.last_used_at,
        Key.state,
        Key.rule,
    )
    live = (Key.owner == owner, Key.state != KeyState.REVOKED, Key.expires_at > now, Credential.expires_at > now)
    statement = select(*columns).join(Credential, is_current()).where(*live).order_by(Key.name, Key.id)
    return tuple(
        Leaving(*row[:6], state=KeyState(row.state), rule=row.rule, exit=_exit(policy, row.rule))
        for row in session.execute(statement)
    )


def _exit(policy: Policy | None, name: str) -> OwnerExit:
    rule = policy.rules.get(name) if policy else None
    return OwnerExit.SUSPEND if rule is None else rule.on_owner_exit
