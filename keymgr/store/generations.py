"""A bounded mapping for caches: two generations, so that making room is one assignment and never a search."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Generations(Generic[K, V]):
    """Holds at most `capacity` entries; those not asked for during half a capacity of new ones are let go."""

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, capacity: int) -> None:
        if capacity < 2:  # noqa: PLR2004 - one entry for each generation.
            raise ValueError("A cache needs room for at least two entries.")
        self._half = capacity // 2
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """Return what was put under the key, None when nothing was or it had to make room."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep a value under the key, replacing an earlier one."""
        if len(self._young) >= self._half and key not in self._young:
            self._old, self._young = self._young, {}
        self._young[key] = value
        self._old.pop(key, None)

    def drop(self, key: K) -> None:
        """Let go of one entry, if it is there."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        """Let go of everything."""
        self._young, self._old = {}, {}
