"""Rate counters in an SQLite file of their own, exact over all processes of a node (docs/decisions/0010).

The file can be lost without harm beyond a window starting over, so it is never synced to disk.
"""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from limits.errors import StorageError
from limits.storage import Storage

from keymgr.store.forks import forget_after_fork

SCHEME = "keymgr+sqlite"
BUSY_SECONDS = 2.0
SWEEP_EVERY_SECONDS = 30.0
_SWEEP_AT_ONCE = 1_000
_TABLE = """
create table if not exists counter (name blob primary key, used integer not null, ends_at real not null) without rowid
"""
_INDEX = "create index if not exists ix_counter_ends_at on counter (ends_at)"
_PUT = """
insert into counter (name, used, ends_at) values (?, ?, ?)
on conflict (name) do update set used = excluded.used, ends_at = excluded.ends_at
"""
_SWEEP = "delete from counter where name in (select name from counter where ends_at <= ? limit ?)"


@dataclass(frozen=True, slots=True)
class Draw:
    """A wish to take from one window: at most `amount` in `seconds`, counted under `name`."""

    name: str
    amount: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a window stands after the wish: what is used of it, when it starts over (Unix time), whether it had room."""

    used: int
    ends_at: float
    fits: bool


def counters_url(path: Path) -> str:
    """Name a counter file in the way that `limits.storage.storage_from_string` understands."""
    return f"{SCHEME}://{path.absolute().as_uri().removeprefix('file://')}"


class SqliteCounters(Storage):
    """Storage for the `limits` library; fixed windows that begin with their first hit. Threads may share it."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - how `limits` wants a scheme declared.

    def __init__(self, uri: str | None = None, *, wrap_exceptions: bool = True, **_options: float | str | bool) -> None:
        self._database: sqlite3.Connection | None = None
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._path = Path(unquote(urlsplit(uri or "").path))
        self._inherited: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._swept_at = time.monotonic()
        forget_after_fork(self)

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What `limits` turns into its own `StorageError`."""
        return (sqlite3.Error, OSError)

    def draw(self, draws: Sequence[Draw], cost: int, now: float) -> tuple[Drawn, ...]:
        """Take `cost` from all windows or, if one has no room, from none. Raises `StorageError` when it cannot tell."""
        try:
            with self._writing() as database:
                self._sweep(database, now)
                return _draw(database, draws, cost, now)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(error) from error

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a window that lasts `expiry` seconds from its first hit, and return what it holds then."""
        now = _now()
        with self._writing() as database:
            self._sweep(database, now)
            used, ends_at = _standing(database, key, expiry, now)
            database.execute(_PUT, (_digest(key), used + amount, ends_at))
        return used + amount

    def get(self, key: str) -> int:
        """Return what a window holds; 0 when it is over."""
        with self._reading() as database:
            return _standing(database, key, 0, _now())[0]

    def get_expiry(self, key: str) -> float:
        """Return when a window ends; the present moment when it is over."""
        with self._reading() as database:
            return _standing(database, key, 0, _now())[1]

    def check(self) -> bool:
        """Say whether the file can be written."""
        try:
            with self._writing():
                return True
        except (sqlite3.Error, OSError):
            return False

    def reset(self) -> int | None:
        """Forget all windows and return how many there were."""
        with self._writing() as database:
            return database.execute("delete from counter").rowcount

    def clear(self, key: str) -> None:
        """Forget one window."""
        with self._writing() as database:
            database.execute("delete from counter where name = ?", (_digest(key),))

    def __del__(self) -> None:
        if self._database is not None:
            self._database.close()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._close()

    def forget(self) -> None:
        """Start afresh in a child process; the inherited connection is kept from being closed, but never used."""
        if self._database is not None:
            self._inherited.append(self._database)
            self._database = None
        self._lock = threading.Lock()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to one thread; after an error it is closed, so that the next call begins anew."""
        with self._lock:
            try:
                if self._database is None:
                    self._database = _open(self._path)
                yield self._database
            except (sqlite3.Error, OSError):
                self._close()
                raise

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the file's write lock, waiting for other processes; what happens inside happens whole or not at all."""
        with self._reading() as database:
            database.execute("begin immediate")
            try:
                yield database
            except BaseException:
                database.execute("rollback")
                raise
            database.execute("commit")

    def _sweep(self, database: sqlite3.Connection, now: float) -> None:
        """Now and then remove windows that are over, a bounded number at a time."""
        if time.monotonic() - self._swept_at > SWEEP_EVERY_SECONDS:
            self._swept_at = time.monotonic()
            database.execute(_SWEEP, (now, _SWEEP_AT_ONCE))

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _draw(database: sqlite3.Connection, draws: Sequence[Draw], cost: int, now: float) -> tuple[Drawn, ...]:
    standings = [_standing(database, draw.name, draw.seconds, now) for draw in draws]
    fits = [used + cost <= draw.amount for (used, _), draw in zip(standings, draws, strict=True)]
    if all(fits):
        standings = [(used + cost, ends_at) for used, ends_at in standings]
        names = [_digest(draw.name) for draw in draws]
        database.executemany(_PUT, [(name, *standing) for name, standing in zip(names, standings, strict=True)])
    return tuple(Drawn(used, ends_at, fit) for (used, ends_at), fit in zip(standings, fits, strict=True))


def _standing(database: sqlite3.Connection, name: str, seconds: int, now: float) -> tuple[int, float]:
    """Return what is used of a window and when it ends; one that is over begins again now."""
    row = database.execute("select used, ends_at from counter where name = ?", (_digest(name),)).fetchone()
    if row is None or row[1] <= now:
        return 0, now + seconds
    used, ends_at = row
    # A clock that was set back must not keep a window closed for longer than it lasts.
    return int(used), min(ends_at, now + seconds) if seconds else ends_at


def _digest(name: str) -> bytes:
    """Shorten a name to what is stored: no names of owners in the file, and a row size that does not vary."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _now() -> float:
    return time.time()  # noqa: TID251 - `limits` asks its storages without telling them the time.


def _open(path: Path) -> sqlite3.Connection:
    """Open the file, and create it readable by nobody else when it is not there."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF", _TABLE, _INDEX):
        database.execute(statement)
    return database
