"""A process that dies at any step of an apply, or of the clock after it: no effect is lost, and none happens twice."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from keymgr.reconcile.apply import Applied, apply_policy
from keymgr.reconcile.drain import drain
from keymgr.reconcile.live import in_force
from keymgr.reconcile.settle import Clockwork
from keymgr.store.audit import AuditEvent, AuditLevel
from keymgr.store.changes import Change
from keymgr.store.keys import Key
from keymgr.store.policies import PolicyRevision
from keymgr.store.standing import Effect, KeyStanding
from tests.reconcile.small_policy import small_policy
from tests.reconcile.standing_house import add_keys, add_owners

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DUE = NOW + timedelta(days=1)
KEYS = 3
SWEEP = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.orm import Session
from keymgr.store.engine import connect
from tests.reconcile.test_effects_crash import apply, work

def die(countdown):
    def step(*_):
        countdown[0] -= 1
        if countdown[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return step

def act(url, verb, steps):
    engine = connect(url)
    countdown = [steps]
    event.listen(engine, "after_cursor_execute", die(countdown))
    event.listen(engine, "commit", die(countdown))
    with Session(engine) as session, session.begin():
        {"apply": apply, "work": work}[verb](session)

killed = 0
while True:
    child = os.fork()
    if child == 0:
        act(sys.argv[1], sys.argv[2], killed + 1)
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


def apply(session: Session, days: int = 30) -> None:
    """Apply a policy by which no key may live so long any more and the grace is a day."""
    files = small_policy(days)
    files["rest.yaml"] = files["rest.yaml"].replace(
        b"spec:\n  environments: [{", b"spec:\n  existing_keys: {on_violation: suspend, grace: 1d}\n  environments: [{"
    )
    outcome = apply_policy(session, files, revision=None, ref=None, author=None, applied_by="cli:crash", now=NOW)
    assert isinstance(outcome, Applied), outcome


def work(session: Session) -> None:
    """Do what is due a day later."""
    opened = in_force(session)
    assert opened is not None
    drain(Clockwork(session, opened, AuditLevel.BASIC, DUE))


def sweep(url: str, verb: str, look: Callable[[], None]) -> int:
    """Kill the verb at its first step, then at its second and so on until it gets through; look after each death."""
    command = [sys.executable, "-c", SWEEP, url, verb]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    deaths = 0
    for line in process.stdout:
        if int(line) == deaths:
            break
        deaths += 1
        look()
        process.stdin.write("\n")
        process.stdin.flush()
    process.communicate()
    assert process.returncode == 0
    return deaths


@pytest.fixture
def url(engine: Engine, database_url: str) -> str:
    with Session(engine) as session:
        add_owners(session, NOW, "ben")
        with session.begin():
            apply(session, 90)
        revision = session.scalars(select(PolicyRevision.id)).one()
        held: dict[str, Any] = {"owner": "user:ben", "service": "ledger", "scopes": ["entries:read"], "rule": "a"}
        add_keys(session, revision, NOW, KEYS, **held)
        add_keys(session, revision, NOW, expires_at=NOW + timedelta(days=9), **held)
    return database_url


def count(engine: Engine, table: type[KeyStanding | Effect | Change | PolicyRevision]) -> int:
    with Session(engine) as session:
        session.connection(execution_options={"read_only": True})
        return session.scalar(select(func.count()).select_from(table)) or 0


def told(engine: Engine) -> Counter[str]:
    with Session(engine) as session:
        session.connection(execution_options={"read_only": True})
        return Counter(session.scalars(select(AuditEvent.action).where(AuditEvent.object_kind == "key")))


def test_an_apply_that_dies_leaves_no_standing_and_one_that_lives_leaves_each_once(engine: Engine, url: str) -> None:
    def look() -> None:
        assert [count(engine, table) for table in (PolicyRevision, KeyStanding, Effect)] == [1, 0, 0]
        assert told(engine) == Counter()

    assert sweep(url, "apply", look) > 10
    assert [count(engine, table) for table in (PolicyRevision, KeyStanding, Effect)] == [2, KEYS, 2 * KEYS]
    assert told(engine) == {"key.flagged": KEYS}


def test_a_clock_that_dies_does_its_work_once_all_the_same(engine: Engine, url: str) -> None:
    with Session(engine) as session, session.begin():
        apply(session)

    def look() -> None:
        assert told(engine) == {"key.flagged": KEYS}

    assert sweep(url, "work", look) > 10
    once = {"key.flagged": KEYS, "key.notified": KEYS, "key.suspended": KEYS}
    assert told(engine) == once
    with Session(engine) as session, session.begin():
        work(session)
        assert Counter(session.scalars(select(Key.state))) == {"suspended": KEYS, "active": 1}
        assert None not in session.scalars(select(Effect.done_at)).all()
    assert told(engine) == once
    assert count(engine, Change) == KEYS
