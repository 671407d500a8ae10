"""Counters: exact over processes and threads, windows that start over, and `limits` itself on top of them."""

import multiprocessing
import os
import resource
import shutil
import signal
import stat
import struct
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

from keymgr.store import counter_table
from keymgr.store import counters as subject
from keymgr.store.counter_table import CounterTable
from keymgr.store.counters import Draw, SharedCounters, counters_url

NOW = 1_800_000_000.0
TEN = Draw("ten", 10, 60)
THREE = Draw("three", 3, 3600)
SPAWN = multiprocessing.get_context("spawn")
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters"


@pytest.fixture
def counters(path: Path) -> Iterator[SharedCounters]:
    storage = SharedCounters(counters_url(path))
    yield storage
    storage.close()


def draw_many(path: Path, times: int) -> int:
    storage = SharedCounters(counters_url(path))
    fits = sum(storage.draw([Draw("shared", 300, 3600)], 1, time.time())[0].fits for _ in range(times))
    storage.close()
    return fits


def test_four_processes_get_exactly_what_there_is(path: Path) -> None:
    with SPAWN.Pool(4) as pool:
        assert sum(pool.starmap(draw_many, [(path, 200)] * 4)) == 300


def test_many_threads_get_exactly_what_there_is(counters: SharedCounters) -> None:
    with ThreadPoolExecutor(16) as pool:
        drawn = list(pool.map(lambda _: counters.draw([TEN], 1, NOW)[0].fits, range(100)))
    assert sum(drawn) == 10


def test_a_refused_draw_takes_from_no_window(counters: SharedCounters) -> None:
    for _ in range(3):
        assert all(drawn.fits for drawn in counters.draw([TEN, THREE], 1, NOW))
    ten, three = counters.draw([TEN, THREE], 1, NOW)
    assert (ten.used, ten.fits) == (3, True)
    assert (three.used, three.fits) == (3, False)


def test_a_cost_that_does_not_fit_leaves_room_for_one_that_does(counters: SharedCounters) -> None:
    assert counters.draw([TEN], 8, NOW)[0].fits
    assert not counters.draw([TEN], 3, NOW)[0].fits
    assert counters.draw([TEN], 2, NOW)[0].fits
    assert counters.draw([TEN], 1, NOW)[0].used == 10


def test_a_window_starts_with_its_first_hit_and_then_starts_over(counters: SharedCounters) -> None:
    assert counters.draw([TEN], 10, NOW)[0].ends_at == NOW + 60
    assert not counters.draw([TEN], 1, NOW + 59.9)[0].fits
    again = counters.draw([TEN], 1, NOW + 60)[0]
    assert (again.used, again.ends_at, again.fits) == (1, NOW + 120, True)


def test_a_clock_that_is_set_back_keeps_no_window_closed_for_longer_than_it_lasts(counters: SharedCounters) -> None:
    counters.draw([TEN], 10, NOW)
    back = NOW - 86_400
    assert counters.draw([TEN], 1, back)[0].ends_at == back + 60


@given(costs=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 90)), max_size=30))
def test_what_is_granted_in_a_window_never_exceeds_it(
    tmp_path_factory: pytest.TempPathFactory, costs: list[tuple[int, int]]
) -> None:
    storage = SharedCounters(counters_url(tmp_path_factory.mktemp("c") / "counters.db"))
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


def test_names_with_slashes_do_not_meet(counters: SharedCounters) -> None:
    assert counters.draw([Draw("a/b", 1, 60)], 1, NOW)[0].fits
    assert counters.draw([Draw("a", 1, 60), Draw("b", 1, 60)], 1, NOW) == (ANY, ANY)
    assert not counters.draw([Draw("a/b", 1, 60)], 1, NOW)[0].fits


def test_the_file_holds_no_names_and_only_its_owner_may_read_it(counters: SharedCounters, path: Path) -> None:
    counters.draw([Draw("user:ana", 1, 60)], 1, NOW)
    counters.close()
    assert b"user:ana" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_full_table_grows_and_forgets_nothing_that_is_not_over(counters: SharedCounters, path: Path) -> None:
    counters.draw([TEN], 4, NOW)
    many = [Draw(f"window {number}", 5, 3600) for number in range(6000)]
    before = path.stat().st_size
    for draw in many[:3000]:
        counters.draw([draw], 2, NOW)
    other = SharedCounters(counters_url(path))
    for draw in many[3000:]:
        other.draw([draw], 2, NOW)
    assert path.stat().st_size > before
    assert {counters.draw([draw], 1, NOW)[0].used for draw in many} == {3}
    assert {drawn.used for drawn in other.look([TEN, *many], NOW)} == {4, 3}
    other.close()


def test_windows_that_are_over_make_room(counters: SharedCounters, path: Path) -> None:
    counters.check()
    before = path.stat()
    for number in range(20_000):
        assert counters.draw([Draw(f"window {number}", 5, 1)], 2, NOW + number)[0].used == 2
    assert path.stat().st_ino == before.st_ino


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_is_killed_while_the_table_grows_leaves_it_whole(
    counters: SharedCounters, path: Path, moment: str
) -> None:
    counters.draw([TEN], 4, NOW)
    table = CounterTable(path)
    table.lock()
    table._map[16] = 1  # noqa: SLF001 - the mark that the table has moved, as the last thing somebody did.
    if moment == "after":
        shutil.copy(path, path.with_name("larger"))
        path.with_name("larger").replace(path)
        with path.open("r+b") as file:
            file.seek(16)
            file.write(b"\0")
    table.close()
    assert counters.draw([TEN], 1, NOW)[0].used == 5
    assert counters.draw([TEN], 1, NOW)[0].used == 6


def test_a_deleted_file_is_noticed_and_made_again(
    counters: SharedCounters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters.draw([TEN], 4, NOW)
    path.unlink()
    monkeypatch.setattr(subject, "LOOK_EVERY_SECONDS", -1.0)
    assert counters.draw([TEN], 1, NOW)[0].used == 1
    assert path.exists()


def test_a_table_that_may_not_grow_is_a_storage_error(
    counters: SharedCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter_table, "BUCKETS_MAX", 256)
    many = [Draw(f"window {number}", 5, 3600) for number in range(5000)]
    with pytest.raises(StorageError, match="full"):
        counters.draw(many, 1, NOW)
    assert counters.look([Draw("window 1", 5, 3600)], NOW)[0].used == 1


def test_room_that_cannot_be_had_is_a_storage_error_and_harms_nothing(
    counters: SharedCounters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters.draw([TEN], 4, NOW)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(counter_table, "BUCKETS_MAX", 1 << 12)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, limits[1]))
    try:
        with pytest.raises(StorageError):
            counters.draw([Draw(f"window {number}", 5, 3600) for number in range(5000)], 1, NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    assert counters.look([TEN], NOW)[0].used == 4


def test_a_file_of_something_else_is_left_alone(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" * 1000)
    storage = SharedCounters(counters_url(path))
    with pytest.raises(StorageError, match="no counter file of this version"):
        storage.draw([TEN], 1, NOW)
    assert path.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666], ids=oct)
def test_a_file_that_others_could_write_is_not_used(path: Path, mode: int) -> None:
    SharedCounters(counters_url(path)).check()
    path.chmod(mode)
    counters = SharedCounters(counters_url(path))
    with pytest.raises(StorageError, match="can be written by others"):
        counters.draw([Draw("a", 1, 60)], 1, time.time())
    path.chmod(0o600)
    assert counters.check()


def test_a_link_to_a_file_elsewhere_is_not_followed(path: Path) -> None:
    SharedCounters(counters_url(path)).check()
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    assert not SharedCounters(counters_url(path)).check()


@pytest.mark.parametrize("buckets", [0, 3, 255, 1 << 40], ids=["none", "odd", "no power of two", "endless"])
def test_a_head_that_lies_is_a_storage_error(path: Path, buckets: int) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("<8sQQ", b"kmcount1", buckets, 0))
        file.truncate(4096 + min(buckets, 255) * 512)
    path.chmod(0o600)
    with pytest.raises(StorageError):
        SharedCounters(counters_url(path)).draw([Draw("a", 1, 60)], 1, time.time())


def test_the_limits_library_works_on_it(path: Path) -> None:
    storage = storage_from_string(counters_url(path))
    assert isinstance(storage, SharedCounters)
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
    storage = SharedCounters(counters_url(tmp_path / "missing" / "counters.db"))
    with pytest.raises(StorageError):
        storage.draw([TEN], 1, NOW)
    with pytest.raises(StorageError):
        storage.incr("a", 60)
    assert not storage.check()


def test_counting_goes_on_once_the_file_can_be_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    storage = SharedCounters(counters_url(folder / "counters.db"))
    assert not storage.check()
    folder.mkdir()
    assert storage.draw([TEN], 1, NOW)[0].fits
    storage.close()


def test_a_process_that_holds_the_file_for_too_long_is_a_storage_error(
    counters: SharedCounters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter_table, "BUSY_SECONDS", 0.05)
    assert counters.check()
    blocker = CounterTable(path)
    blocker.lock()
    with pytest.raises(StorageError):
        counters.draw([TEN], 1, NOW)
    blocker.close()
    assert counters.draw([TEN], 1, NOW)[0].used == 1


def test_who_waits_for_a_table_that_then_moves_counts_in_the_larger_one(
    counters: SharedCounters, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter_table, "BUSY_SECONDS", 0.2)
    counters.draw([TEN], 1, NOW)
    mover = CounterTable(path)
    mover.lock()
    mover._grow(NOW)  # noqa: SLF001 - what a full bucket brings about.
    with pytest.raises(StorageError):
        counters.draw([TEN], 1, NOW)
    mover.close()
    assert counters.draw([TEN], 1, NOW)[0].used == 2


def count_until_killed(path: Path) -> None:
    storage = SharedCounters(counters_url(path))
    while True:
        storage.draw([TEN], 1, time.time())


def test_a_killed_process_leaves_no_lock_behind(counters: SharedCounters, path: Path) -> None:
    assert counters.check()
    for _ in range(5):
        process = SPAWN.Process(target=count_until_killed, args=(path,))
        process.start()
        while counters.look([TEN], time.time())[0].used < 10:
            time.sleep(0.01)
        process.kill()
        process.join()
        assert counters.reset() == 1


def draw_in_child(counters: SharedCounters, results: "multiprocessing.SimpleQueue[int]") -> None:
    results.put(counters.draw([TEN], 1, NOW)[0].used)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Forking beside threads is the point.
def test_a_forked_child_counts_in_a_file_of_its_own_opening(counters: SharedCounters) -> None:
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
