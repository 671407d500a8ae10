"""Rate limits and quotas of a key: several named windows, counted by key id or shared by the owner's keys."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from keymgr.keys.terms import rate_limits
from keymgr.policy.model import RateLimit
from keymgr.store.counters import Draw, Drawn, SharedCounters
from keymgr.store.key_facts import CredentialFacts

COST_MAX = 1_000
# The strategy is part of every counter's name: two strategies must never share one (reference/dependencies.md, 7).
_STRATEGY = "fixed-window"


@dataclass(frozen=True, slots=True)
class Window:
    """One limit of a key. `name` is how it is shown: `burst`, `owner:daily`, `quota`."""

    name: str
    draw: Draw
    is_quota: bool = False


@dataclass(frozen=True, slots=True)
class WindowState:
    """How a limit stands after a call; `resets_in_seconds` is rounded up. `fits` False: this is what refused it."""

    window: Window
    remaining: int
    resets_in_seconds: int
    fits: bool


def windows_of(facts: CredentialFacts) -> tuple[Window, ...]:
    """List a key's limits, smallest window first.

    Counters are named by key id, so that rotation does not start them over; shared ones by owner and rule.
    """
    per_key = [_window("", limit, "key", facts.key_id) for limit in rate_limits(facts.terms, "rate_limits")]
    shared = [
        _window("owner:", limit, "owner", facts.owner, facts.rule)
        for limit in rate_limits(facts.terms, "owner_rate_limits")
    ]
    quota = facts.terms["quota"]
    last = [] if quota is None else [_window("", RateLimit(**quota), "quota", facts.key_id, is_quota=True)]
    return tuple(sorted((*per_key, *shared, *last), key=lambda window: window.draw.seconds))


class Limiter:
    """Counts calls. On our own storage a call is taken from all windows or from none; others go window by window."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._one_by_one = FixedWindowRateLimiter(storage)

    def take(self, windows: Sequence[Window], cost: int, now: float) -> tuple[WindowState, ...]:
        """Take `cost` from the windows and say how they stand; raises `StorageError` when it cannot tell."""
        if not 1 <= cost <= COST_MAX:
            raise ValueError(f"A call costs a whole number from 1 to {COST_MAX}.")
        if not windows:
            return ()
        if isinstance(self._storage, SharedCounters):
            drawn = self._storage.draw([window.draw for window in windows], cost, now)
        else:
            drawn = self._draw_one_by_one(windows, cost)
        return tuple(_state(window, one, now) for window, one in zip(windows, drawn, strict=True))

    def look(self, windows: Sequence[Window], now: float) -> tuple[WindowState, ...]:
        """Say how the windows stand and take nothing; raises `StorageError` when it cannot tell."""
        if isinstance(self._storage, SharedCounters):
            drawn = self._storage.look([window.draw for window in windows], now)
        else:
            drawn = tuple(self._standing(window.draw, fits=True) for window in windows)
        return tuple(_state(window, one, now) for window, one in zip(windows, drawn, strict=True))

    def close(self) -> None:
        """Let go of the counter file, if there is one."""
        if isinstance(self._storage, SharedCounters):
            self._storage.close()

    def _draw_one_by_one(self, windows: Sequence[Window], cost: int) -> tuple[Drawn, ...]:
        """Hit the windows until one refuses: larger ones stay untouched, smaller ones soon start over anyway."""
        drawn = []
        fits = True
        for window in windows:
            fits = fits and self._one_by_one.hit(_item(window.draw), window.draw.name, cost=cost)
            drawn.append(self._standing(window.draw, fits=fits, cost=cost))
        return tuple(drawn)

    def _standing(self, draw: Draw, *, fits: bool, cost: int = 0) -> Drawn:
        stats = self._one_by_one.get_window_stats(_item(draw), draw.name)
        return Drawn(draw.amount - stats.remaining, stats.reset_time, fits or stats.remaining >= cost)


def retry_after_seconds(states: Sequence[WindowState]) -> int:
    """Say when it makes sense to try again: when the last of the windows that refused starts over."""
    return max((max(1, state.resets_in_seconds) for state in states if not state.fits), default=1)


def _item(draw: Draw) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(draw.amount, draw.seconds, namespace=f"keymgr-{_STRATEGY}")


def _window(prefix: str, limit: RateLimit, *counted_by: str, is_quota: bool = False) -> Window:
    """Name the counter so that no two lists of parts give the same name, and no part can reach into another."""
    counter = json.dumps([_STRATEGY, *counted_by, limit.name, limit.per_seconds])
    if limit.requests < 1 or limit.per_seconds < 1:
        raise ValueError(f"The limit {limit.name!r} allows nothing; limits start at 1.")
    return Window(prefix + limit.name, Draw(counter, limit.requests, limit.per_seconds), is_quota)


def _state(window: Window, drawn: Drawn, now: float) -> WindowState:
    remaining = max(0, window.draw.amount - drawn.used)
    return WindowState(window, remaining, max(0, math.ceil(drawn.ends_at - now)), drawn.fits)
