"""The two bounded memories: what they keep, what makes room, and what a change reaches."""

import pytest

from keymgr.store import memory as subject
from keymgr.store.generations import Generations
from keymgr.store.memory import Memory


def test_never_more_than_the_capacity_is_held() -> None:
    cache: Generations[int, int] = Generations(10)
    for number in range(1000):
        cache.put(number, number)
        assert len(cache) <= 10
    assert cache.get(999) == 999
    assert cache.get(0) is None


def test_what_is_asked_for_survives_what_is_not() -> None:
    cache: Generations[str, int] = Generations(10)
    cache.put("kept", 1)
    for number in range(1000):
        cache.put(str(number), number)
        assert cache.get("kept") == 1


def test_a_value_is_replaced_dropped_and_cleared() -> None:
    cache: Generations[str, int] = Generations(4)
    cache.put("a", 1)
    cache.put("b", 1)
    cache.put("c", 1)
    cache.put("a", 2)
    assert cache.get("a") == 2
    cache.drop("a")
    assert cache.get("a") is None
    cache.clear()
    assert len(cache) == 0


def test_a_cache_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="two entries"):
        Generations(1)


def test_a_change_reaches_all_that_depends_on_it_and_nothing_else() -> None:
    memory: Memory[str] = Memory(10)
    memory.put("one", "1", depends_on=("key_1", "user:ana"))
    memory.put("two", "2", depends_on=("key_2", "user:ana"))
    memory.put("three", "3", depends_on=("key_3", "user:ben"))
    memory.changed("key_1")
    assert [memory.get(name) for name in ("one", "two", "three")] == [None, "2", "3"]
    memory.changed("user:ana")
    assert [memory.get(name) for name in ("one", "two", "three")] == [None, None, "3"]
    memory.put("one", "again", depends_on=("key_1", "user:ana"))
    assert memory.get("one") == "again"


def test_more_changes_than_there_is_room_for_forget_everything() -> None:
    memory: Memory[str] = Memory(4)
    memory.put("one", "1", depends_on=("key_1",))
    for number in range(10):
        memory.changed(f"other_{number}")
    assert memory.get("one") is None


def test_what_was_read_long_ago_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    memory: Memory[str] = Memory(4)
    memory.put("one", "1", depends_on=())
    assert memory.get("one") == "1"
    monkeypatch.setattr(subject, "MAX_AGE_SECONDS", -1.0)
    assert memory.get("one") is None
