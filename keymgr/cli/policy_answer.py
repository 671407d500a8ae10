"""A decision told on a terminal and as plain data: the answer, what it rests on, and where that is written."""

from collections.abc import Iterable, Iterator
from typing import Any, assert_never

from keymgr.cli.plan_json import place
from keymgr.cli.plan_review import clean
from keymgr.policy import plan_words as words
from keymgr.policy.decision import Allowed, Decision, Denied, Explanation, GuardrailHit, Near, NeedsApproval, Unmet
from keymgr.policy.existing import Standing, Verdict
from keymgr.policy.model import Asker, Rule, Wish
from keymgr.policy.wording import count, span

ALLOWED = 0
DENIED = 20
NEEDS_APPROVAL = 21
FITTING = frozenset({Verdict.OK, Verdict.OK_BY_ANOTHER_RULE, Verdict.EXEMPT})


def result_of(decision: Decision) -> str:
    """Return the answer in one word for programs."""
    match decision:
        case Allowed():
            return "allowed"
        case NeedsApproval():
            return "needs_approval"
        case Denied():
            return "denied"
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def exit_code_of(decision: Decision) -> int:
    """Return the exit code that goes with an answer."""
    return {"allowed": ALLOWED, "needs_approval": NEEDS_APPROVAL, "denied": DENIED}[result_of(decision)]


def asked_as_json(asker: Asker, wish: Wish) -> dict[str, Any]:
    """Return who asked for what."""
    return {
        "owner": asker.id,
        "owner_kind": asker.kind.value,
        "teams": sorted(asker.teams),
        "roles": sorted(asker.roles),
        "active": asker.active,
        "service": wish.service,
        "environment": wish.environment,
        "scopes": sorted(wish.scopes),
        "ttl_seconds": wish.ttl_seconds,
        "cidrs": list(wish.cidrs),
    }


def explanation_as_json(explanation: Explanation) -> dict[str, Any]:
    """Return the whole answer and that of each scope."""
    scopes = [
        {"scope": line.scope, "risk": None if line.risk is None else line.risk.value, **decision_as_json(line.decision)}
        for line in explanation.lines
    ]
    return {**decision_as_json(explanation.whole), "scopes": scopes}


def decision_as_json(decision: Decision) -> dict[str, Any]:
    """Return one decision."""
    if isinstance(decision, Denied):
        return {
            "result": "denied",
            "reasons": [_unmet(each) for each in decision.reasons],
            "guardrails": [_hit(each) for each in decision.hits],
            "considered": [_near(each) for each in decision.considered],
        }
    return {
        "result": result_of(decision),
        "rule": decision.rule.name,
        "source": place(decision.rule.source),
        "approvers": words.steps(decision.rule.approval.steps) if decision.rule.approval.steps else None,
        "ttl_seconds": decision.terms.ttl_seconds,
        "max_ttl_seconds": decision.terms.max_ttl_seconds,
        "guardrails": [_hit(each) for each in decision.hits],
        "waived": list(decision.waived),
    }


def standing_as_json(standing: Standing) -> dict[str, Any]:
    """Return how a live key stands."""
    return {
        "verdict": standing.verdict.value,
        "rule": standing.rule,
        "reasons": [_unmet(each) for each in standing.reasons],
        "action": None if standing.action is None else standing.action.value,
        "grace_seconds": standing.grace_seconds,
        "exempt_until": standing.exempt_until,
        "guardrails": [_hit(each) for each in standing.hits],
    }


def asked_in_words(asker: Asker, wish: Wish) -> str:
    """Write who asked for what in one line."""
    groups = [*sorted(asker.teams), *(f"role {role}" for role in sorted(asker.roles))]
    parts = [f"{asker.id} ({', '.join(groups) or 'no team'})", wish.service, wish.environment, *sorted(wish.scopes)]
    parts += [f"ttl {words.duration(wish.ttl_seconds)}"] if wish.ttl_seconds else []
    return clean(", ".join([*parts, *(f"from {network}" for network in wish.cidrs)]))


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    """Yield the answer to the whole wish, and to each scope where they differ."""
    yield from decision_lines(explanation.whole)
    if len(explanation.lines) > 1:
        yield "Each scope alone:"
        for line in explanation.lines:
            risk = "" if line.risk is None else f" [{line.risk.value}]"
            yield f"  {clean(line.scope)}{risk}: {_in_short(line.decision)}"


def decision_lines(decision: Decision) -> Iterator[str]:
    """Yield one decision: the answer, then everything it rests on."""
    if isinstance(decision, Denied):
        yield "Denied."
        yield from _sentences("x", decision.reasons)
        if decision.nearest is not None:
            missed = count(len(decision.nearest.unmet), "condition")
            yield f"  Nearest rule: {_at(decision.nearest.rule)}, {missed} not met:"
            yield from (f"  {line}" for line in _sentences("-", decision.nearest.unmet))
    else:
        terms, rule = decision.terms, decision.rule
        yield f"{'Needs approval' if isinstance(decision, NeedsApproval) else 'Allowed'} by {_at(rule)}."
        if isinstance(decision, NeedsApproval):
            yield f"  Approved by {clean(words.steps(rule.approval.steps))}."
        yield f"  It lives for {span(terms.ttl_seconds)}; at most {span(terms.max_ttl_seconds)} can be asked for."
        yield from (f"  Waived: {clean(name)}" for name in decision.waived)
    yield from (
        f"  Guardrail {hit.guardrail} ({hit.enforcement}): {clean(hit.unmet.sentence)}" for hit in decision.hits
    )


def standing_lines(standing: Standing) -> Iterator[str]:
    """Yield how a live key stands."""
    yield f"{standing.verdict.value.replace('_', ' ').capitalize()}" + (
        f", by {standing.rule}" if standing.rule else ""
    )
    yield from _sentences("x", standing.reasons)
    if standing.action is not None and standing.grace_seconds is not None:
        yield f"  What follows: {standing.action} after {span(standing.grace_seconds)}."


def _in_short(decision: Decision) -> str:
    if isinstance(decision, Denied):
        return f"denied, {decision.reasons[0].reason}"
    return f"{result_of(decision).replace('_', ' ')} by {_at(decision.rule)}"


def _at(rule: Rule) -> str:
    return clean(f"{rule.name} ({rule.source.file}:{rule.source.line})")


def _sentences(mark: str, unmet: Iterable[Unmet]) -> Iterator[str]:
    for each in unmet:
        where = "" if each.source is None else f" ({each.source.file}:{each.source.line})"
        yield f"  {mark} {clean(each.sentence)} [{each.reason}]{clean(where)}"


def _unmet(unmet: Unmet) -> dict[str, Any]:
    return {"reason": unmet.reason.value, "sentence": unmet.sentence, "source": place(unmet.source)}


def _hit(hit: GuardrailHit) -> dict[str, Any]:
    return {"guardrail": hit.guardrail, "enforcement": hit.enforcement.value, **_unmet(hit.unmet)}


def _near(near: Near) -> dict[str, Any]:
    unmet = [_unmet(each) for each in near.unmet]
    return {"rule": near.rule.name, "source": place(near.rule.source), "unmet": unmet}
