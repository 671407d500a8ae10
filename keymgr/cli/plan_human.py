"""A plan for a terminal: totals first in each part, signs before colour, one thing a line."""

from collections.abc import Iterator

from keymgr.cli.plan_review import (
    SIGNS,
    Review,
    ack_words,
    clean,
    example_words,
    field_words,
    kinds,
    limits,
    scopes,
    short_path,
    sign,
    then,
    trip_words,
    why,
)
from keymgr.cli.report_remarks import paint
from keymgr.policy.acks import AckState
from keymgr.policy.model import Source
from keymgr.policy.plan_capabilities import CapabilityChange, Delta
from keymgr.policy.plan_keys import Effect, KeyReport
from keymgr.policy.plan_objects import Action, ObjectChange
from keymgr.policy.wording import count

_SHORT = 19
_COLOURS = {Delta.GAINED: "green", Delta.LOST: "red", Delta.LIMITED: "yellow"}


def render(review: Review) -> str:
    """Return the plan as lines for people."""
    parts = (_head(review), _objects(review), _capabilities(review), _keys(review), _guards(review), _foot(review))
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part)))


def _head(review: Review) -> Iterator[str]:
    plan = review.plan
    base = "nothing" if plan.base_digest is None else f"{plan.base_digest[:_SHORT]} ({clean(review.base_label)})"
    yield f"Policy set {clean(plan.name)}: {base} -> {plan.head_digest[:_SHORT]}"
    yield f"Tests         {len(review.tests.results)} run, {len(review.tests.failures)} failed"


def _objects(review: Review) -> Iterator[str]:
    yield f"Objects       {object_totals(review)}"
    for change in review.plan.objects:
        yield from _object(change)


def object_totals(review: Review) -> str:
    """Write how many objects are changed, added, removed and touched."""
    plan = review.plan
    renamed = plan.count(Action.RENAMED)
    changed = f"~ {plan.count(Action.CHANGED) + renamed} changed{f' ({renamed} renamed)' if renamed else ''}"
    totals = f"{changed}   + {plan.count(Action.ADDED)} added   - {plan.count(Action.REMOVED)} removed"
    touched = plan.count(Action.TOUCHED)
    return f"{totals}   {touched} touched by them" if touched else totals


def _object(change: ObjectChange) -> Iterator[str]:
    note = f" renamed from {clean(change.previous_name)}" if change.previous_name else ""
    word = "" if change.action is Action.RENAMED else f" {change.action}"
    yield f"  {SIGNS[change.action]} {clean(change)}{word}{note}   {_place(change.source)}"
    for field in change.changes:
        yield f"      {clean(short_path(field))}: {clean(field_words(field))}   {_place(field.source)}"


def _capabilities(review: Review) -> Iterator[str]:
    gained, lost, limited = (review.delta(delta) for delta in Delta)
    cells = count(review.plan.cells, "cell")
    yield f"Capabilities  + {gained} gained   - {lost} lost   ~ {limited} limited   ({cells} that somebody can hold)"
    for change in review.plan.capabilities:
        yield from _capability(change)


def _capability(change: CapabilityChange) -> Iterator[str]:
    mark = paint(sign(change).rjust(3), _COLOURS[change.delta])
    yield (
        f"  {mark} {clean(change.subject)} / {kinds(change)}   {clean(change.service)} {clean(scopes(change))}"
        f"   {clean(', '.join(change.environments))}"
    )
    yield from (f"        {clean(line)}" for line in limits(change))
    gone = " (removed)" if change.cause.removed else ""
    yield f"        by {clean(change.cause)}{gone}   {_place(change.cause.source)}"
    if change.example is not None:
        yield f"        example: {clean(example_words(change.example))}"


def _keys(review: Review) -> Iterator[str]:
    keys = review.plan.keys
    if keys is None:
        yield "Live keys     not checked: no server was asked"
        return
    yield f"Live keys     {key_totals(keys)}"
    for impact in keys.impacts:
        code, sentence = why(impact.after)
        reason = f"{code} {sentence}".strip() or f"now by {impact.after.rule}"
        where = f"{clean(impact.team)} {clean(impact.key.environment)}"
        yield f"  {impact.effect:<14} {clean(impact.key.id)}   {where}   {clean(reason)}   {then(impact)}"


def key_totals(keys: KeyReport) -> str:
    """Write how many keys were checked and what happens to them; the untouched are counted as well."""
    words = {
        Effect.BREAKS: "would break",
        Effect.UNKNOWN: "become unknown",
        Effect.STILL_BREAKS: "break already",
        Effect.STILL_UNKNOWN: "are unknown already",
        Effect.MOVES: "kept by another or renamed rule",
        Effect.EXEMPT: "exempt for now",
        Effect.MENDED: "fit again",
        Effect.UNTOUCHED: "untouched",
    }
    always = {Effect.BREAKS, Effect.UNKNOWN, Effect.UNTOUCHED}
    told = [
        f"{keys.counts.get(each, 0)} {word}" for each, word in words.items() if each in always or each in keys.counts
    ]
    return f"{keys.checked} checked   {'   '.join(told)}"


def _guards(review: Review) -> Iterator[str]:
    guards, blocking = review.plan.guards, len(review.plan.guards.blocking)
    excused = len(guards.trips) - blocking
    noted = f", {excused} acknowledged" if excused else ""
    yield f"Guards        {blocking} tripped{noted}, judged by the stricter of base and head"
    for trip in guards.trips:
        mark, colour = ("ok", "yellow") if trip.excused_by else ("x", "red")
        yield f"  {paint(mark, colour)} {trip_words(trip)}: {clean(', '.join(trip.items))}"
        if trip.excused_by is not None:
            yield f"      acknowledged by {clean(trip.excused_by.name)}: {clean(trip.excused_by.spec.reason)}"
        else:
            yield f"      to go on, add to this change: {ack_words(trip, review)}, expires_at and reason"
    for result in guards.acks:
        if result.state is not AckState.EXCUSES:
            yield f"  ChangeAck {clean(result.ack.name)} does not count: {result.state.replace('_', ' ')}"


def _foot(review: Review) -> Iterator[str]:
    colour = {"blocked": "red", "changes": "yellow", "no_changes": "green"}[review.result]
    yield f"Plan: {paint(review.verdict, colour)}. Next: {review.next_step}"


def _place(source: Source) -> str:
    return f"{clean(source.file)}:{source.line}"
