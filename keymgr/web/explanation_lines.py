"""One scope's answer as it is shown: state, sentences, the rule, and where it is written."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from keymgr.policy.decision import Allowed, Decision, Denied, Near, NeedsApproval, Reason, ScopeLine, Terms, Unmet
from keymgr.policy.model import ApprovalStep, Risk, Rule
from keymgr.policy.wording import any_of, count, span
from keymgr.web.forge import Forge, Place
from keymgr.web.wording import rates


class Answer(StrEnum):
    """The three states of a line; the words are also the classes of the style sheet."""

    GRANTED = "granted"
    PENDING = "pending"
    REFUSED = "refused"


_WORDS = {
    Answer.GRANTED: "is granted at once",
    Answer.PENDING: "needs approval",
    Answer.REFUSED: "is not allowed",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One thing in a whole sentence, and where it is written."""

    sentence: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class Line:
    """One scope. `rule` is the rule that grants it or came nearest, `place` where that rule is written.

    `near` and `near_points` say what the nearest rule misses beside a guardrail that refuses.
    """

    scope: str
    risk: Risk | None
    answer: Answer
    sentence: str
    points: tuple[Point, ...]
    rule: str | None
    place: Place | None
    near: str = ""
    near_points: tuple[Point, ...] = ()

    @property
    def words(self) -> str:
        """The state in words, as the rest of the sentence that begins with the scope."""
        return _WORDS[self.answer]


def answer_of(decision: Decision) -> Answer:
    """Return which of the three states a decision is."""
    match decision:
        case Allowed():
            return Answer.GRANTED
        case NeedsApproval():
            return Answer.PENDING
        case Denied():
            return Answer.REFUSED
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def line_of(line: ScopeLine, forge: Forge) -> Line:
    """Write out one scope's own answer."""
    decision = line.decision
    sentence, points = _told(decision, forge)
    rule = _rule_of(decision)
    name, place = (None, None) if rule is None else (rule.name, forge.place(rule.source))
    written = Line(line.scope, line.risk, answer_of(decision), sentence, points, name, place)
    if not isinstance(decision, Denied) or decision.nearest is None or not is_by_guardrail(decision):
        return written
    misses = (unmet for unmet in decision.nearest.unmet if unmet not in decision.reasons)
    return replace(written, near=_nearest(decision.nearest), near_points=points_of(misses, forge))


def _told(decision: Decision, forge: Forge) -> tuple[str, tuple[Point, ...]]:
    match decision:
        case Allowed(_, terms):
            return f"You get it {_sentence_of(terms)}.", warnings_of(decision, forge)
        case NeedsApproval(rule, terms):
            return f"{steps_of(rule.approval.steps)} Then you get it {_sentence_of(terms)}.", warnings_of(
                decision, forge
            )
        case Denied():
            return _lead(decision), points_of(_missing(decision), forge)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def _rule_of(decision: Decision) -> Rule | None:
    """Return the rule that grants it, or the one that came nearest."""
    if not isinstance(decision, Denied):
        return decision.rule
    return None if decision.nearest is None else decision.nearest.rule


def steps_of(steps: Iterable[ApprovalStep]) -> str:
    """Say who approves, in order, such as `Approved by one person in the team payments, then 2 people …`."""
    return f"Approved by {', then '.join(_step(step) for step in steps)}."


def points_of(unmet: Iterable[Unmet], forge: Forge) -> tuple[Point, ...]:
    """Write out unmet conditions with their places."""
    return tuple(Point(one.sentence, None if one.source is None else forge.place(one.source)) for one in unmet)


def warnings_of(decision: Allowed | NeedsApproval, forge: Forge) -> tuple[Point, ...]:
    """Write out guardrails that object without refusing."""
    return points_of((hit.unmet for hit in decision.hits), forge)


def _step(step: ApprovalStep) -> str:
    groups = [*(f"in the team {name}" for name in sorted(step.teams))]
    groups += [f"with the role {name}" for name in sorted(step.roles)]
    return f"{'one person' if step.count == 1 else f'{step.count} people'} {any_of(groups)}"


def _sentence_of(terms: Terms) -> str:
    parts = [f"for {span(terms.ttl_seconds)}"]
    if terms.limits.rate_limits:
        parts.append(f"with at most {rates(terms.limits.rate_limits)}")
    if terms.cidrs:
        parts.append(f"from {any_of(str(network) for network in terms.cidrs)}")
    return ", ".join(parts)


def _missing(denied: Denied) -> tuple[Unmet, ...]:
    """Return every sentence that helps: the reasons, or what the nearest rule misses where they only name it."""
    nearest = denied.nearest
    return denied.reasons if nearest is None or denied.reasons[0].reason is not Reason.NO_RULE else nearest.unmet


def is_by_guardrail(denied: Denied) -> bool:
    """Tell whether a guardrail refuses, so that no rule alone could help."""
    return any(hit.unmet == denied.reasons[0] for hit in denied.hits)


def _lead(denied: Denied) -> str:
    if is_by_guardrail(denied):
        return "A guardrail forbids it."
    return "" if denied.nearest is None else _nearest(denied.nearest)


def _nearest(near: Near) -> str:
    return f"Nearest rule: {near.rule.name}, with {count(len(near.unmet), 'condition')} not met."
