"""Usage counts: no call waits for them, a failed write loses none, a normal exit writes the rest."""

import logging
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from keymgr.keys.flush import UsageBuffer
from keymgr.keys.usage import Calls
from keymgr.store.key_facts import CredentialFacts
from keymgr.store.keys import CredentialState, KeyState
from keymgr.tokens.verdicts import VerdictCode

AT = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
FORK = multiprocessing.get_context("fork")


def facts(key_id: str = "key_1") -> CredentialFacts:
    return CredentialFacts(
        credential_id="crd_1", state=CredentialState.CURRENT, secret_digest=b"", expires_at=0, retires_at=None,
        key_id=key_id, owner="user:ana", service="s", environment="prod", scopes=(), cidrs=(), terms={},
        token_form="jwt", key_state=KeyState.ACTIVE, key_expires_at=0, rule="r", policy_digest="d", owner_state=None,
    )  # fmt: skip


class Ledger:
    """Where batches are written, when it is open."""

    def __init__(self) -> None:
        self.open = True
        self.written: list[Calls] = []
        self.arrived = threading.Event()

    def write(self, calls: Sequence[Calls]) -> None:
        if not self.open:
            raise OSError("the disk is full")
        self.written.extend(calls)
        self.arrived.set()

    def total(self) -> int:
        return sum(calls.calls for calls in self.written)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def buffer(ledger: Ledger) -> Iterator[UsageBuffer]:
    buffer = UsageBuffer(ledger.write, interval_seconds=3600, capacity=3)
    yield buffer
    buffer.close()


def test_calls_are_summed_up_by_key_credential_code_and_hour(buffer: UsageBuffer, ledger: Ledger) -> None:
    for minutes in (0, 10, 40):
        buffer.count(facts(), VerdictCode.OK, f"192.0.2.{minutes}", AT + timedelta(minutes=minutes))
    buffer.count(facts(), VerdictCode.RATE_LIMITED, None, AT)
    buffer.flush()
    assert {(calls.code, calls.calls, calls.last_at, calls.address) for calls in ledger.written} == {
        (VerdictCode.OK, 2, AT + timedelta(minutes=10), "192.0.2.10"),
        (VerdictCode.OK, 1, AT + timedelta(minutes=40), "192.0.2.40"),
        (VerdictCode.RATE_LIMITED, 1, AT, None),
    }
    buffer.flush()
    assert len(ledger.written) == 3


def test_a_failed_write_loses_no_count(buffer: UsageBuffer, ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    ledger.open = False
    buffer.count(facts(), VerdictCode.OK, None, AT)
    buffer.flush()
    assert "kept in memory" in caplog.text
    later = AT + timedelta(seconds=1)
    buffer.count(facts(), VerdictCode.OK, None, later)
    buffer.count(facts("key_2"), VerdictCode.OK, None, AT)
    buffer.flush()
    ledger.open = True
    buffer.flush()
    assert {(calls.key_id, calls.calls, calls.last_at) for calls in ledger.written} == {
        ("key_1", 2, later), ("key_2", 1, AT)
    }  # fmt: skip


def test_the_buffer_is_bounded_and_says_what_it_drops(
    buffer: UsageBuffer, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.open = False
    for number in range(3):
        buffer.count(facts(f"key_{number}"), VerdictCode.OK, None, AT)
    buffer.count(facts("key_9"), VerdictCode.OK, None, AT)
    original = buffer._write  # noqa: SLF001 - a call that comes in while the write fails.

    def meanwhile(calls: Sequence[Calls]) -> None:
        for key_id in ("key_new", "key_0"):
            buffer.count(facts(key_id), VerdictCode.OK, None, AT)
        original(calls)

    buffer._write = meanwhile  # noqa: SLF001 - as above.
    with caplog.at_level(logging.ERROR):
        buffer.flush()
        buffer._write = original  # noqa: SLF001 - as above.
        ledger.open = True
        buffer.flush()
    assert caplog.text.count("was not counted") == 2
    assert {calls.key_id: calls.calls for calls in ledger.written} == {"key_new": 1, "key_0": 2, "key_1": 1}


def test_a_thread_writes_without_being_asked(ledger: Ledger) -> None:
    buffer = UsageBuffer(ledger.write, interval_seconds=0.01)
    for _ in range(2):
        ledger.arrived.clear()
        buffer.count(facts(), VerdictCode.OK, None, AT)
        assert ledger.arrived.wait(10)
        buffer.close()
    assert ledger.total() == 2


def test_many_threads_lose_no_count(ledger: Ledger) -> None:
    buffer = UsageBuffer(ledger.write, interval_seconds=0.001)

    def work() -> None:
        for _ in range(500):
            buffer.count(facts(), VerdictCode.OK, None, AT)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    buffer.close()
    assert ledger.total() == 4000


def test_a_normal_exit_writes_what_is_left() -> None:
    program = """
from tests.keys.test_verify_usage import AT, UsageBuffer, VerdictCode, facts
buffer = UsageBuffer(lambda calls: print(sum(each.calls for each in calls), flush=True), interval_seconds=3600)
for _ in range(3):
    buffer.count(facts(), VerdictCode.OK, None, AT)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "3\n"


def count_in_child(buffer: UsageBuffer, results: "multiprocessing.SimpleQueue[int]") -> None:
    buffer._write = lambda calls: results.put(sum(each.calls for each in calls))  # noqa: SLF001 - the child's own ledger.
    buffer.count(facts(), VerdictCode.OK, None, AT)
    buffer.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Forking beside threads is the point.
def test_a_forked_child_writes_only_what_it_counted_itself(buffer: UsageBuffer, ledger: Ledger) -> None:
    for _ in range(5):
        buffer.count(facts(), VerdictCode.OK, None, AT)
    buffer.close()
    buffer._counts = {("key_1", "crd_1", VerdictCode.OK, AT): ledger.written.pop()}  # noqa: SLF001 - unwritten at the fork.
    results = FORK.SimpleQueue()
    child = FORK.Process(target=count_in_child, args=(buffer, results))
    child.start()
    child.join(10)
    assert child.exitcode == 0
    assert results.get() == 1
    buffer.flush()
    assert ledger.total() == 5


def test_a_buffer_that_starts_afresh_has_nothing_to_write(buffer: UsageBuffer, ledger: Ledger) -> None:
    """What a child process does first; called here, because what a child runs is not measured."""
    buffer.count(facts(), VerdictCode.OK, None, AT)
    buffer.forget()
    buffer.flush()
    assert ledger.written == []
