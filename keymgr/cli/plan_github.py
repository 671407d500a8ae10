"""A plan as workflow commands: what stops it as errors, what changes hands as warnings, each at its line."""

from collections.abc import Iterator

from keymgr.cli import report_github
from keymgr.cli.plan_human import key_totals, object_totals
from keymgr.cli.plan_review import Review, clean, kinds, limits, scopes, trip_words
from keymgr.cli.report_remarks import Level, Remark, Told, path_of
from keymgr.policy.model import Source
from keymgr.policy.plan_capabilities import CapabilityChange, Delta
from keymgr.policy.plan_objects import Action

_VERBS = {Delta.GAINED: "gain", Delta.LOST: "lose", Delta.LIMITED: "keep on other terms"}


def render(review: Review) -> str:
    """Return the plan as workflow commands, the worst first; each level shows nine and counts the others."""
    remarks = (*_guards(review), *_capabilities(review), *_removed(review))
    return report_github.render(Told("plan", clean(outcome(review)), remarks))


def outcome(review: Review) -> str:
    """Write the plan in one line."""
    gained, lost, limited = (review.delta(delta) for delta in Delta)
    keys = review.plan.keys
    told = f"{review.plan.name}: {review.verdict}. Objects: {' '.join(object_totals(review).split())}."
    told += f" Capabilities: +{gained} -{lost} ~{limited}."
    told += f" Live keys: {' '.join(key_totals(keys).split())}." if keys else ""
    return f"{told} Next: {review.next_step}"


def _guards(review: Review) -> Iterator[Remark]:
    source = next(each.source for each in review.head.documents if each.kind == "PolicySet")
    for trip in review.plan.guards.blocking:
        message = f"{trip_words(trip)}: {', '.join(trip.items)}. Narrow the change, or add a ChangeAck."
        yield _remark(review, Level.ERROR, source, "Guard tripped", message)


def _capabilities(review: Review) -> Iterator[Remark]:
    for change in review.plan.capabilities:
        yield _remark(review, Level.WARNING, change.cause.source, _title(change), capability_sentence(change))


def capability_sentence(change: CapabilityChange) -> str:
    """Write one change of capabilities as a sentence."""
    terms = f": {'; '.join(limits(change))}" if change.limits else ""
    what = f"{scopes(change)} on {change.service} in {', '.join(change.environments)}"
    return f"{change.subject} ({kinds(change)}) {_VERBS[change.delta]} {what}{terms}"


def _title(change: CapabilityChange) -> str:
    return "Widened" if change.widens else "Lost" if change.delta is Delta.LOST else "Narrowed"


def _removed(review: Review) -> Iterator[Remark]:
    for change in review.plan.objects:
        if change.action is Action.REMOVED:
            yield _remark(review, Level.WARNING, change.source, "Removed", f"{change} is removed.")


def _remark(review: Review, level: Level, source: Source, title: str, message: str) -> Remark:
    file = clean(path_of(review.folder, source.file))
    return Remark(level, "", title, file, source.line, source.column, clean(message))
