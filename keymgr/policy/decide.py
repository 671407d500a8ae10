"""The one function that says who may hold what: whole wish in, reasoned answer out.

1. Unknown names, an empty wish or an inactive owner are refused.
2. Every guardrail that applies is asked; any that enforces and objects refuses.
3. Each rule on its own has to accept the whole wish.
4. Of the rules that accept, the one with the fewest approval steps counts, then the first by name.
"""

from keymgr.policy.acceptance import terms_of, unmet_of
from keymgr.policy.case import Case, open_case
from keymgr.policy.decision import Allowed, Decision, Denied, Near, NeedsApproval
from keymgr.policy.guardrails import Review, applying, binding, review
from keymgr.policy.model import Asker, Evidence, Guardrail, Policy, Rule, Wish
from keymgr.policy.nearest import in_order_of_nearness, why_none


def decide(policy: Policy, asker: Asker, wish: Wish, evidence: Evidence, now: int) -> Decision:
    """Decide a wish. `now` is in Unix seconds and only ends waivers; a fact that is missing never helps the asker."""
    case = open_case(policy, asker, wish, evidence, now)
    if not isinstance(case, Case):
        return Denied(reasons=case)
    guardrails = applying(case)
    reviewed = review(case, guardrails, ttl_seconds=wish.ttl_seconds)
    ceilings = binding(case, guardrails)
    misses = _misses(case, ceilings)
    accepting = _accepting(misses)
    if reviewed.refusals or not accepting:
        return _denied(case, reviewed, ceilings, misses)
    return _granted(case, accepting[0], guardrails, reviewed, ceilings)


def accepting_rules(case: Case, ceilings: tuple[Guardrail, ...]) -> tuple[Rule, ...]:
    """Return the rules that accept the whole case, the one that counts first."""
    return _accepting(_misses(case, ceilings))


def considered_rules(case: Case, ceilings: tuple[Guardrail, ...], judged: tuple[Near, ...] = ()) -> tuple[Near, ...]:
    """Return the rules of the service that do not accept the case, nearest first; `judged` is not judged again."""
    known = {near.rule.name: near for near in judged}
    misses = (known.get(rule.name) or Near(rule, unmet_of(rule, case, ceilings)) for rule in _rules_of_service(case))
    return in_order_of_nearness((near for near in misses if near.unmet), case)


def _misses(case: Case, ceilings: tuple[Guardrail, ...]) -> tuple[Near, ...]:
    """Judge the rules of the target; one that accepts misses nothing."""
    candidates = case.policy.rules_by_target.get((case.service.name, case.environment.name), ())
    return tuple(Near(rule, unmet_of(rule, case, ceilings)) for rule in candidates)


def _accepting(misses: tuple[Near, ...]) -> tuple[Rule, ...]:
    accepting = [near.rule for near in misses if not near.unmet]
    return tuple(sorted(accepting, key=lambda rule: (len(rule.approval.steps), rule.name)))


def _granted(
    case: Case, rule: Rule, guardrails: tuple[Guardrail, ...], reviewed: Review, ceilings: tuple[Guardrail, ...]
) -> Decision:
    """Grant by the rule, with the guardrails asked again where the lifetime or the steps are known only now."""
    terms = terms_of(rule, case, ceilings)
    steps = len(rule.approval.steps)
    if case.wish.ttl_seconds is None or any(guardrail.approval_steps_min for guardrail in guardrails):
        reviewed = review(case, guardrails, ttl_seconds=terms.ttl_seconds, steps=steps)
    granted = NeedsApproval if steps else Allowed
    return granted(rule, terms, reviewed.hits, reviewed.waived)


def _denied(case: Case, reviewed: Review, ceilings: tuple[Guardrail, ...], misses: tuple[Near, ...]) -> Denied:
    """Refuse with everything that stands in the way: guardrails first, else what the nearest rule misses."""
    considered = considered_rules(case, ceilings, misses)
    accepted = any(not near.unmet for near in misses)
    reasons = reviewed.refusals or why_none(considered, case)
    nearest = None if accepted or not considered else considered[0]
    return Denied(reasons=reasons, hits=reviewed.hits, nearest=nearest, considered=considered)


def _rules_of_service(case: Case) -> tuple[Rule, ...]:
    targets = case.policy.rules_by_target
    rules = {
        rule.name: rule
        for environment in case.service.environments
        for rule in targets.get((case.service.name, environment), ())
    }
    return tuple(rules.values())
