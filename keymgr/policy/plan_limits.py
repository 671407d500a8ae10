"""How the terms on which a cell is granted change: term by term, rule by rule."""

from collections.abc import Iterator, Mapping
from typing import Any

from keymgr.policy import plan_words as words
from keymgr.policy.capability import Capability, Way
from keymgr.policy.plan_terms import TERMS, Direction, LimitChange

Signature = tuple[tuple[Any, ...], ...]


def signature(capability: Capability) -> Signature:
    """Return all terms of a capability, by which it can be compared whatever its rules are called."""
    return tuple(tuple(term.value(way) for term in TERMS) for way in capability.ways)


def limits_between(before: Capability, after: Capability, renames: Mapping[str, str]) -> tuple[LimitChange, ...]:
    """Return what changes between two different capabilities of one cell; `renames` maps rules to their new names."""
    changes = tuple(dict.fromkeys(_changes(before, after, renames)))
    return changes or (LimitChange("rule", before.deciding.rule.name, after.deciding.rule.name, Direction.NEITHER),)


def _changes(before: Capability, after: Capability, renames: Mapping[str, str]) -> Iterator[LimitChange]:
    if len(before.ways) == len(after.ways) == 1:
        yield from _of_way(before.deciding, after.deciding)
        return
    old = {renames.get(way.rule.name, way.rule.name): way for way in before.ways}
    new = {way.rule.name: way for way in after.ways}
    for name, way in new.items():
        if name in old:
            yield from _of_way(old[name], way)
        else:
            yield LimitChange("another rule", words.NOTHING, _whole(way), Direction.WIDER)
    for name, way in old.items():
        if name not in new:
            yield LimitChange("another rule", _whole(way), words.NOTHING, Direction.NARROWER)


def _of_way(before: Way, after: Way) -> Iterator[LimitChange]:
    for term in TERMS:
        old, new = term.value(before), term.value(after)
        if old != new:
            yield LimitChange(term.name, term.written(old), term.written(new), term.compare(old, new))


def _whole(way: Way) -> str:
    steps = f", {way.steps} approval steps" if way.steps else ""
    return f"{way.rule.name} (max_ttl {words.duration(way.limits.max_ttl_seconds)}{steps})"
