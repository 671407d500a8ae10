"""The emergency override: whoever may, stops issuing for one service, scope or team, for hours, never for good.

It only narrows: no verb here grants anything, keys that exist work as before, and the policy itself is untouched.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit, once
from keymgr.keys.outcomes import AlreadyDone
from keymgr.keys.overrides import OverrideKind
from keymgr.keys.trail import Event, tell
from keymgr.policy.model import Policy
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.policies import PolicyOverride
from keymgr.tokens.identifiers import new_id

HOURS_MAX = 72
HOURS_USUAL = 24
REASON_LENGTH_MIN = 10
REASON_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Stop:
    """What somebody wants stopped: the texts as typed, and for how many hours (None: no number)."""

    kind: str
    target: str
    reason: str
    hours: int | None


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with what was typed; `field` is kind, target, reason or hours."""

    field: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Placed:
    """The override holds from the commit on, until `expires_at`."""

    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NotPlaced:
    """Nothing was written; every flaw is named."""

    flaws: tuple[Flaw, ...]


@dataclass(frozen=True, slots=True)
class Lifted:
    """The override holds no longer."""

    id: str


@dataclass(frozen=True, slots=True)
class NotActive:
    """There is no such override, or it is over already."""


def place(
    session: Session,
    stop: Stop,
    *,
    policy: Policy,
    actor: Actor,
    submit: Submit | None,
    level: AuditLevel,
    now: datetime,
) -> Placed | NotPlaced | AlreadyDone:
    """Stop issuing; the door has checked that the actor may, and owns the policy lock, so that no ask slips through."""
    flaws = flaws_of(stop, policy)
    if flaws:
        return NotPlaced(flaws)

    def work() -> Placed:
        row = _written(session, stop, actor, now)
        tell(session, level, actor, now, _event("override.placed", row))
        return Placed(row.id, row.expires_at)

    return once(session, submit, "override", now, work=work, made=_made)


def lift(session: Session, override_id: str, *, actor: Actor, level: AuditLevel, now: datetime) -> Lifted | NotActive:
    """End an override early; the door has checked that the actor may."""
    statement = select(PolicyOverride).where(
        PolicyOverride.id == override_id, PolicyOverride.expires_at > now, PolicyOverride.lifted_at.is_(None)
    )
    row = session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    if row is None:
        return NotActive()
    row.lifted_at, row.lifted_by = now, actor.id[:80]
    tell(session, level, actor, now, _event("override.lifted", row))
    return Lifted(row.id)


def flaws_of(stop: Stop, policy: Policy) -> tuple[Flaw, ...]:
    """Return everything wrong with what was typed, in the order of the form."""
    found = [_flaw_of_target(stop, policy)]
    if len(stop.reason) < REASON_LENGTH_MIN:
        found.append(Flaw("reason", "Say why in a sentence; everybody who is stopped reads it."))
    elif len(stop.reason) > REASON_LENGTH_MAX:
        found.append(Flaw("reason", f"At most {REASON_LENGTH_MAX} characters fit here."))
    if stop.hours is None or not 1 <= stop.hours <= HOURS_MAX:
        found.append(Flaw("hours", f"Choose between 1 and {HOURS_MAX} hours. What has to last goes into the policy."))
    return tuple(flaw for flaw in found if flaw)


def _flaw_of_target(stop: Stop, policy: Policy) -> Flaw | None:
    match stop.kind:
        case OverrideKind.SERVICE:
            known = stop.target in policy.services
        case OverrideKind.TEAM:
            known = stop.target in policy.teams
        case OverrideKind.SCOPE:
            service, _, scope = stop.target.partition("/")
            known = service in policy.services and scope in policy.services[service].scopes
        case _:
            return Flaw("target", "Choose what to stop: a service, a scope or a team.")
    return None if known else Flaw("target", f"The policy in force has no {stop.kind} of this name. Choose another.")


def _written(session: Session, stop: Stop, actor: Actor, now: datetime) -> PolicyOverride:
    row = PolicyOverride(
        id=new_id("ovr", now, secrets.token_bytes(10)),
        kind=stop.kind,
        target=stop.target,
        reason=stop.reason,
        created_at=now,
        created_by=actor.id[:80],
        expires_at=now + timedelta(hours=stop.hours or HOURS_USUAL),
    )
    session.add(row)
    session.flush()
    return row


def _event(action: str, row: PolicyOverride) -> Event:
    detail = {
        "kind": row.kind,
        "target": row.target,
        "reason": row.reason,
        "expires_at": row.expires_at.isoformat(timespec="seconds"),
    }
    return Event(action, "policy_override", row.id, detail)


def _made(outcome: Placed) -> str | None:
    return outcome.id
