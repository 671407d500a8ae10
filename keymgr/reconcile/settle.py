"""Brings one key to what the policy in force asks of it, whatever errand was the reason to look."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.keys.consequences import carry_out, leave, release
from keymgr.keys.rights import hold_key
from keymgr.keys.standing import Stood, stood, write_standings
from keymgr.keys.trail import CLOCK
from keymgr.people.owners import read_owners
from keymgr.policy.existing import LiveKey, standing_of
from keymgr.policy.model import InForce, OwnerExit, ViolationAction
from keymgr.reconcile.live_keys import Chosen, live_keys
from keymgr.reconcile.standings import Look, note_standings
from keymgr.store.audit import AuditLevel
from keymgr.store.keys import Key
from keymgr.store.people import PersonState


@dataclass(frozen=True, slots=True)
class Clockwork:
    """What the clock works with: the policy in force and how much the audit trail tells."""

    session: Session
    in_force: InForce
    level: AuditLevel
    now: datetime


def settle(work: Clockwork, key_id: str) -> datetime | None:
    """Judge a key anew and do what is due; return when to look again, None when nothing is left to do."""
    key = hold_key(work.session, key_id, None)
    policy = work.in_force.policy
    live = next(live_keys(work.session, policy, work.now, Chosen(ids=(key_id,))), None)
    if key is None or live is None:
        return None
    look = Look(work.session, policy, work.in_force.revision, CLOCK.id, work.now)
    note_standings(look, [live], {key_id: standing_of(policy, live, look.seconds)})
    how = stood(work.session, (key_id,)).get(key_id)
    if how is None or how.fits:
        release(work.session, key, level=work.level, now=work.now)
        return None
    if _has_left(work.session, live):
        rule = policy.rules.get(key.rule)
        exit_ = OwnerExit.SUSPEND if rule is None else rule.on_owner_exit
        leave(work.session, key, exit_, level=work.level, now=work.now)
    return _act(work, key, how)


def _act(work: Clockwork, key: Key, how: Stood) -> datetime | None:
    if not how.is_due(work.now):
        return how.due_at
    if how.action is None or (how.action is ViolationAction.FLAG and how.acted_at is not None):
        return None
    carry_out(work.session, key, how.action, how, level=work.level, now=work.now)
    acted = replace(how, acted_at=how.acted_at or work.now)
    write_standings(work.session, {key.id: acted}, work.in_force.revision, work.now)
    return None


def _has_left(session: Session, key: LiveKey) -> bool:
    owners = {} if key.asker.active else read_owners(session, (key.asker.id,))
    return any(owner.state is PersonState.LEFT for owner in owners.values())
