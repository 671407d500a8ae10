"""A process that dies in the middle of an apply, and two that apply at once, leave one whole policy."""

import subprocess
import sys
import time

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.reconcile.live import in_force
from keymgr.store.audit import AuditEvent
from keymgr.store.policies import PolicyHead, PolicyRevision

SWEEP = """
import os, signal, sys
from datetime import UTC, datetime
from sqlalchemy import event
from sqlalchemy.orm import Session
from keymgr.reconcile.apply import apply_policy
from keymgr.store.engine import connect
from tests.reconcile.small_policy import small_policy

def die(countdown):
    def step(*_):
        countdown[0] -= 1
        if countdown[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return step

def apply(url, steps, days):
    engine = connect(url)
    countdown = [steps]
    event.listen(engine, "after_cursor_execute", die(countdown))
    event.listen(engine, "commit", die(countdown))
    with Session(engine) as session, session.begin():
        apply_policy(session, small_policy(days, "b"), revision=str(days), ref=None, author=None,
                     applied_by="cli:crash", now=datetime.now(UTC))

killed = 0
while True:
    child = os.fork()
    if child == 0:
        apply(sys.argv[1], killed + 1, int(sys.argv[2]))
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
RACE = """
import sys
from datetime import UTC, datetime
from sqlalchemy.orm import Session
from keymgr.reconcile.apply import apply_policy
from keymgr.store.engine import connect
from tests.reconcile.small_policy import small_policy
engine = connect(sys.argv[1])
for turn in range(20):
    days = int(sys.argv[2]) + turn % 2
    with Session(engine) as session, session.begin():
        apply_policy(session, small_policy(days, sys.argv[3]), revision=f"{days}-{sys.argv[3]}", ref=None, author=None,
                     applied_by="cli:race", now=datetime.now(UTC))
engine.dispose()
"""


def look(engine: Engine) -> tuple[str | None, int]:
    """What is in force and how many revisions there are, after checking that all that is stored agrees."""
    snapshot = {"read_only": True} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with Session(engine) as session:
        session.connection(execution_options=snapshot)
        revisions = session.scalars(select(PolicyRevision).order_by(PolicyRevision.id)).all()
        told = session.scalars(select(AuditEvent.object_id).order_by(AuditEvent.id)).all()
        assert told == [str(row.id) for row in revisions]
        head = session.scalar(select(PolicyHead.revision_id))
        assert head == (revisions[-1].id if revisions else None)
        live = in_force(session)
        assert (live is None) == (not revisions)
        if live is None:
            return None, 0
        assert live.policy.digest == revisions[-1].digest
        return live.commit, len(revisions)


def start(script: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_process_killed_at_any_step_of_an_apply_leaves_the_old_policy_whole(
    engine: Engine, database_url: str
) -> None:
    for before, days in ((None, 30), ("30", 31)):
        deaths = 0
        sweep = start(SWEEP, database_url, str(days))
        assert sweep.stdin is not None
        assert sweep.stdout is not None
        for line in sweep.stdout:
            if int(line) == deaths:
                break
            deaths += 1
            assert look(engine) == (before, 0 if before is None else 1)
            sweep.stdin.write("\n")
            sweep.stdin.flush()
        assert deaths > 5
        sweep.communicate()
        assert sweep.returncode == 0
        assert look(engine) == (str(days), 1 if before is None else 2)


def test_two_applies_at_once_never_leave_a_mixture(engine: Engine, database_url: str) -> None:
    racers = [start(RACE, database_url, "30", "b"), start(RACE, database_url, "40", "c")]
    try:
        while any(racer.poll() is None for racer in racers):
            look(engine)
            time.sleep(0.05)
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    assert [racer.returncode for racer in racers] == [0, 0]
    commit, revisions = look(engine)
    assert commit in {"31-b", "41-c"}
    assert 21 <= revisions <= 40
    with Session(engine) as session:
        for row in session.scalars(select(PolicyRevision)):
            days, rule = str(row.commit).split("-")
            rules = {entry["name"]: entry["data"] for entry in row.documents if entry["kind"] == "IssuanceRule"}
            assert rules.keys() == {"a", rule}
            assert {data["spec"]["limits"]["max_ttl"] for data in rules.values()} == {f"{days}d"}
