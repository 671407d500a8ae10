"""Which keys of somebody do not fit the policy any more, by when what happens, and what would mend it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.standing import FITTING
from keymgr.policy.decision import Reason
from keymgr.policy.existing import Verdict
from keymgr.policy.model import ViolationAction
from keymgr.store.keys import Key, KeyState
from keymgr.store.standing import KeyStanding

_REPLACE = "Ask for a new key that the policy allows, move to it, and revoke this one."
_REMEDIES = {
    Reason.LIMIT_TTL: "Replace it with a key that lives shorter.",
    Reason.GUARDRAIL_CEILING: "Replace it with a key that lives shorter.",
    Reason.LIMIT_CIDR: "Replace it with a key for networks that the policy allows.",
    Reason.GUARDRAIL_CIDR: "Replace it with a key for networks that the policy allows.",
    Reason.FACT_UNKNOWN: "Rotate it: what is missing is asked for and kept with the new secret.",
    Reason.FACT_MISMATCH: "Rotate it, once the condition is met.",
    Reason.GUARDRAIL_DENY: "Stop using it, or ask the guardrail's owner for a waiver.",
    Reason.OWNER_INACTIVE: "Its owner has to be active again: ask an admin.",
    Reason.UNKNOWN_NAME: "What it is for is no longer there: stop using it and revoke it.",
}
_BY_ROTATION = frozenset({Reason.FACT_UNKNOWN, Reason.FACT_MISMATCH})


@dataclass(frozen=True, slots=True)
class Flagged:
    """One live key that does not fit, or cannot be shown to; `acted_at` is set once `action` has happened."""

    id: str
    name: str
    owner: str
    service: str
    environment: str
    scopes: tuple[str, ...]
    verdict: Verdict
    sentence: str
    remedy: str
    by_rotation: bool
    action: ViolationAction | None
    due_at: datetime | None
    acted_at: datetime | None


def flagged_keys(session: Session, owners: frozenset[str], now: datetime, *, most: int) -> tuple[Flagged, ...]:
    """List the keys of `owners` that do not fit, those on which something happens soonest first."""
    mine = select(*_COLUMNS).join(KeyStanding).where(Key.owner.in_(sorted(owners)), *_out_of_policy(now))
    ordered = mine.order_by(KeyStanding.due_at, Key.id).limit(most)
    return tuple(_flagged(row) for row in session.execute(ordered))


def flag_of(session: Session, key_id: str, now: datetime) -> Flagged | None:
    """Read how one key does not fit; None when it does, or is over."""
    found = select(*_COLUMNS).join(KeyStanding).where(Key.id == key_id, *_out_of_policy(now))
    row = session.execute(found).one_or_none()
    return None if row is None else _flagged(row)


def _out_of_policy(now: datetime) -> tuple[Any, ...]:
    fitting = sorted(verdict.value for verdict in FITTING)
    return Key.state != KeyState.REVOKED, Key.expires_at > now, KeyStanding.verdict.not_in(fitting)


_COLUMNS = (
    Key.id,
    Key.name,
    Key.owner,
    Key.service,
    Key.environment,
    Key.scopes,
    KeyStanding.verdict,
    KeyStanding.reasons,
    KeyStanding.action,
    KeyStanding.due_at,
    KeyStanding.acted_at,
)


def _flagged(row: Sequence[Any]) -> Flagged:
    key_id, name, owner, service, environment, scopes, verdict, reasons, action, due_at, acted_at = row
    reason = Reason(reasons[0]["reason"])
    return Flagged(
        id=key_id,
        name=name,
        owner=owner,
        service=service,
        environment=environment,
        scopes=tuple(scopes),
        verdict=Verdict(verdict),
        sentence=reasons[0]["sentence"],
        remedy=_REMEDIES.get(reason, _REPLACE),
        by_rotation=reason in _BY_ROTATION,
        action=None if action is None else ViolationAction(action),
        due_at=due_at,
        acted_at=acted_at,
    )
