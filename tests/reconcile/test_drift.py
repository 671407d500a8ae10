"""What somebody changes behind our back is seen, named, and mended; the mend is a revision like any other."""

from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.orm import Session

from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.reconcile.apply import Refused
from keymgr.reconcile.drift import Drift, DriftKind, Fixed, NotFixed, find_drift, fix_drift
from keymgr.reconcile.status import Health, read_status
from keymgr.store.audit import AuditEvent
from keymgr.store.policies import PolicyHead, PolicyRevision
from keymgr.store.standing import Effect
from tests.reconcile.doors import applied, apply, days_in_force, rollback, tamper
from tests.reconcile.small_policy import small_policy


def read(days: int, now: datetime) -> ReadPolicy:
    found = read_policy(small_policy(days), now=now)
    assert isinstance(found, ReadPolicy)
    return found


def look(engine: Engine, folder: ReadPolicy | None = None) -> Drift | None:
    with Session(engine) as session:
        return find_drift(session, folder)


def fix(engine: Engine, now: datetime, folder: ReadPolicy | None = None) -> Fixed | NotFixed | None:
    with Session(engine) as session, session.begin():
        return fix_drift(session, folder=folder, applied_by="cli:ana", now=now)


def found(drift: Drift | None) -> Drift:
    assert drift is not None
    assert drift.sentence
    return drift


def test_nothing_applied_and_all_as_applied_are_no_drift(engine: Engine, now: datetime) -> None:
    assert look(engine) is None
    assert fix(engine, now) is None
    apply(engine, small_policy(30), now)
    assert look(engine) is None
    assert fix(engine, now) is None
    with Session(engine) as session:
        assert session.query(PolicyRevision).count() == 1


def test_a_changed_rule_is_seen_and_named_where_the_folder_is_at_hand(engine: Engine, now: datetime) -> None:
    digest = applied(apply(engine, small_policy(30), now)).digest
    tamper(engine, 1, days=88)
    unnamed = found(look(engine))
    assert (unnamed.kind, unnamed.revision, unnamed.expected) == (DriftKind.DIFFERS, 1, digest)
    assert unnamed.changes is None
    named = found(look(engine, read(30, now)))
    assert named.changes is not None
    (change,) = named.changes
    assert (str(change), change.changes[0].before, change.changes[0].after) == ("IssuanceRule/a", "30d", "88d")
    assert found(look(engine, read(31, now))).changes is None


def test_a_rule_and_its_digest_changed_together_are_seen_by_the_audit_trail(engine: Engine, now: datetime) -> None:
    digest = applied(apply(engine, small_policy(30), now)).digest
    tamper(engine, 1, days=88, digest=read(88, now).policy.digest)
    drift = found(look(engine))
    assert (drift.kind, drift.expected) == (DriftKind.DIFFERS, digest)
    fixed = fix(engine, now, read(30, now))
    assert isinstance(fixed, Fixed)
    assert days_in_force(engine) == 30
    assert look(engine) is None


def test_drift_is_mended_from_the_folder_only_when_it_is_what_was_applied(engine: Engine, now: datetime) -> None:
    digest = applied(apply(engine, small_policy(30), now, label="a" * 40)).digest
    tamper(engine, 1, days=88)
    for folder in (None, read(31, now)):
        refused = fix(engine, now, folder)
        assert isinstance(refused, NotFixed)
        assert refused.commit == "a" * 40
    fixed = fix(engine, now, read(30, now))
    assert isinstance(fixed, Fixed)
    assert (fixed.revision, fixed.digest) == (2, digest)
    assert days_in_force(engine) == 30
    assert look(engine) is None
    with Session(engine) as session:
        row = session.get_one(PolicyRevision, 2)
        assert (row.commit, row.rollback_of) == ("a" * 40, None)
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
        assert event is not None
        assert (event.action, event.detail["drift"]) == ("policy.drift_fixed", "differs")


def test_drift_is_mended_from_another_revision_that_holds_the_same(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30), now)
    apply(engine, small_policy(31), now)
    rollback(engine, 1, now)
    tamper(engine, 3, days=88)
    fixed = fix(engine, now)
    assert isinstance(fixed, Fixed)
    assert days_in_force(engine) == 30
    with Session(engine) as session:
        assert session.get_one(PolicyRevision, fixed.revision).rollback_of == 2
        assert session.get_one(PolicyHead, 1).pinned_reason == "it broke"
    assert isinstance(apply(engine, small_policy(31), now), Refused)


def test_what_is_no_policy_any_more_is_drift(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30), now)
    with Session(engine) as session, session.begin():
        session.execute(update(PolicyRevision).values(documents=[]))
    assert found(look(engine)).kind is DriftKind.UNREADABLE
    assert isinstance(fix(engine, now, read(30, now)), Fixed)
    assert days_in_force(engine) == 30


def test_a_head_that_is_gone_or_moved_is_mended_and_a_pin_with_it(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30), now)
    apply(engine, small_policy(31), now)
    with Session(engine) as session, session.begin():
        session.execute(update(PolicyHead).values(revision_id=1))
    assert found(look(engine)).kind is DriftKind.HEAD_MOVED
    assert isinstance(fix(engine, now), Fixed)
    assert days_in_force(engine) == 31
    rollback(engine, 1, now)
    with Session(engine) as session, session.begin():
        session.execute(delete(PolicyHead))
    assert days_in_force(engine) is None
    assert found(look(engine)).kind is DriftKind.HEAD_MISSING
    assert isinstance(fix(engine, now), Fixed)
    assert days_in_force(engine) == 30
    with Session(engine) as session:
        head = session.get_one(PolicyHead, 1)
        assert head.bad_digest == read(31, now).policy.digest


def test_an_apply_of_the_same_policy_mends_drift_as_well(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30), now)
    tamper(engine, 1, days=88)
    again = applied(apply(engine, small_policy(30), now))
    assert (again.revision, again.changed) == (2, True)
    assert look(engine) is None


def test_without_an_audit_trail_the_row_itself_is_believed(engine: Engine, now: datetime) -> None:
    apply(engine, small_policy(30), now)
    with Session(engine) as session, session.begin():
        session.execute(text("DELETE FROM audit_event"))
    assert look(engine) is None
    tamper(engine, 1, days=88)
    assert found(look(engine)).kind is DriftKind.DIFFERS


def test_the_status_tells_both_axes_apart(engine: Engine, now: datetime) -> None:
    with Session(engine) as session:
        nothing = read_status(session, now)
    assert (nothing.applied, nothing.attempted, nothing.drift, nothing.health) == (None, None, None, Health.HEALTHY)
    apply(engine, small_policy(30), now)
    apply(engine, small_policy(31), now)
    rollback(engine, 1, now, reason="broke")
    states = []
    for tries, due in ((0, timedelta(hours=1)), (0, timedelta(0)), (1, timedelta(hours=1))):
        with Session(engine) as session:
            effect = Effect(idempotency_key="x", kind="notify", payload={}, created_at=now, next_at=now + due)
            effect.tries = tries
            session.add(effect)
            session.flush()
            status = read_status(session, now)
            states.append(status.health)
            assert status.applied is not None
            assert (status.applied.number, status.pinned_reason) == (3, "broke")
            session.rollback()
    assert states == [Health.HEALTHY, Health.PROGRESSING, Health.DEGRADED]
