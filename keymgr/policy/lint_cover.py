"""Whether one rule makes another superfluous: it accepts every wish the other accepts, and would decide it."""

from dataclasses import replace

from keymgr.policy.model import Condition, Enforcement, Policy, Rule
from keymgr.policy.networks import inside

_LIFETIME = "key.ttl"


def covering(rule: Rule, policy: Policy) -> Rule | None:
    """Return the first rule by name that makes `rule` superfluous, None when it is of use."""
    others = sorted((each for each in policy.rules.values() if each is not rule), key=lambda each: each.name)
    return next((other for other in others if _makes_superfluous(other, rule, policy)), None)


def _makes_superfluous(wide: Rule, rule: Rule, policy: Policy) -> bool:
    if not _accepts_all(wide, rule, policy):
        return False
    if _rank(wide) < _rank(rule):
        return True
    # The other rule would only decide once this one is gone, so nothing may change then; of twins the later one goes.
    return _terms(wide) == _terms(rule) and not _accepts_all(rule, wide, policy)


def _rank(rule: Rule) -> tuple[int, str]:
    """Return what decides between two rules that both accept."""
    return len(rule.approval.steps), rule.name


def _terms(rule: Rule) -> tuple[object, ...]:
    limits = replace(rule.limits, cidrs=None)  # type: ignore[arg-type]  # only compared, networks are judged apart.
    return limits, rule.approval, rule.existing_keys, rule.on_owner_exit


def _accepts_all(wide: Rule, rule: Rule, policy: Policy) -> bool:
    return (
        wide.service == rule.service
        and wide.environments >= rule.environments
        and wide.scopes >= rule.scopes
        and _is_for_all(wide, rule)
        and _limits_all(wide, rule)
        and _conditions(wide) <= _conditions(rule)
        and not _may_lack_steps(wide, policy)
    )


def _is_for_all(wide: Rule, rule: Rule) -> bool:
    return (
        wide.owner_kinds >= rule.owner_kinds
        and (not wide.teams or (bool(rule.teams) and wide.teams >= rule.teams))
        and (not wide.roles or (bool(rule.roles) and wide.roles >= rule.roles))
    )


def _limits_all(wide: Rule, rule: Rule) -> bool:
    theirs, ours = wide.limits, rule.limits
    networks = ours.cidrs.within
    return (
        theirs.max_ttl_seconds >= ours.max_ttl_seconds
        and theirs.max_keys_per_owner >= ours.max_keys_per_owner
        and theirs.cidrs.entries_max >= ours.cidrs.entries_max
        and (ours.cidrs.required or not theirs.cidrs.required)
        and (
            not theirs.cidrs.within or (bool(networks) and all(inside(each, theirs.cidrs.within) for each in networks))
        )
        and (theirs.default_ttl_seconds == ours.default_ttl_seconds or not _judges_lifetime(wide.conditions))
    )


def _judges_lifetime(conditions: tuple[Condition, ...]) -> bool:
    """Tell whether the lifetime that a rule fills in by itself may keep it from accepting."""
    return any(condition.fact == _LIFETIME for condition in conditions)


def _conditions(rule: Rule) -> set[tuple[str, str, object]]:
    return {(each.fact, each.operator, each.value) for each in rule.conditions}


def _may_lack_steps(rule: Rule, policy: Policy) -> bool:
    """Tell whether a guardrail may ask for more approval steps than the rule has."""
    return any(
        guardrail.approval_steps_min > len(rule.approval.steps)
        for guardrail in policy.guardrails.values()
        if guardrail.enforcement is Enforcement.ENFORCE
    )
