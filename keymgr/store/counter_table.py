"""A table of counters in a file that all processes of a node map into memory, under a lock that dies with its holder.

Layout: a page with magic, number of buckets and whether the table has moved to a larger file, then buckets of 16 slots
of 32 bytes: the digest of the counter's name, when its window ends (Unix time), what is used of it. The digest says in
which two buckets a counter may live; a slot whose window is over is free. When both buckets are full, the table grows.
"""

import fcntl
import mmap
import os
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

BUSY_SECONDS = 2.0
BUCKETS_AT_FIRST = 256
BUCKETS_MAX = 1 << 20
_MAGIC = b"kmcount1"
_HEAD = struct.Struct("<8sQQ")
_HEAD_BYTES = mmap.PAGESIZE
_MOVED_AT = 16
_GROWTH = 4
_SLOTS = 16
_SLOT = struct.Struct("<16sdQ")
_ENDS = struct.Struct("<" + "16xd8x" * _SLOTS)
_END_AND_USED = struct.Struct("<dQ")
_NUMBER = struct.Struct("<Q")
_SLOT_BYTES = _SLOT.size
_BUCKET_BYTES = _SLOT_BYTES * _SLOTS
_YIELDS = 50
_PAUSE_SECONDS = 0.0002
_ROOT = 0


class CounterTable:
    """One process's view of the file. Take the lock before everything else; `OSError` means that it cannot be told.

    The lock keeps other processes out, and other tables of this one, but not threads that share this object.
    """

    __slots__ = ("_descriptor", "_map", "_mask", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor, self._map = _open(path)
        self._mask = _buckets(self._map) - 1

    def close(self) -> None:
        """Let go of the file, and of the lock with it."""
        self._map.close()
        os.close(self._descriptor)

    def lock(self) -> None:
        """Wait for other processes, at most two seconds, and follow the table when it has moved to a larger file."""
        _lock(self._descriptor)
        while _NUMBER.unpack_from(self._map, _MOVED_AT)[0]:
            self._follow()

    def unlock(self) -> None:
        """Let others in."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def is_at_its_path(self) -> bool:
        """Tell whether the file is still the one at its path; somebody may have deleted it."""
        with suppress(FileNotFoundError):
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        return False

    def find(self, digest: bytes, home: int) -> int:
        """Return where a counter's slot begins, -1 when it has none; `home` is `home_of(digest)`."""
        at = self._within(digest, _HEAD_BYTES + (home & self._mask) * _BUCKET_BYTES)
        return at if at >= 0 else self._within(digest, _HEAD_BYTES + (home >> 32 & self._mask) * _BUCKET_BYTES)

    def read(self, at: int) -> tuple[float, int]:
        """Return when the slot's window ends and what is used of it."""
        ends_at, used = _END_AND_USED.unpack_from(self._map, at + 16)
        return ends_at, used

    def use(self, at: int, used: int) -> None:
        """Set what is used: one aligned store, so that a kill leaves the old number or the new one."""
        _NUMBER.pack_into(self._map, at + 24, used)

    def begin(self, digest: bytes, home: int, window: tuple[float, int], now: float) -> None:
        """Give a counter without a slot a free one; `window` is when it ends and what is used of it."""
        at = self._free_slot(home, now)
        while at < 0:
            self._grow(now)
            at = self._free_slot(home, now)
        _SLOT.pack_into(self._map, at, digest, *window)

    def begin_again(self, at: int, digest: bytes, window: tuple[float, int]) -> None:
        """Write a new window over the counter's old one."""
        _SLOT.pack_into(self._map, at, digest, *window)

    def end(self, at: int) -> None:
        """Free a slot."""
        self._map[at : at + _SLOT_BYTES] = bytes(_SLOT_BYTES)

    def end_all(self, now: float) -> int:
        """Free every slot and return how many windows were not over."""
        live = sum(1 for _ in self._live(now))
        self._map[_HEAD_BYTES:] = bytes(len(self._map) - _HEAD_BYTES)
        return live

    def _within(self, digest: bytes, bucket: int) -> int:
        at = self._map.find(digest, bucket, bucket + _BUCKET_BYTES)
        return at if at % _SLOT_BYTES == 0 else -1

    def _free_slot(self, home: int, now: float) -> int:
        for number in (home & self._mask, home >> 32 & self._mask):
            bucket = _HEAD_BYTES + number * _BUCKET_BYTES
            for slot, ends_at in enumerate(_ENDS.unpack_from(self._map, bucket)):
                if ends_at <= now:
                    return bucket + slot * _SLOT_BYTES
        return -1

    def _live(self, now: float) -> Iterator[tuple[bytes, float, int]]:
        with memoryview(self._map) as whole, whole[_HEAD_BYTES:] as slots:
            for digest, ends_at, used in _SLOT.iter_unpack(slots):
                if ends_at > now:
                    yield digest, ends_at, used

    def _grow(self, now: float) -> None:
        """Copy what is not over into a larger file and go there. A kill on the way leaves the old file in use."""
        buckets = (self._mask + 1) * _GROWTH
        if buckets > BUCKETS_MAX:
            raise OSError(f"The counter file {self._path} is full: too many windows are open at the same time.")
        growing = self._path.with_name(self._path.name + ".growing")
        growing.unlink(missing_ok=True)
        _create(growing, buckets)
        larger = CounterTable(growing)
        try:
            larger.lock()
            for digest, ends_at, used in self._live(now):
                larger.begin(digest, home_of(digest), (ends_at, used), now)
            _NUMBER.pack_into(self._map, _MOVED_AT, 1)
            growing.replace(self._path)
        except BaseException:
            larger.close()
            raise
        self._become(larger)

    def _follow(self) -> None:
        """Open the file anew; whoever wanted to move it may have been killed before it was in place."""
        if self.is_at_its_path():
            _NUMBER.pack_into(self._map, _MOVED_AT, 0)
            return
        newer = CounterTable(self._path)
        try:
            _lock(newer._descriptor)
        except BaseException:
            newer.close()
            raise
        self._become(newer)

    def _become(self, other: "CounterTable") -> None:
        """Go on with another's file; its lock is held, and the old one's ends here."""
        self.close()
        self._descriptor, self._map = other._descriptor, other._map  # noqa: SLF001 - another of our own kind.
        self._mask = _buckets(self._map) - 1


def home_of(digest: bytes) -> int:
    """Return the number whose halves name the two buckets of a counter."""
    return int.from_bytes(digest[:8], "little")


def _open(path: Path) -> tuple[int, mmap.mmap]:
    """Open the file, and make it, readable by nobody else, when it is not there."""
    if not path.exists():
        making = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}")
        _create(making, BUCKETS_AT_FIRST)
        with suppress(FileExistsError):
            os.link(making, path)
        making.unlink()
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _check_ours(descriptor, path)
        return descriptor, _map(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise


def _create(path: Path, buckets: int) -> None:
    """Make an empty table; its room on disk is reserved now, because a full disk later would kill who writes."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _HEAD_BYTES + buckets * _BUCKET_BYTES)
        os.pwrite(descriptor, _HEAD.pack(_MAGIC, buckets, 0), 0)
    finally:
        os.close(descriptor)


def _check_ours(descriptor: int, path: Path) -> None:
    """Refuse a file that others could write: they would set limits, and cutting it short kills who has it mapped."""
    found = os.fstat(descriptor)
    writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISREG(found.st_mode) or writable or found.st_uid not in {os.geteuid(), _ROOT}:
        raise OSError(f"{path} can be written by others; stop the server, delete it, and use a folder of its own.")


def _map(descriptor: int, path: Path) -> mmap.mmap:
    head = os.pread(descriptor, _HEAD.size, 0)
    size = os.fstat(descriptor).st_size
    buckets = _HEAD.unpack(head)[1] if len(head) == _HEAD.size and head[:8] == _MAGIC else 0
    if not 0 < buckets <= BUCKETS_MAX or buckets & (buckets - 1) or size != _HEAD_BYTES + buckets * _BUCKET_BYTES:
        raise OSError(f"{path} is no counter file of this version; stop the server, delete it, and start again.")
    return mmap.mmap(descriptor, size)


def _buckets(mapped: mmap.mmap) -> int:
    return int(_HEAD.unpack_from(mapped)[1])


def _lock(descriptor: int) -> None:
    """Take the lock; who holds it needs microseconds, so that a look again is worth more than to sleep."""
    if _try_lock(descriptor):
        return
    until = time.monotonic() + BUSY_SECONDS
    tries = 0
    while not _try_lock(descriptor):
        tries += 1
        if tries < _YIELDS:
            os.sched_yield()
        elif time.monotonic() > until:
            raise TimeoutError("Another process holds the counter file for too long.")
        else:
            time.sleep(_PAUSE_SECONDS)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
