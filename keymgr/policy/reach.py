"""What a rule can grant, looked up, and whether a guardrail looks at it."""

from collections.abc import Iterable
from dataclasses import dataclass

from keymgr.policy.model import Environment, Guardrail, Policy, Rule, Scope


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything a rule can grant, looked up."""

    rule: Rule
    environments: tuple[Environment, ...]
    scopes: tuple[Scope, ...]


def reach_of(rule: Rule, policy: Policy) -> Reach:
    """Return the environments and scopes behind the names of a rule."""
    service = policy.services.get(rule.service)
    scopes = service.scopes.values() if service else ()
    return Reach(
        rule=rule,
        environments=tuple(each for each in policy.environments.values() if each.name in rule.environments),
        scopes=tuple(scope for scope in scopes if scope.name in rule.scopes),
    )


def can_meet(guardrail: Guardrail, reach: Reach) -> bool:
    """Tell whether a wish that the rule accepts can meet the guardrail, whatever else the owner is a member of."""
    rule = reach.rule
    return (
        _selects(guardrail.services, rule.service)
        and any(_looks_at(guardrail, environment) for environment in reach.environments)
        and any(_touches(guardrail, scope) for scope in reach.scopes)
        and (not guardrail.owner_kinds or bool(guardrail.owner_kinds & rule.owner_kinds))
    )


def can_be_asked(guardrail: Guardrail, policy: Policy) -> bool:
    """Tell whether anybody can ask for something the guardrail looks at, whether or not a rule gives it."""
    return any(
        _selects(guardrail.services, service.name)
        and any(_looks_at(guardrail, policy.environments[name]) for name in service.environments)
        and any(_touches(guardrail, scope) for scope in service.scopes.values())
        for service in policy.services.values()
    )


def may_meet(guardrail: Guardrail, reach: Reach) -> bool:
    """Tell whether some wish that the rule accepts is certain to meet the guardrail."""
    return can_meet(guardrail, reach) and (not guardrail.teams or bool(guardrail.teams & reach.rule.teams))


def always_meets(guardrail: Guardrail, reach: Reach) -> bool:
    """Tell whether every wish that the rule accepts meets the guardrail."""
    rule = reach.rule
    return (
        may_meet(guardrail, reach)
        and all(_looks_at(guardrail, environment) for environment in reach.environments)
        and all(_touches(guardrail, scope) for scope in reach.scopes)
        and (not guardrail.owner_kinds or guardrail.owner_kinds >= rule.owner_kinds)
        and (not guardrail.teams or guardrail.teams >= rule.teams)
    )


def _selects(selector: Iterable[str], value: str) -> bool:
    return not selector or value in selector


def _looks_at(guardrail: Guardrail, environment: Environment) -> bool:
    return _selects(guardrail.environments, environment.name) and _selects(guardrail.tiers, environment.tier)


def _touches(guardrail: Guardrail, scope: Scope) -> bool:
    return _selects(guardrail.risks, scope.risk) and _selects(guardrail.scopes, scope.name)
