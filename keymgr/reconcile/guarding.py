"""Judges a change of policy before it is applied: with every live key, by the guards of both sides."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.policy.existing import LiveKey
from keymgr.policy.guards import GuardReport
from keymgr.policy.plan import Plan, plan
from keymgr.policy.read import ReadPolicy
from keymgr.reconcile.live_keys import live_keys
from keymgr.store.base import EPOCH
from keymgr.store.policies import SpentAck


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a change does, and the live keys it was judged by, ordered by id."""

    plan: Plan
    keys: tuple[LiveKey, ...]

    @property
    def report(self) -> GuardReport:
        """Which guards trip, and which of them somebody has acknowledged."""
        return self.plan.guards

    @property
    def renamed_rules(self) -> dict[str, str]:
        """Map former names of rules to their new ones."""
        renamed = (each for each in self.plan.objects if each.kind == "IssuanceRule")
        return {each.previous_name: each.name for each in renamed if each.previous_name}

    @property
    def detail(self) -> dict[str, Any]:
        """What the audit trail tells of it: the keys by effect, and each acknowledgement with what it excused."""
        counts = self.plan.keys.counts if self.plan.keys else {}
        excused = {trip.guard.value: trip.excused_by.name for trip in self.report.trips if trip.excused_by}
        return {
            "keys": {effect.value: count for effect, count in sorted(counts.items())},
            "capabilities": {delta.value: count for delta, count in sorted(self.plan.deltas.items())},
            "acknowledged": excused,
        }


def judge_change(session: Session, base: ReadPolicy | None, head: ReadPolicy, now: datetime) -> Judgement:
    """Plan the change with the keys as they are in this transaction; writes nothing. Without a base no guard trips."""
    before = None if base is None else base.policy
    keys = tuple(live_keys(session, head.policy, now, before=before))
    seconds = int((now - EPOCH).total_seconds())
    return Judgement(plan(base, head, now=seconds, keys=keys, spent=spent_acks(session)), keys)


def spent_acks(session: Session) -> frozenset[str]:
    """Return the digests of the acknowledgements that have excused a guard already."""
    return frozenset(session.scalars(select(SpentAck.ack_digest)))


def spend(session: Session, report: GuardReport, revision_id: int) -> None:
    """Mark the acknowledgements that let a change through, in the transaction that applies it."""
    for trip in report.trips:
        ack = trip.excused_by
        if ack is not None:
            spent = SpentAck(ack_digest=ack.digest, name=ack.name, guard=trip.guard.value, revision_id=revision_id)
            session.add(spent)
    session.flush()
