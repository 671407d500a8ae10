"""Two applies at the same moment, two hundred times on both databases: one wins, the other is unchanged or stale."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.reconcile.apply import Applied, ApplyOutcome, Expectation, Stale
from keymgr.reconcile.live import in_force
from keymgr.reconcile.rollback import RollbackOutcome, RolledBack
from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.policies import PolicyHead, PolicyRevision
from tests.reconcile.doors import applied, apply, rollback
from tests.reconcile.small_policy import small_policy

RACES = 200


class Pair:
    """Two applies that start together, each with connections of its own, as two processes have them."""

    def __init__(self, database_url: str) -> None:
        self.engines = [connect(database_url) for _ in range(2)]
        self.barrier = Barrier(2)
        self.pool = ThreadPoolExecutor(2)

    def race(self, sides: Sequence[Mapping[str, bytes]], now: datetime, expect: Expectation) -> list[ApplyOutcome]:
        def run(number: int) -> ApplyOutcome:
            self.barrier.wait(30)
            return apply(self.engines[number], sides[number], now, label=f"side-{number}", expect=expect)

        return list(self.pool.map(run, range(2)))

    def close(self) -> None:
        self.pool.shutdown()
        for engine in self.engines:
            engine.dispose()


def changed(outcome: ApplyOutcome) -> bool:
    return isinstance(outcome, Applied) and outcome.changed


def test_of_two_applies_one_wins_and_the_other_is_unchanged_or_stale(
    engine: Engine, database_url: str, now: datetime
) -> None:
    base = applied(apply(engine, small_policy(89), now)).digest
    pair, revisions = Pair(database_url), 1
    try:
        for race in range(RACES):
            days = 1 + race % 80
            is_same = race % 2 == 0
            sides = [small_policy(days, "b"), small_policy(days, "b" if is_same else "c")]
            outcomes = pair.race(sides, now, Expectation(base=None if is_same else base))
            winners = [each for each in outcomes if changed(each)]
            assert len(winners) == 1, outcomes
            (loser,) = (each for each in outcomes if not changed(each))
            winner = applied(winners[0])
            if is_same:
                assert isinstance(loser, Applied)
                assert (loser.revision, loser.digest) == (winner.revision, winner.digest)
            else:
                assert loser == Stale(base, winner.digest)
            base, revisions = winner.digest, revisions + 1
    finally:
        pair.close()
    look(engine, revisions)


def look(engine: Engine, revisions: int) -> None:
    """Check that every revision is one side's whole policy, and told once."""
    with Session(engine) as session:
        rows = session.scalars(select(PolicyRevision).order_by(PolicyRevision.id)).all()
        assert len(rows) == revisions
        told = session.scalars(select(AuditEvent.object_id).order_by(AuditEvent.id)).all()
        assert told == [str(row.id) for row in rows]
        live = in_force(session)
        assert live is not None
        assert (live.revision, live.policy.digest) == (rows[-1].id, rows[-1].digest)
        for row in rows:
            rules = {entry["name"]: entry["data"] for entry in row.documents if entry["kind"] == "IssuanceRule"}
            assert rules.keys() in ({"a"}, {"a", "b"}, {"a", "c"})
            assert len({data["spec"]["limits"]["max_ttl"] for data in rules.values()}) == 1


def test_a_rollback_and_an_apply_at_once_come_one_after_the_other(
    engine: Engine, database_url: str, now: datetime
) -> None:
    for days in (30, 31):
        apply(engine, small_policy(days), now)
    pair = Pair(database_url)

    def back() -> RollbackOutcome:
        pair.barrier.wait(30)
        return rollback(pair.engines[0], 1, now)

    def on() -> ApplyOutcome:
        pair.barrier.wait(30)
        return apply(pair.engines[1], small_policy(32), now)

    try:
        first, second = pair.pool.submit(back), pair.pool.submit(on)
        went_back, went_on = first.result(), second.result()
    finally:
        pair.close()
    assert isinstance(went_back, RolledBack)
    assert changed(went_on)
    with Session(engine) as session:
        head = session.get_one(PolicyHead, 1)
        last = session.get_one(PolicyRevision, head.revision_id)
        assert (head.pinned_reason is None) == (last.rollback_of is None)
        assert session.query(PolicyRevision).count() == 4
