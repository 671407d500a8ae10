"""A plan as one comment on a pull request: the verdict and the totals first, everything else folded away below.

Whatever comes from a policy file stands in a code span, where no forge looks for people, links, images or HTML.
"""

from collections.abc import Iterable, Iterator

from keymgr.cli.plan_folding import Row, Section, fitted
from keymgr.cli.plan_review import (
    SIGNS,
    Review,
    ack_words,
    clean,
    example_words,
    field_words,
    kinds,
    limits,
    short_path,
    sign,
    then,
    trip_words,
    why,
)
from keymgr.cli.report_remarks import path_of
from keymgr.policy.model import Risk, Source
from keymgr.policy.plan_capabilities import CapabilityChange, Delta
from keymgr.policy.plan_keys import Effect, KeyImpact
from keymgr.policy.plan_objects import Action, ObjectChange
from keymgr.policy.problems import Problem
from keymgr.policy.wording import count

CHARACTERS_MAX = 60_000
_TEXT_MAX = 300
_NAMES_MAX = 40
_BAR = r"\|"
_CAUTIONS_MAX = 5
_SHORT = 19
_DESTRUCTIVE = (Effect.BREAKS, Effect.UNKNOWN)


def render(review: Review) -> str:
    """Return the comment, never longer than forges take."""
    plan = review.plan
    top = "\n\n".join(
        [
            f"<!-- keymgr-plan:{plan.name} -->\n### Policy plan for {code(plan.name)}: {review.verdict}",
            _totals(review),
            f"**Next:** {review.next_step}",
            *_cautions(review),
        ]
    )
    bottom = "<sub>A folded row counts what it stands for. `keymgr policy plan --format json` lists every one.</sub>"
    sections = [_guards(review), *_capabilities(review), _keys(review), *_objects(review)]
    middle = fitted(sections, CHARACTERS_MAX - len(top) - len(bottom) - 4)
    return "\n\n".join(part for part in (top, middle, bottom) if part)


def render_problems(name: str, folder: str, problems: tuple[Problem, ...]) -> str:
    """Return the comment for a policy that is not valid."""
    rows = tuple(
        Row(
            (
                code(f"{path_of(folder, each.file)}:{each.line}:{each.column}"),
                each.code,
                code(each.message),
                code(each.remedy),
            ),
            ((each.code,), ("all",)),
        )
        for each in problems
    )
    mend = f"mend {count(len(problems), 'problem')}"
    top = f"<!-- keymgr-plan:{clean(name)} -->\n### Policy plan: not valid\n\n**Next:** {mend}."
    section = Section("Problems", ("where", "code", "what", "remedy"), rows, "problems", 0)
    return f"{top}\n\n{fitted([section], CHARACTERS_MAX - len(top) - 2)}"


def code(text: object) -> str:
    """Return text from a policy file as a code span that no table, mention or tag gets out of."""
    plain = clean(text).replace("`", "'")
    short = plain if len(plain) <= _TEXT_MAX else f"{plain[: _TEXT_MAX - 1]}…"
    # In a cell of a table the bar ends the cell even inside a code span, unless it is escaped.
    return f"`{short.replace('|', _BAR)}`" if short.strip() else ""


def _totals(review: Review) -> str:
    plan = review.plan
    base = "nothing" if plan.base_digest is None else f"{code(plan.base_digest[:_SHORT])} ({code(review.base_label)})"
    gained, lost, limited = (review.delta(delta) for delta in Delta)
    critical = len({(each.service, name) for each in plan.capabilities if each.widens for name in _critical(each)})
    note = f" ({count(critical, 'critical scope')})" if critical else ""
    renamed = plan.count(Action.RENAMED)
    objects = f"{plan.count(Action.CHANGED) + renamed} changed{f' ({renamed} renamed)' if renamed else ''}"
    tests, guards = review.tests, plan.guards
    acknowledged = len(guards.trips) - len(guards.blocking)
    rows = (
        ("Base / head", f"{base} / {code(plan.head_digest[:_SHORT])}"),
        ("Objects", f"{objects}, {plan.count(Action.ADDED)} added, {plan.count(Action.REMOVED)} removed"),
        ("**Capabilities**", f"**+{gained} gained{note}**, {lost} lost, {limited} limited"),
        ("**Live keys**", _key_totals(review)),
        ("Tests", f"{len(tests.failures)} of {len(tests.results)} failed"),
        ("Guards", f"{len(guards.blocking)} tripped" + (f", {acknowledged} acknowledged" if acknowledged else "")),
    )
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _key_totals(review: Review) -> str:
    keys = review.plan.keys
    if keys is None:
        return "not checked: no server was asked"
    untouched = keys.counts.get(Effect.UNTOUCHED, 0)
    breaking, unknown = keys.counts.get(Effect.BREAKS, 0), keys.counts.get(Effect.UNKNOWN, 0)
    return f"**{breaking} of {keys.checked} would break this policy**, {unknown} unknown, {untouched} untouched"


def _critical(change: CapabilityChange) -> Iterator[str]:
    return (name for name, risk in change.scopes if risk is Risk.CRITICAL)


def _cautions(review: Review) -> Iterator[str]:
    """Yield what nobody may overlook: critical scopes that somebody gains."""
    loud = [change for change in review.plan.capabilities if change.widens and any(_critical(change))]
    if not loud:
        return
    lines = [
        f"> {code(each.subject)} ({kinds(each)}) {'gain' if each.delta is Delta.GAINED else 'may do more with'} "
        f"**{_codes(_critical(each))} (critical)** on {code(each.service)} in {_codes(each.environments)}."
        for each in loud[:_CAUTIONS_MAX]
    ]
    more = [f"> … and {len(loud) - _CAUTIONS_MAX} more below."] if len(loud) > _CAUTIONS_MAX else []
    yield "\n".join(["> [!CAUTION]", *lines, *more])


def _codes(texts: Iterable[str]) -> str:
    """Write a list of names, the first ones where there are very many."""
    listed = list(texts)
    more = f", {len(listed) - _NAMES_MAX} more" if len(listed) > _NAMES_MAX else ""
    return ", ".join(map(code, listed[:_NAMES_MAX])) + more


def _place(review: Review, source: Source) -> str:
    return code(f"{path_of(review.folder, source.file)}:{source.line}")


def _guards(review: Review) -> Section:
    rows = []
    for trip in review.plan.guards.trips:
        by = trip.excused_by
        ack = f"acknowledged by {code(by.name)}" if by else f"add {code(ack_words(trip, review))}"
        rows.append(Row((code(trip_words(trip)), _codes(trip.items), ack), ((trip.guard.value,),)))
    for result in review.plan.guards.acks:
        words = f"does not count: {result.state.replace('_', ' ')}"
        if not any(trip.excused_by is result.ack for trip in review.plan.guards.trips):
            rows.append(Row((f"ChangeAck {code(result.ack.name)}", "", words), (("acknowledgements",),)))
    return Section("Guards", ("guard", "what", "to go on"), tuple(rows), "times", 0)


def _capabilities(review: Review) -> Iterator[Section]:
    columns = ("", "who", "kind", "service", "scope", "environments", "because")
    changes = review.plan.capabilities
    for title, widens, rank in (
        ("Capabilities gained or widened", True, 2),
        ("Capabilities lost or narrowed", False, 1),
    ):
        rows = tuple(_capability(review, change) for change in changes if change.widens is widens)
        yield Section(title, columns, rows, "cells", rank)


def _capability(review: Review, change: CapabilityChange) -> Row:
    mark, who, service = sign(change), code(change.subject), code(change.service)
    names = [f"{code(name)}{f' **{risk}**' if risk is Risk.CRITICAL else ''}" for name, risk in change.scopes]
    gone = " (removed)" if change.cause.removed else ""
    because = [f"{_place(review, change.cause.source)} {code(change.cause)}{gone}", *map(code, limits(change))]
    if change.example is not None:
        because.append(f"e. g. {code(example_words(change.example))}")
    cells = (mark, who, kinds(change), service, ", ".join(names), _codes(change.environments), "<br>".join(because))
    return Row(cells, ((mark, who, "", service), (mark, who), (mark,)), change.cells)


def _keys(review: Review) -> Section:
    impacts = review.plan.keys.impacts if review.plan.keys else ()
    columns = ("", "key", "team", "env", "why", "then")
    return Section("Live keys", columns, tuple(map(_key, impacts)), "keys", 1)


def _key(impact: KeyImpact) -> Row:
    reason, sentence = why(impact.after)
    words = impact.effect.replace("_", " ")
    team, where = code(impact.team), code(impact.key.environment)
    because = f"{code(reason)} {code(sentence)}" if reason else f"now by {code(impact.after.rule)}"
    effect = f"**{words}**" if impact.effect in _DESTRUCTIVE else words
    cells = (effect, code(impact.key.id), team, where, because, code(then(impact)))
    return Row(cells, ((effect, "", team, where, code(reason)), (effect, "", "", "", code(reason)), (effect,)))


def _objects(review: Review) -> Iterator[Section]:
    columns = ("", "object", "field", "change", "where")
    for title, removed, rank in (("Objects removed", True, 1), ("Objects added and changed", False, 3)):
        changes = [each for each in review.plan.objects if (each.action is Action.REMOVED) is removed]
        rows = tuple(row for change in changes for row in _object(review, change))
        yield Section(title, columns, rows, "lines", rank)


def _object(review: Review, change: ObjectChange) -> Iterator[Row]:
    mark, name = SIGNS[change.action], code(change)
    folds = ((mark, name), (mark, change.kind), (mark,))
    if not change.changes or change.action is Action.RENAMED:
        was = f"renamed from {code(change.previous_name)}" if change.previous_name else change.action.value
        yield Row((mark, name, "", was, _place(review, change.source)), folds)
    for field in change.changes:
        place = _place(review, field.source)
        yield Row(("~", name, code(short_path(field)), code(field_words(field)), place), folds)
