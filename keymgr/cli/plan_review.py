"""A plan beside what else a reviewer asks first: the verdict, the tests, and what to do next; each format writes it."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keymgr.policy.existing import Standing
from keymgr.policy.guards import Trip, ack_document
from keymgr.policy.model import Risk
from keymgr.policy.plan import Plan
from keymgr.policy.plan_capabilities import CapabilityChange, Delta
from keymgr.policy.plan_examples import Example
from keymgr.policy.plan_fields import FieldChange
from keymgr.policy.plan_keys import KeyImpact
from keymgr.policy.plan_objects import Action
from keymgr.policy.plan_words import duration
from keymgr.policy.read import ReadPolicy
from keymgr.policy.testing import TestReport
from keymgr.policy.wording import count

SIGNS = {
    Action.ADDED: "+",
    Action.CHANGED: "~",
    Action.RENAMED: ">",
    Action.REMOVED: "-",
    Action.TOUCHED: "~",
}
_LOUD = frozenset({Risk.HIGH, Risk.CRITICAL})


@dataclass(frozen=True, slots=True)
class Review:
    """One plan as a command tells it; `base_label` is what was asked for as base, None for no base at all."""

    plan: Plan
    head: ReadPolicy
    tests: TestReport
    folder: str
    base_label: str | None

    @property
    def result(self) -> str:
        """The verdict in one word for programs: `no_changes`, `changes` or `blocked`."""
        if self.plan.is_blocked:
            return "blocked"
        return "no_changes" if self.plan.is_empty else "changes"

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        if self.plan.is_blocked:
            return f"blocked by {count(len(self.plan.guards.blocking), 'guard')}"
        if self.plan.is_empty:
            return "no changes"
        return "changes, and policy tests fail" if not self.tests.passed else "changes"

    def delta(self, delta: Delta) -> int:
        """Return how many cells are gained, lost or limited."""
        return self.plan.deltas.get(delta, 0)

    @property
    def next_step(self) -> str:
        """What to do now, in one or two sentences."""
        steps = []
        if self.tests.failures:
            steps.append(f"fix {count(len(self.tests.failures), 'policy test')}")
        elif not self.tests.results:
            steps.append("write a policy test")
        if self.plan.is_blocked:
            them = "a ChangeAck" if len(self.plan.guards.blocking) == 1 else "a ChangeAck for each guard"
            steps.append(f"narrow the change, or add {them} to it")
        if steps:
            return "; then ".join(steps) + "."
        return "nothing to do." if self.plan.is_empty else "review what changes hands, then merge."


def clean(text: object) -> str:
    """Return text in one line that no terminal and no page takes for more than text."""
    return "".join(each if _is_plain(each) else f"\\u{ord(each):04x}" for each in str(text).replace("\n", " "))


def _is_plain(character: str) -> bool:
    return character == " " or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs", "Co"}


def shown(value: Any) -> str:  # noqa: ANN401 whatever a policy file can hold.
    """Write the value of a field the way policy files do, in one line."""
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(shown(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {shown(each)}' for key, each in value.items())}}}"
    return str(value)


def field_words(change: FieldChange) -> str:
    """Write what happens to a field: entries that come and go of a list, both values of everything else."""
    before, after = change.before, change.after
    if isinstance(before, list) and isinstance(after, list):
        gone = [f"- {shown(each)}" for each in before if each not in after]
        come = [f"+ {shown(each)}" for each in after if each not in before]
        words = ", ".join([*gone, *come]) or f"{shown(before)} -> {shown(after)}"
    else:
        words = f"{shown(before)} -> {shown(after)}"
    return f"{words} (by {change.via})" if change.via else words


def short_path(change: FieldChange) -> str:
    """Return the path of a field without the `spec.` that nearly all have."""
    return change.path.removeprefix("spec.")


def kinds(change: CapabilityChange) -> str:
    """Write the kinds of owner."""
    return ", ".join(change.kinds)


def scopes(change: CapabilityChange) -> str:
    """Write the scopes, those that can do harm with their risk."""
    return ", ".join(f"{name} [{risk}]" if risk in _LOUD else name for name, risk in change.scopes)


def limits(change: CapabilityChange) -> list[str]:
    """Write each limit that changes."""
    return [f"{each.term} {each.before} -> {each.after}" for each in change.limits]


def sign(change: CapabilityChange) -> str:
    """Return the mark of a change, with `!` before what lets somebody do more."""
    mark = {Delta.GAINED: "+", Delta.LOST: "-", Delta.LIMITED: "~"}[change.delta]
    return f"! {mark}" if change.widens else mark


def example_words(example: Example) -> str:
    """Write the wish that flips and how it comes out on both sides."""
    wish, asker = example.wish, example.asker
    who = [*sorted(asker.teams), *(f"role {role}" for role in sorted(asker.roles))]
    asked = [
        f"{asker.kind} of {' and '.join(who)}",
        wish.environment,
        *sorted(wish.scopes),
        f"ttl {duration(wish.ttl_seconds)}",
        *(f"cidr {network}" for network in wish.cidrs[:3]),
        *(["…"] if len(wish.cidrs) > 3 else []),  # noqa: PLR2004 - three networks show what is meant.
        *(f"{fact}: {shown(value)}" for fact, value in sorted(example.evidence.facts.items())),
        *([f"holding {example.evidence.keys_held} keys"] if example.evidence.keys_held else []),
    ]
    answer = f"{example.before} -> {example.after}"
    return f"{', '.join(asked)}: {answer if example.before != example.after else f'{example.before}, on other terms'}"


def why(standing: Standing) -> tuple[str, str]:
    """Return the code and the sentence of the first reason of a verdict."""
    if not standing.reasons:
        return "", ""
    return standing.reasons[0].reason.value, standing.reasons[0].sentence


def then(impact: KeyImpact) -> str:
    """Write what happens to a key and when."""
    if impact.after.action is None:
        return "nothing"
    if impact.due_at is None:
        return f"{impact.after.action}, as before"
    return f"{impact.after.action}, due {moment(impact.due_at)}"


def moment(seconds: int) -> str:
    """Write a moment in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def trip_words(trip: Trip) -> str:
    """Write what a guard counts against its limit."""
    return f"{trip.guard} counts {trip.value}, {trip.limit} allowed"


def ack_words(trip: Trip, review: Review) -> str:
    """Write the acknowledgement to add, all but its end and reason."""
    spec = ack_document(trip, review.plan.base_digest or "")
    return ", ".join(["kind ChangeAck", *(f"{field} {value}" for field, value in spec.items())])
