"""The way back: what comes into force, what is kept out, how it comes in again, and what a kill leaves."""

import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.reconcile.ancestry import Descent
from keymgr.reconcile.apply import Blocked, Expectation, Refusal, Refused
from keymgr.reconcile.live import in_force
from keymgr.reconcile.rollback import NoSuchRevision, Unpinned, Unreadable
from keymgr.store.audit import AuditEvent
from keymgr.store.lock import LockNotObtained, own_policy
from keymgr.store.policies import PolicyHead, PolicyRevision, SpentAck
from tests.reconcile.doors import (
    GUARDED,
    GUARDRAIL,
    an_ack,
    applied,
    apply,
    days_in_force,
    rollback,
    rolled_back,
    take_pin_off,
    tamper,
)
from tests.reconcile.small_policy import PLACE, REST, small_policy

FORWARD = Expectation(descends=lambda _: Descent.YES)
BACKWARD = Expectation(descends=lambda _: Descent.NO)
UNKNOWN = Expectation(descends=lambda _: Descent.UNKNOWN)


def head(engine: Engine) -> tuple[int, str | None, str | None]:
    with Session(engine) as session:
        row = session.get_one(PolicyHead, 1)
        return row.revision_id, row.pinned_reason, row.bad_digest


def refusal(outcome: object) -> Refusal:
    assert isinstance(outcome, Refused), outcome
    assert outcome.sentence
    return outcome.reason


@pytest.fixture
def bad(engine: Engine, now: datetime) -> str:
    """Two revisions, of which the second is bad; gives its digest."""
    apply(engine, small_policy(30), now, label="1" * 40)
    return applied(apply(engine, small_policy(31), now, label="2" * 40)).digest


def test_an_earlier_revision_comes_back_as_a_new_one_and_is_pinned(engine: Engine, now: datetime, bad: str) -> None:
    outcome = rolled_back(rollback(engine, 1, now, reason="people cannot work"))
    assert (outcome.revision, outcome.to, outcome.of, outcome.changed) == (3, 1, 2, True)
    assert days_in_force(engine) == 30
    assert head(engine) == (3, "people cannot work", bad)
    with Session(engine) as session:
        row = session.get_one(PolicyRevision, 3)
        assert (row.commit, row.rollback_of, row.applied_by) == ("1" * 40, 2, "cli:ana")
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "policy.rolled_back")).one()
        assert (event.object_id, event.actor) == ("3", "cli:ana")
        assert {"to": 1, "of": 2, "reason": "people cannot work", "bad_digest": bad}.items() <= event.detail.items()


def test_rolling_back_twice_to_the_same_changes_nothing(engine: Engine, now: datetime, bad: str) -> None:
    rollback(engine, 1, now)
    again = rolled_back(rollback(engine, 1, now + timedelta(hours=1)))
    assert (again.revision, again.changed) == (3, False)
    assert head(engine) == (3, "it broke", bad)


@pytest.mark.usefixtures("bad")
def test_what_was_rolled_back_is_kept_out_until_something_else_descends_from_it(engine: Engine, now: datetime) -> None:
    rollback(engine, 1, now)
    assert refusal(apply(engine, small_policy(31), now, expect=FORWARD)) is Refusal.PINNED
    assert refusal(apply(engine, small_policy(31), now, expect=Expectation(base=None))) is Refusal.PINNED
    assert days_in_force(engine) == 30
    asked: list[str] = []

    def descends(label: str) -> Descent:
        asked.append(label)
        return Descent.YES

    mended = applied(apply(engine, small_policy(32), now, label="3" * 40, expect=Expectation(descends=descends)))
    assert asked == ["2" * 40]
    assert head(engine) == (mended.revision, None, None)
    with Session(engine) as session:
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
        assert event is not None
        assert event.detail["took_off_pin"] == "it broke"


@pytest.mark.usefixtures("bad")
def test_the_older_deployment_may_be_deployed_again_after_a_rollback(engine: Engine, now: datetime) -> None:
    rollback(engine, 1, now)
    same = applied(apply(engine, small_policy(30), now, label="1" * 40, expect=BACKWARD))
    assert (same.revision, same.changed) == (3, False)
    assert head(engine)[1] == "it broke"


@pytest.mark.usefixtures("bad")
def test_an_older_pipeline_does_not_slip_in_after_a_rollback(engine: Engine, now: datetime) -> None:
    rollback(engine, 1, now)
    assert refusal(apply(engine, small_policy(33), now, label="0" * 40, expect=BACKWARD)) is Refusal.NOT_FORWARD
    assert refusal(apply(engine, small_policy(33), now, label=None, expect=UNKNOWN)) is Refusal.BASE_NEEDED


def test_without_the_pin_it_may_come_back(engine: Engine, now: datetime, bad: str) -> None:
    assert take_pin_off(engine, now) == Unpinned(None)
    rollback(engine, 1, now)
    assert take_pin_off(engine, now) == Unpinned("it broke")
    assert take_pin_off(engine, now) == Unpinned(None)
    assert applied(apply(engine, small_policy(31), now, expect=FORWARD)).digest == bad
    with Session(engine) as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "policy.unpinned")).one()
        assert event.detail == {"reason": "it broke", "bad_digest": bad}


def test_going_back_and_forth_pins_what_was_left_last(engine: Engine, now: datetime, bad: str) -> None:
    rollback(engine, 1, now)
    outcome = rolled_back(rollback(engine, 2, now))
    assert (outcome.revision, outcome.of) == (4, 3)
    assert days_in_force(engine) == 31
    assert head(engine)[2] != bad
    assert refusal(apply(engine, small_policy(30), now, expect=FORWARD)) is Refusal.PINNED


def test_there_is_nothing_to_go_back_to_before_the_first_apply(engine: Engine, now: datetime) -> None:
    assert rollback(engine, 1, now) == NoSuchRevision(1)
    assert take_pin_off(engine, now) == Unpinned(None)


@pytest.mark.usefixtures("bad")
def test_a_revision_that_is_not_there_or_not_as_it_was_applied_is_refused(engine: Engine, now: datetime) -> None:
    assert rollback(engine, 9, now) == NoSuchRevision(9)
    tamper(engine, 1, days=88)
    assert rollback(engine, 1, now) == Unreadable(1, ())
    with Session(engine) as session, session.begin():
        session.get_one(PolicyRevision, 1).documents = []
    unreadable = rollback(engine, 1, now)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.problems
    assert head(engine) == (2, None, None)


def test_a_guard_stands_in_the_way_of_a_rollback_until_it_is_acknowledged_once(engine: Engine, now: datetime) -> None:
    guarded = small_policy(30) | {"rest.yaml": REST.replace("\n---", f"\n{GUARDED}---", 1).encode()}
    apply(engine, guarded, now)
    second = applied(apply(engine, guarded | {"guardrails.yaml": GUARDRAIL}, now))
    blocked = rollback(engine, 1, now)
    assert isinstance(blocked, Blocked)
    assert [trip.guard.value for trip in blocked.report.blocking] == ["guardrail_removed"]
    assert head(engine) == (2, None, None)
    ack = an_ack("guardrail_removed", second.digest)
    assert rolled_back(rollback(engine, 1, now, acks=ack)).changed
    with Session(engine) as session:
        assert [spent.revision_id for spent in session.scalars(select(SpentAck))] == [3]
    take_pin_off(engine, now)
    apply(engine, guarded | {"guardrails.yaml": GUARDRAIL}, now)
    assert isinstance(rollback(engine, 1, now, acks=ack), Blocked)


def test_damage_is_no_way_round_the_guards_and_no_hindrance_to_mend_it(engine: Engine, now: datetime) -> None:
    guarded = small_policy(30) | {"rest.yaml": REST.replace("\n---", f"\n{GUARDED}---", 1).encode()}
    strict = guarded | {"guardrails.yaml": GUARDRAIL}
    apply(engine, strict, now)
    apply(engine, small_policy(31) | {each: strict[each] for each in ("rest.yaml", "guardrails.yaml")}, now)
    with Session(engine) as session, session.begin():
        session.get_one(PolicyRevision, 2).documents = []
    assert isinstance(apply(engine, guarded, now), Blocked)
    mended = applied(apply(engine, small_policy(31) | {each: strict[each] for each in strict if each != PLACE}, now))
    assert (mended.revision, mended.changed) == (3, True)
    assert days_in_force(engine) == 31


@pytest.mark.usefixtures("bad")
def test_a_rollback_waits_for_the_lock_and_then_gives_up(engine: Engine, now: datetime) -> None:
    with Session(engine) as owner:
        own_policy(owner, 0)
        with pytest.raises(LockNotObtained):
            rollback(engine, 1, now, wait_seconds=0.2)


SWEEP = """
import os, signal, sys
from datetime import UTC, datetime
from sqlalchemy import event
from keymgr.store.engine import connect
from tests.reconcile.doors import rollback

def die(countdown):
    def step(*_):
        countdown[0] -= 1
        if countdown[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return step

killed = 0
while True:
    child = os.fork()
    if child == 0:
        engine = connect(sys.argv[1])
        countdown = [killed + 1]
        event.listen(engine, "after_cursor_execute", die(countdown))
        event.listen(engine, "commit", die(countdown))
        rollback(engine, 1, datetime.now(UTC))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        print(killed)
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    killed += 1
    print(killed, flush=True)
    sys.stdin.readline()
"""


def test_a_process_killed_at_any_step_of_a_rollback_leaves_the_old_state_whole(
    engine: Engine, database_url: str, bad: str
) -> None:
    deaths = 0
    command = [sys.executable, "-c", SWEEP, database_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sweep:
        assert sweep.stdin is not None
        assert sweep.stdout is not None
        for line in sweep.stdout:
            if int(line) == deaths:
                break
            deaths += 1
            assert head(engine) == (2, None, None)
            assert whole(engine) == (2, 31, ["policy.applied", "policy.applied"])
            sweep.stdin.write("\n")
            sweep.stdin.flush()
    assert sweep.returncode == 0
    assert deaths > 5
    assert head(engine)[1:] == ("it broke", bad)
    assert whole(engine) == (3, 30, ["policy.applied", "policy.applied", "policy.rolled_back"])


def whole(engine: Engine) -> tuple[int, int, list[str]]:
    """How many revisions there are, after checking that the newest is in force, and what the audit trail tells."""
    with Session(engine) as session:
        live = in_force(session)
        assert live is not None
        actions = list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))
        numbers = session.scalars(select(PolicyRevision.id).order_by(PolicyRevision.id)).all()
        assert numbers[-1] == live.revision
        return len(numbers), live.policy.rules["a"].limits.max_ttl_seconds // 86_400, actions
