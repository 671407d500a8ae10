"""Rate counters in memory that all processes of a node share, exact over all of them (docs/decisions/0016).

The file behind it can be lost without harm beyond windows starting over, so it is never synced to disk.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from limits.errors import StorageError
from limits.storage import Storage

from keymgr.store.counter_table import CounterTable, home_of
from keymgr.store.forks import forget_after_fork

SCHEME = "keymgr+shared"
LOOK_EVERY_SECONDS = 1.0
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Draw:
    """A wish to take from one window: at most `amount` in `seconds`, counted under `name`."""

    name: str
    amount: int
    seconds: int
    digest: bytes = field(init=False, repr=False, compare=False)
    home: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest(self.name))
        object.__setattr__(self, "home", home_of(self.digest))


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a window stands after the wish: what is used of it, when it starts over (Unix time), whether it had room."""

    used: int
    ends_at: float
    fits: bool


def counters_url(path: Path) -> str:
    """Name a counter file in the way that `limits.storage.storage_from_string` understands."""
    return f"{SCHEME}://{path.absolute().as_uri().removeprefix('file://')}"


class SharedCounters(Storage):
    """Storage for the `limits` library; fixed windows that begin with their first hit. Threads may share it."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - how `limits` wants a scheme declared.

    def __init__(self, uri: str | None = None, *, wrap_exceptions: bool = True, **_options: float | str | bool) -> None:
        self._table: CounterTable | None = None
        super().__init__(uri, wrap_exceptions=wrap_exceptions)
        self._path = Path(unquote(urlsplit(uri or "").path))
        self._inherited: list[CounterTable] = []
        self._lock = threading.Lock()
        self._looked_at = 0.0
        forget_after_fork(self)

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What `limits` turns into its own `StorageError`."""
        return OSError

    def draw(self, draws: Sequence[Draw], cost: int, now: float) -> tuple[Drawn, ...]:
        """Take `cost` from all windows or, if one has no room, from none. Raises `StorageError` when it cannot tell."""
        try:
            return self._holding(lambda table: _draw(table, draws, cost, now))
        except OSError as error:
            raise StorageError(error) from error

    def look(self, draws: Sequence[Draw], now: float) -> tuple[Drawn, ...]:
        """Say how windows stand and take nothing. Raises `StorageError` when it cannot tell."""
        return self.draw(draws, 0, now)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a window that lasts `expiry` seconds from its first hit, and return what it holds then."""
        draw, now = Draw(key, 1 << 60, expiry), _now()
        return self._holding(lambda table: _draw(table, [draw], amount, now))[0].used

    def get(self, key: str) -> int:
        """Return what a window holds; 0 when it is over."""
        return self._window(key)[1]

    def get_expiry(self, key: str) -> float:
        """Return when a window ends; the present moment when it is over."""
        return self._window(key)[0]

    def check(self) -> bool:
        """Say whether the file can be used."""
        try:
            return self._holding(lambda _: True)
        except OSError:
            return False

    def reset(self) -> int | None:
        """Forget all windows and return how many there were."""
        now = _now()
        return self._holding(lambda table: table.end_all(now))

    def clear(self, key: str) -> None:
        """Forget one window."""
        draw = Draw(key, 1, 1)

        def work(table: CounterTable) -> None:
            at = table.find(draw.digest, draw.home)
            if at >= 0:
                table.end(at)

        self._holding(work)

    def __del__(self) -> None:
        if self._table is not None:
            self._table.close()

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._close()

    def forget(self) -> None:
        """Start afresh in a child process: the inherited file's lock is the parent's too, so it is never used again."""
        if self._table is not None:
            self._inherited.append(self._table)
            self._table = None
        self._lock = threading.Lock()

    def _window(self, key: str) -> tuple[float, int]:
        draw, now = Draw(key, 1, 0), _now()
        (drawn,) = self._holding(lambda table: _draw(table, [draw], 0, now))
        return drawn.ends_at, drawn.used

    def _holding(self, work: Callable[[CounterTable], Answer]) -> Answer:
        """Work while no other thread or process does; after an error the file is closed: the next call opens it."""
        with self._lock:
            try:
                table = self._opened()
                table.lock()
                try:
                    return work(table)
                finally:
                    table.unlock()
            except OSError:
                self._close()
                raise

    def _opened(self) -> CounterTable:
        """Return the table, anew when its file is no longer the one at its path; that is looked at once a second."""
        moment = time.monotonic()
        if moment - self._looked_at > LOOK_EVERY_SECONDS:
            self._looked_at = moment
            if self._table is not None and not self._table.is_at_its_path():
                self._close()
        if self._table is None:
            self._table = CounterTable(self._path)
        return self._table

    def _close(self) -> None:
        if self._table is not None:
            self._table.close()
            self._table = None


def _draw(table: CounterTable, draws: Sequence[Draw], cost: int, now: float) -> tuple[Drawn, ...]:
    """Look at all windows first, then, if all have room, write them all."""
    standings = [_standing(table, draw, now) for draw in draws]
    if cost and all(used + cost <= draw.amount for (_, _, used), draw in zip(standings, draws, strict=True)):
        _write(table, draws, standings, cost, now)
        return tuple(Drawn(used + cost, ends_at, fits=True) for _, ends_at, used in standings)
    return tuple(
        Drawn(used, ends_at, used + cost <= draw.amount)
        for (_, ends_at, used), draw in zip(standings, draws, strict=True)
    )


def _standing(table: CounterTable, draw: Draw, now: float) -> tuple[int, float, int]:
    """Return a window's slot (-1: none), when it ends and what is used of it; one that is over begins again now."""
    at = table.find(draw.digest, draw.home)
    if at < 0:
        return at, now + draw.seconds, 0
    ends_at, used = table.read(at)
    if ends_at <= now:
        return at, now + draw.seconds, 0
    # A clock that was set back must not keep a window closed for longer than it lasts.
    return at, min(ends_at, now + draw.seconds) if draw.seconds else ends_at, used


def _write(
    table: CounterTable, draws: Sequence[Draw], standings: Sequence[tuple[int, float, int]], cost: int, now: float
) -> None:
    """Write windows that have a slot first: a new one may make the table grow, and then slots are elsewhere."""
    for draw, (at, ends_at, used) in zip(draws, standings, strict=True):
        if at >= 0:
            table.begin_again(at, draw.digest, (ends_at, used + cost))
    for draw, (at, ends_at, used) in zip(draws, standings, strict=True):
        if at < 0:
            table.begin(draw.digest, draw.home, (ends_at, used + cost), now)


def _digest(name: str) -> bytes:
    """Shorten a name to what is stored: no names of owners in the file, and a slot size that does not vary."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _now() -> float:
    return time.time()  # noqa: TID251 - `limits` asks its storages without telling them the time.
