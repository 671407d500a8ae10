"""The explanation panel as a value: what the whole wish gets, scope by scope, and what the button will do."""

from dataclasses import dataclass
from typing import assert_never

from keymgr.policy.decision import Allowed, Decision, Denied, Explanation, NeedsApproval, Reason
from keymgr.policy.model import Asker, Policy, Rule, Wish
from keymgr.policy.wording import all_of, span
from keymgr.web.explanation_lines import Answer, Line, Point, answer_of, is_by_guardrail, line_of, points_of
from keymgr.web.forge import Forge, Place
from keymgr.web.proposal import proposed_rule

_A_RULE_HELPS = frozenset(
    {
        Reason.NO_RULE,
        Reason.RULE_ROLE,
        Reason.RULE_TEAM,
        Reason.RULE_SCOPE,
        Reason.RULE_ENVIRONMENT,
        Reason.RULE_OWNER_KIND,
    }
)


@dataclass(frozen=True, slots=True)
class Rest:
    """The allowed part of a wish that is refused as a whole, and the button that sends nothing but it."""

    scopes: tuple[str, ...]
    button: str


@dataclass(frozen=True, slots=True)
class Panel:
    """What happens on submit.

    `answer` is the whole wish's, None while nothing can be said; `sentence` then says what is missing. `points` are
    reasons that no single line shows. `rest` is what could be had without what stands in the way. `edit` is where a
    change would be made and `proposal` a rule that would help.
    """

    answer: Answer | None
    sentence: str
    points: tuple[Point, ...] = ()
    lines: tuple[Line, ...] = ()
    limits: tuple[Point, ...] = ()
    button: str = "Create key"
    hint: str = ""
    reason_wanted: bool = False
    ticket_wanted: bool = False
    ticket_pattern: str | None = None
    edit: Place | None = None
    proposal: str | None = None
    revision: int | None = None
    rest: Rest | None = None


_BUTTONS = {Allowed: "Create key", NeedsApproval: "Send for approval", Denied: "Ask all the same"}


def panel_of(explanation: Explanation, *, policy: Policy, asker: Asker, wish: Wish, forge: Forge) -> Panel:
    """Write out an explanation; the answer is the policy's, the words are this page's."""
    whole = explanation.whole
    lines = tuple(line_of(line, forge) for line in explanation.lines)
    refused = tuple(line.scope for line in lines if line.answer is Answer.REFUSED)
    helps = isinstance(whole, Denied) and whole.reasons[0].reason in _A_RULE_HELPS
    return Panel(
        answer=answer_of(whole),
        sentence=_sentence(whole, refused, len(lines)),
        points=_points(whole, lines, forge),
        lines=lines,
        limits=_limits(whole, forge),
        button=_BUTTONS[type(whole)],
        hint=_hint(whole, refused, len(lines)),
        reason_wanted=_wants_reason(whole),
        ticket_wanted=_wants(whole, "issuance.ticket") or _ticket_pattern(whole) is not None,
        ticket_pattern=_ticket_pattern(whole),
        edit=_edit(whole, forge),
        proposal=proposed_rule(policy, asker, wish) if helps else None,
        revision=forge.revision,
    )


def _sentence(whole: Decision, refused: tuple[str, ...], scopes: int) -> str:
    match whole:
        case Allowed():
            return "You get this key at once."
        case NeedsApproval():
            return "This needs approval before you get the key."
        case Denied():
            if not refused:
                return "Each scope could be granted alone, but not all of them in one key."
            if len(refused) == scopes:
                return "The policy does not allow this."
            stand = "stands" if len(refused) == 1 else "stand"
            return f"The policy does not allow all of this: {all_of(refused)} {stand} in the way."
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(whole)


def _points(whole: Decision, lines: tuple[Line, ...], forge: Forge) -> tuple[Point, ...]:
    """Return the whole wish's reasons, unless the lines say the same already."""
    if not isinstance(whole, Denied):
        return ()
    shown = {point.sentence for line in lines for point in line.points}
    if any(line.answer is Answer.REFUSED for line in lines):
        return ()
    return tuple(point for point in points_of(whole.reasons, forge) if point.sentence not in shown)


def _limits(whole: Decision, forge: Forge) -> tuple[Point, ...]:
    """Say how far the wish could have gone, and which line says so."""
    if isinstance(whole, Denied):
        return ()
    rule, limits = whole.rule, whole.terms.limits
    points = [Point(f"At most {span(whole.terms.max_ttl_seconds)} of life.", _mark(rule, "spec.limits.max_ttl", forge))]
    if limits.rotate_every_seconds is not None:
        sentence = f"A new secret at least every {span(limits.rotate_every_seconds)}."
        points.append(Point(sentence, _mark(rule, "spec.limits.rotate_every", forge)))
    if limits.cidrs.within:
        sentence = f"Only from inside {all_of(str(network) for network in limits.cidrs.within)}."
        points.append(Point(sentence, _mark(rule, "spec.limits.allowed_cidrs.within", forge)))
    return tuple(points)


def _mark(rule: Rule, path: str, forge: Forge) -> Place:
    return forge.place(rule.marks.get(path, rule.source))


def _hint(whole: Decision, refused: tuple[str, ...], scopes: int) -> str:
    if not isinstance(whole, Denied):
        return ""
    if refused and len(refused) < scopes:
        return f"Untick {all_of(refused)} to go on."
    return "" if refused else "Ask for separate keys."


def _wants_reason(whole: Decision) -> bool:
    if _wants(whole, "issuance.reason"):
        return True
    return isinstance(whole, NeedsApproval) or (isinstance(whole, Allowed) and whole.rule.approval.reason_required)


def _wants(whole: Decision, fact: str) -> bool:
    """Tell whether the rule that decides, or came nearest, has a condition on something the person can say."""
    rule = whole.rule if not isinstance(whole, Denied) else whole.nearest.rule if whole.nearest else None
    return rule is not None and any(condition.fact == fact for condition in rule.conditions)


def _ticket_pattern(whole: Decision) -> str | None:
    return None if isinstance(whole, Denied) else whole.rule.approval.ticket_pattern


def _edit(whole: Decision, forge: Forge) -> Place | None:
    if not isinstance(whole, Denied):
        return None
    if whole.nearest is not None and not is_by_guardrail(whole):
        return forge.place(whole.nearest.rule.source)
    source = whole.reasons[0].source
    return None if source is None else forge.place(source)
