"""Counters: exact over processes and threads, windows that start over, and `limits` itself on top of them."""

import multiprocessing
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from keymgr.store import counters as subject
from keymgr.store.counters import Draw, SqliteCounters, counters_url

NOW = 1_800_000_000.0
TEN = Draw("ten", 10, 60)
THREE = Draw("three", 3, 3600)
SPAWN = multiprocessing.get_context("spawn")
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters.db"


@pytest.fixture
def counters(path: Path) -> Iterator[SqliteCounters]:
    storage = SqliteCounters(counters_url(path))
    yield storage
    storage.close()


def draw_many(path: Path, times: int) -> int:
    storage = SqliteCounters(counters_url(path))
    fits = sum(storage.draw([Draw("shared", 300, 3600)], 1, time.time())[0].fits for _ in range(times))
    storage.close()
    return fits


def test_four_processes_get_exactly_what_there_is(path: Path) -> None:
    with SPAWN.Pool(4) as pool:
        assert sum(pool.starmap(draw_many, [(path, 200)] * 4)) == 300


def test_many_threads_get_exactly_what_there_is(counters: SqliteCounters) -> None:
    with ThreadPoolExecutor(16) as pool:
        drawn = list(pool.map(lambda _: counters.draw([TEN], 1, NOW)[0].fits, range(100)))
    assert sum(drawn) == 10


def test_a_refused_draw_takes_from_no_window(counters: SqliteCounters) -> None:
    for _ in range(3):
        assert all(drawn.fits for drawn in counters.draw([TEN, THREE], 1, NOW))
    ten, three = counters.draw([TEN, THREE], 1, NOW)
    assert (ten.used, ten.fits) == (3, True)
    assert (three.used, three.fits) == (3, False)


def test_a_cost_that_does_not_fit_leaves_room_for_one_that_does(counters: SqliteCounters) -> None:
    assert counters.draw([TEN], 8, NOW)[0].fits
    assert not counters.draw([TEN], 3, NOW)[0].fits
    assert counters.draw([TEN], 2, NOW)[0].fits
    assert counters.draw([TEN], 1, NOW)[0].used == 10


def test_a_window_starts_with_its_first_hit_and_then_starts_over(counters: SqliteCounters) -> None:
    assert counters.draw([TEN], 10, NOW)[0].ends_at == NOW + 60
    assert not counters.draw([TEN], 1, NOW + 59.9)[0].fits
    again = counters.draw([TEN], 1, NOW + 60)[0]
    assert (again.used, again.ends_at, again.fits) == (1, NOW + 120, True)


def test_a_clock_that_is_set_back_keeps_no_window_closed_for_longer_than_it_lasts(counters: SqliteCounters) -> None:
    counters.draw([TEN], 10, NOW)
    back = NOW - 86_400
    assert counters.draw([TEN], 1, back)[0].ends_at == back + 60


@given(costs=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 90)), max_size=30))
def test_what_is_granted_in_a_window_never_exceeds_it(
    tmp_path_factory: pytest.TempPathFactory, costs: list[tuple[int, int]]
) -> None:
    storage = SqliteCounters(counters_url(tmp_path_factory.mktemp("c") / "counters.db"))
    granted: dict[float, int] = {}
    now = NOW
    for cost, wait in costs:
        now += wait
        (drawn,) = storage.draw([TEN], cost, now)
        if drawn.fits:
            granted[drawn.ends_at] = granted.get(drawn.ends_at, 0) + cost
            assert drawn.used == granted[drawn.ends_at]
    storage.close()
    assert all(total <= TEN.amount for total in granted.values())


def test_names_with_slashes_do_not_meet(counters: SqliteCounters) -> None:
    assert counters.draw([Draw("a/b", 1, 60)], 1, NOW)[0].fits
    assert counters.draw([Draw("a", 1, 60), Draw("b", 1, 60)], 1, NOW) == (ANY, ANY)
    assert not counters.draw([Draw("a/b", 1, 60)], 1, NOW)[0].fits


def test_the_file_holds_no_names_and_only_its_owner_may_read_it(counters: SqliteCounters, path: Path) -> None:
    counters.draw([Draw("user:ana", 1, 60)], 1, NOW)
    counters.close()
    assert b"user:ana" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_windows_that_are_over_are_swept(counters: SqliteCounters, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counters.draw([TEN, THREE], 1, NOW)
    monkeypatch.setattr(subject, "SWEEP_EVERY_SECONDS", -1.0)
    counters.draw([Draw("other", 1, 60)], 1, NOW + 61)
    with sqlite3.connect(path) as database:
        assert database.execute("select count(*) from counter").fetchone() == (2,)
    database.close()


def test_the_limits_library_works_on_it(path: Path) -> None:
    storage = storage_from_string(counters_url(path))
    assert isinstance(storage, SqliteCounters)
    limiter = FixedWindowRateLimiter(storage)
    item = RateLimitItemPerMinute(3)
    assert limiter.get_window_stats(item, "ana") == (ANY, 3)
    assert [limiter.hit(item, "ana") for _ in range(4)] == [True, True, True, False]
    assert limiter.get_window_stats(item, "ana").remaining == 0
    assert 0 < limiter.get_window_stats(item, "ana").reset_time - time.time() <= 60
    assert limiter.test(item, "ben")
    limiter.clear(item, "ana")
    assert limiter.test(item, "ana")
    limiter.hit(item, "ana")
    assert storage.check()
    assert storage.reset() == 1
    assert storage.get(item.key_for("ana")) == 0
    storage.close()


def test_a_file_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    storage = SqliteCounters(counters_url(tmp_path / "missing" / "counters.db"))
    with pytest.raises(StorageError):
        storage.draw([TEN], 1, NOW)
    with pytest.raises(StorageError):
        storage.incr("a", 60)
    assert not storage.check()


def test_counting_goes_on_once_the_file_can_be_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    storage = SqliteCounters(counters_url(folder / "counters.db"))
    assert not storage.check()
    folder.mkdir()
    assert storage.draw([TEN], 1, NOW)[0].fits
    storage.close()


def test_a_writer_that_holds_the_file_for_too_long_is_a_storage_error(
    counters: SqliteCounters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "BUSY_SECONDS", 0.05)
    assert counters.check()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("begin immediate")
    with pytest.raises(StorageError):
        counters.draw([TEN], 1, NOW)
    blocker.execute("rollback")
    blocker.close()
    assert counters.draw([TEN], 1, NOW)[0].used == 1


def draw_in_child(counters: SqliteCounters, results: "multiprocessing.SimpleQueue[int]") -> None:
    results.put(counters.draw([TEN], 1, NOW)[0].used)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Forking beside threads is the point.
def test_a_forked_child_counts_on_a_connection_of_its_own(counters: SqliteCounters) -> None:
    counters.draw([TEN], 1, NOW)
    results = FORK.SimpleQueue()
    with counters._lock:  # noqa: SLF001 - as if another thread were counting at the moment of the fork.
        child = FORK.Process(target=draw_in_child, args=(counters, results))
        child.start()
    child.join(10)
    assert child.exitcode == 0
    assert results.get() == 2
    assert counters.draw([TEN], 1, NOW)[0].used == 3
    assert os.getpid() != child.pid
