"""What a process remembers of rows it has read, each entry good until something it depends on has changed."""

import time
from dataclasses import dataclass
from typing import Generic, TypeVar

from keymgr.store.generations import Generations

V = TypeVar("V")

# A verb that forgot to announce its change is found out after so long; those that announce are seen at once.
MAX_AGE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    depends_on: tuple[str, ...]
    round: int
    read_at: float


class Memory(Generic[V]):
    """A bounded cache that is told what changed. Not safe for threads by itself: its owner holds a lock.

    A change is one number in a dictionary, not a search for what it concerns: an entry counts as long as nothing that
    it depends on has changed in a later round than the one it was read in.
    """

    def __init__(self, capacity: int) -> None:
        self._entries: Generations[str, _Entry[V]] = Generations(capacity)
        self._capacity = capacity
        self._changed_in: dict[str, int] = {}
        self._round = 0

    def get(self, name: str) -> V | None:
        """Return what was put under the name, None when it is not known, no longer true or too old."""
        entry = self._entries.get(name)
        if entry is None or time.monotonic() - entry.read_at > MAX_AGE_SECONDS:
            return None
        for other in entry.depends_on:
            if self._changed_in.get(other, 0) > entry.round:
                return None
        return entry.value

    def put(self, name: str, value: V, *, depends_on: tuple[str, ...]) -> None:
        """Remember a value that was read just now."""
        self._entries.put(name, _Entry(value, depends_on, self._round, time.monotonic()))

    def changed(self, name: str) -> None:
        """Note that everything read until now that depends on this name no longer counts."""
        if len(self._changed_in) >= self._capacity:
            self.clear()
        self._round += 1
        self._changed_in[name] = self._round

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._changed_in.clear()
