"""The terms of a capability one by one: what each is called, how it is written, and which way of changing it widens."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from keymgr.policy import plan_words as words
from keymgr.policy.capability import Way
from keymgr.policy.granting import Network, RateLimit
from keymgr.policy.networks import inside


class Direction(StrEnum):
    """Whether a change of a limit lets somebody do more, less, some of both, or neither."""

    WIDER = "wider"
    NARROWER = "narrower"
    MIXED = "mixed"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One term of a capability that changes, both sides in words."""

    term: str
    before: str
    after: str
    direction: Direction


Compare = Callable[[Any, Any], Direction]


@dataclass(frozen=True, slots=True)
class Term:
    """One term: its dotted place below `spec` of a rule, its value of a way, its words, and how two values compare."""

    name: str
    path: str
    value: Callable[[Way], Any]
    written: Callable[[Any], str]
    compare: Compare


def combined(directions: Iterable[Direction]) -> Direction:
    """Return the direction of several changes together."""
    found = set(directions)
    if Direction.MIXED in found or found >= {Direction.WIDER, Direction.NARROWER}:
        return Direction.MIXED
    return next((each for each in (Direction.WIDER, Direction.NARROWER) if each in found), Direction.NEITHER)


def _more_is_wider(before: int, after: int) -> Direction:
    return Direction.WIDER if after > before else Direction.NARROWER


def _less_is_wider(before: int, after: int) -> Direction:
    return _more_is_wider(after, before)


def _longer_is_wider(before: int | None, after: int | None) -> Direction:
    """Compare limits that may be left out, which is the widest."""
    unlimited = float("inf")
    return Direction.WIDER if (after or unlimited) > (before or unlimited) else Direction.NARROWER


def _neither(_before: object, _after: object) -> Direction:
    return Direction.NEITHER


def _fewer_are_wider(before: Iterable[object], after: Iterable[object]) -> Direction:
    return _direction(wider=set(after) <= set(before), narrower=set(before) <= set(after))


def _more_are_wider(before: Iterable[object], after: Iterable[object]) -> Direction:
    return _fewer_are_wider(after, before)


def _text_asked(before: str | None, after: str | None) -> Direction:
    return _direction(wider=after is None, narrower=before is None)


def _within(before: tuple[Network, ...], after: tuple[Network, ...]) -> Direction:
    """Compare networks that keys have to lie inside; none means any."""
    return _direction(wider=_all_inside(before, after), narrower=_all_inside(after, before))


def _all_inside(these: tuple[Network, ...], others: tuple[Network, ...]) -> bool:
    return not others or (bool(these) and all(inside(network, others) for network in these))


def _windows(before: tuple[RateLimit, ...], after: tuple[RateLimit, ...]) -> Direction:
    return _direction(wider=_covered(after, before), narrower=_covered(before, after))


def _covered(looser: tuple[RateLimit, ...], tighter: tuple[RateLimit, ...]) -> bool:
    """Tell whether every window of the looser list is kept by a window of the tighter one as well."""
    return all(
        any(other.per_seconds == each.per_seconds and other.requests <= each.requests for other in tighter)
        for each in looser
    )


def _quota(before: RateLimit | None, after: RateLimit | None) -> Direction:
    return _windows((before,) if before else (), (after,) if after else ())


def _direction(*, wider: bool, narrower: bool) -> Direction:
    if wider == narrower:
        return Direction.NEITHER if wider else Direction.MIXED
    return Direction.WIDER if wider else Direction.NARROWER


def _people(way: Way) -> tuple[object, ...]:
    return tuple(replace(step, name="") for step in way.rule.approval.steps)


def _facts(way: Way) -> frozenset[str]:
    return frozenset(words.condition(each) for each in way.conditions)


TERMS: tuple[Term, ...] = (
    Term("max_ttl", "limits.max_ttl", lambda way: way.limits.max_ttl_seconds, words.duration, _more_is_wider),
    Term("min_ttl", "conditions", lambda way: way.ttl_min_seconds, words.duration, _less_is_wider),
    Term("approval_steps", "approval", lambda way: way.steps, words.number, _less_is_wider),
    Term("approvers", "approval", _people, words.steps, _neither),
    Term("reason_required", "approval", lambda way: way.rule.approval.reason_required, words.yes_or_no, _less_is_wider),
    Term("ticket_pattern", "approval", lambda way: way.rule.approval.ticket_pattern, words.text, _text_asked),
    Term("break_glass", "approval", lambda way: way.rule.approval.break_glass, words.names, _more_are_wider),
    Term(
        "allowed_cidrs.required",
        "limits.allowed_cidrs",
        lambda way: way.limits.cidrs.required,
        words.yes_or_no,
        _less_is_wider,
    ),
    Term("allowed_cidrs.within", "limits.allowed_cidrs", lambda way: way.limits.cidrs.within, words.networks, _within),
    Term(
        "allowed_cidrs.max_entries",
        "limits.allowed_cidrs",
        lambda way: way.limits.cidrs.entries_max,
        words.number,
        _more_is_wider,
    ),
    Term("forbid_cidrs", "limits.allowed_cidrs", lambda way: way.forbidden_cidrs, words.forbidden, _fewer_are_wider),
    Term(
        "max_keys_per_owner",
        "limits.max_keys_per_owner",
        lambda way: way.limits.max_keys_per_owner,
        words.number,
        _more_is_wider,
    ),
    Term("rate_limits", "limits.rate_limits", lambda way: way.limits.rate_limits, words.windows, _windows),
    Term(
        "owner_rate_limits",
        "limits.owner_rate_limits",
        lambda way: way.limits.owner_rate_limits,
        words.windows,
        _windows,
    ),
    Term("quota", "limits.quota", lambda way: way.limits.quota, words.window, _quota),
    Term(
        "rotate_every",
        "limits.rotate_every",
        lambda way: way.limits.rotate_every_seconds,
        words.duration,
        _longer_is_wider,
    ),
    Term(
        "rotation_overlap",
        "limits.rotation_overlap",
        lambda way: way.limits.rotation_overlap_seconds,
        words.duration,
        _more_is_wider,
    ),
    Term(
        "idle_expiry",
        "limits.idle_expiry",
        lambda way: way.limits.idle_expiry_seconds,
        words.duration,
        _longer_is_wider,
    ),
    Term("default_ttl", "limits.default_ttl", lambda way: way.limits.default_ttl_seconds, words.duration, _neither),
    Term("token", "limits.token", lambda way: way.limits.token, words.text, _neither),
    Term("conditions", "conditions", _facts, words.names, _fewer_are_wider),
    Term("walls", "subjects", lambda way: way.walls, words.names, _fewer_are_wider),
)
"""Every term, in the order in which a plan tells them."""
