"""The clock's door as a process: it does what is due, one at a time, and stops when it is told to."""

import base64
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from keymgr import worker
from keymgr.config import load
from keymgr.reconcile.apply import Applied, apply_policy
from keymgr.reconcile.pull_due import DUE, hint
from keymgr.store.engine import connect
from keymgr.store.keys import Key, KeyRequest
from keymgr.store.leases import Lease, take
from keymgr.store.policies import PolicyRevision
from keymgr.store.standing import KeyStanding
from tests.keys.house import POLICY, PROD, Counter, add_person, an_order, put_in_force
from tests.reconcile.repositories import Repository
from tests.reconcile.small_policy import small_policy
from tests.reconcile.standing_house import add_keys, add_owners

ROOT = Path(__file__).parents[1]
LONG_AGO = datetime.now(UTC) - timedelta(days=30)


def environ(url: str) -> dict[str, str]:
    secret = base64.b64encode(b"s" * 32).decode()
    return {
        "KEYMGR_PUBLIC_URL": "https://keys.example.org",
        "KEYMGR_SECRET_KEY": "x" * 40,
        "KEYMGR_PEPPER": secret,
        "KEYMGR_KEK": secret,
        "KEYMGR_DATABASE_URL": url,
    }


def start(url: str, *arguments: str) -> subprocess.Popen[str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("KEYMGR_")}
    return subprocess.Popen(
        [sys.executable, "-m", "keymgr.worker", *arguments],
        env=others | environ(url),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "It did not happen within 30 seconds."
        time.sleep(0.05)


def leases(engine: Engine) -> list[Lease]:
    with Session(engine.execution_options(read_only=True), expire_on_commit=False) as session:
        return list(session.scalars(select(Lease)))


@pytest.fixture
def overdue(engine: Engine) -> str:
    """A request whose time is long over."""
    with Session(engine) as session:
        add_person(session, "ana", LONG_AGO)
        counter = Counter(session, put_in_force(session, POLICY, LONG_AGO), LONG_AGO)
        counter.ask(an_order(PROD))
        return session.scalars(select(KeyRequest.id)).one()


def state(engine: Engine, request_id: str) -> str:
    with Session(engine) as session:
        return session.get_one(KeyRequest, request_id).state


def test_once_does_what_is_due_and_gives_the_lease_back(engine: Engine, database_url: str, overdue: str) -> None:
    process = start(database_url, "--once")
    _, told = process.communicate(timeout=60)
    assert (process.returncode, state(engine, overdue), leases(engine)) == (0, "lapsed", []), told
    assert "1 requests lapsed" in told


def test_it_holds_the_lease_while_it_runs_and_stops_on_sigterm(engine: Engine, database_url: str) -> None:
    process = start(database_url)
    try:
        wait_for(lambda: leases(engine))
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, leases(engine)) == (0, []), told


def test_only_the_holder_of_the_lease_works(engine: Engine, database_url: str, overdue: str) -> None:
    settings = load(environ(database_url))
    with Session(engine) as session, session.begin():
        assert take(session, worker.LEASE, "another node", datetime.now(UTC), 60)

    assert worker.run(settings, SimpleQueue(), rounds=1) == 0

    assert state(engine, overdue) == "waiting"
    assert [lease.holder for lease in leases(engine)] == ["another node"]


def test_it_tries_again_when_the_database_comes_back(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.05)
    settings, engine = load(environ(sqlite_url)), connect(sqlite_url)
    rename(engine, "lease", "mislaid")
    stopping: SimpleQueue[int] = SimpleQueue()
    ends: list[int] = []
    thread = threading.Thread(target=lambda: ends.append(worker.run(settings, stopping)))
    with caplog.at_level(logging.ERROR, logger="keymgr.worker"):
        thread.start()
        wait_for(lambda: len(caplog.records) >= 3)
        rename(engine, "mislaid", "lease")
        wait_for(lambda: leases(engine))
        stopping.put(signal.SIGTERM)
        thread.join(30)
    assert ends == [0]
    assert "OperationalError" in caplog.text
    assert "SELECT" not in caplog.text.upper()
    engine.dispose()


def test_once_fails_when_the_database_does(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = connect(sqlite_url)
    rename(engine, "lease", "mislaid")
    assert worker.run(load(environ(sqlite_url)), SimpleQueue(), rounds=1) == 1
    assert "could not be given back" in caplog.text
    engine.dispose()


def test_pauses_grow_and_differ_after_failures(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    clock = worker.Clock(load(environ(sqlite_url)), engine, "me")
    assert clock.pause_seconds() == worker.PAUSE_SECONDS
    rename(engine, "lease", "mislaid")
    for _ in range(10):
        clock.beat()
    pauses = [clock.pause_seconds() for _ in range(50)]
    assert len(set(pauses)) > 40
    assert worker.PAUSE_SECONDS / 2 <= min(pauses) < max(pauses) <= 60
    engine.dispose()


def test_bad_settings_are_named_and_end_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("KEYMGR_")]:
        monkeypatch.delenv(name)
    assert worker.main(["--once"]) == 1
    assert "KEYMGR_PUBLIC_URL" in capsys.readouterr().err
    for name, value in environ(f"sqlite:///{tmp_path}/nowhere/keymgr.db").items():
        monkeypatch.setenv(name, value)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        assert worker.main(["--once"]) == 1
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
    assert "KEYMGR_DATABASE_URL" in capsys.readouterr().err


def rename(engine: Engine, old: str, new: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"alter table {old} rename to {new}"))


def test_it_settles_live_keys_by_the_policy_in_force(engine: Engine, database_url: str) -> None:
    began = LONG_AGO.replace(microsecond=0)
    with Session(engine) as session:
        add_owners(session, began, "ben")
        held: dict[str, Any] = {"owner": "user:ben", "service": "ledger", "scopes": ["entries:read"], "rule": "a"}
        files = small_policy(90)
        follows = b"spec:\n  existing_keys: {on_violation: suspend, grace: 7d}\n  environments: [{"
        files["rest.yaml"] = files["rest.yaml"].replace(b"spec:\n  environments: [{", follows)
        with session.begin():
            label: dict[str, Any] = {"revision": None, "ref": None, "author": None, "applied_by": "cli:test"}
            outcome = apply_policy(session, files, now=began, **label)
            assert isinstance(outcome, Applied)
        [key] = add_keys(session, outcome.revision, began, **held)
        [unfit] = add_keys(session, outcome.revision, began, **{**held, "expires_at": began + timedelta(days=200)})
    process = start(database_url, "--once")
    _, told = process.communicate(timeout=60)
    assert (process.returncode, "1 keys flagged" in told) == (0, True), told
    with Session(engine) as session:
        row = session.get_one(KeyStanding, unfit)
        assert (row.verdict, session.get(KeyStanding, key)) == ("violates", None)
        row.since = began
        session.commit()
    process = start(database_url, "--once")
    _, told = process.communicate(timeout=60)
    with Session(engine) as session:
        assert (session.get_one(Key, unfit).state, session.get_one(Key, key).state) == ("suspended", "active"), told


def test_once_waits_for_the_policy_that_it_fetches(engine: Engine, database_url: str, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    sha = repository.push(small_policy(2))
    more = {"KEYMGR_POLICY_PULL_URL": repository.bare.as_uri(), "KEYMGR_POLICY_PULL_CACHE": str(tmp_path / "cache")}
    assert worker.run(load(environ(database_url) | more), SimpleQueue(), rounds=1) == 0
    with Session(engine) as session:
        found = session.execute(select(PolicyRevision.commit, PolicyRevision.applied_by)).all()
    assert [tuple(row) for row in found] == [(sha, "clock")]


def test_a_running_clock_fetches_when_the_forge_hints(
    engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.05)
    repository = Repository(tmp_path)
    more = {"KEYMGR_POLICY_PULL_URL": repository.bare.as_uri(), "KEYMGR_POLICY_PULL_CACHE": str(tmp_path / "cache")}
    settings = load(environ(database_url) | more)

    def commits() -> list[str | None]:
        with Session(engine.execution_options(read_only=True)) as session:
            return list(session.scalars(select(PolicyRevision.commit).order_by(PolicyRevision.id)))

    pushed = [repository.push(small_policy(2))]
    stopping: SimpleQueue[int] = SimpleQueue()
    thread = threading.Thread(target=worker.run, args=(settings, stopping))
    thread.start()
    try:
        wait_for(lambda: commits() == pushed)
        pushed.append(repository.push(small_policy(3)))
        with Session(engine) as session, session.begin():
            hint(session, datetime.now(UTC))
        wait_for(lambda: commits() == pushed)
    finally:
        stopping.put(signal.SIGTERM)
        thread.join(30)
    assert not leases_of_work(engine)


def leases_of_work(engine: Engine) -> list[str]:
    return [lease.name for lease in leases(engine) if lease.name != DUE]
