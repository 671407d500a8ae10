"""What an apply does to live keys: written in its transaction, carried out by the clock after its commit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from keymgr.policy.existing import LiveKey, Standing
from keymgr.policy.model import Policy
from keymgr.policy.plan_keys import key_impact
from keymgr.reconcile.guarding import Judgement
from keymgr.reconcile.live_keys import live_keys
from keymgr.reconcile.standings import Look, Noted, note_standings
from keymgr.store.base import EPOCH
from keymgr.store.keys import Key
from keymgr.store.policies import PolicyRevision

_ACTOR_LENGTH = 80


def after_apply(
    session: Session,
    before: Policy | None,
    after: Policy,
    revision_id: int,
    now: datetime,
    *,
    judged: Judgement | None = None,
) -> Noted:
    """Write how every live key stands by the policy that has just been put in force, and what follows.

    `judged` is what `judge_change` said in this transaction; without it the keys are read and judged here, and no rule
    is taken for a renamed one. The caller owns the policy lock.
    """
    keys, known = _judged(session, before, after, now) if judged is None else _known(judged)
    renamed = {} if judged is None else judged.renamed_rules
    _follow_renames(session, renamed)
    keys = [replace(key, rule=renamed[key.rule]) if key.rule in renamed else key for key in keys]
    applied_by = session.scalar(select(PolicyRevision.applied_by).where(PolicyRevision.id == revision_id)) or ""
    return note_standings(Look(session, after, revision_id, applied_by[:_ACTOR_LENGTH], now), keys, known)


def _known(judged: Judgement) -> tuple[Sequence[LiveKey], Mapping[str, Standing]]:
    impacts = () if judged.plan.keys is None else judged.plan.keys.impacts
    return judged.keys, {impact.key.id: impact.after for impact in impacts}


def _judged(
    session: Session, before: Policy | None, after: Policy, now: datetime
) -> tuple[Sequence[LiveKey], Mapping[str, Standing]]:
    keys = tuple(live_keys(session, after, now, before=before))
    report = key_impact(keys, before, after, int((now - EPOCH).total_seconds()))
    return keys, {impact.key.id: impact.after for impact in report.impacts}


def _follow_renames(session: Session, renamed: Mapping[str, str]) -> None:
    """Let keys go on pointing at their rule under its new name; all at once, because names may have been swapped."""
    if renamed:
        named = update(Key).where(Key.rule.in_(renamed))
        session.execute(named.values(rule=case(dict(renamed), value=Key.rule)))
