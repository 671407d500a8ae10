"""Rules that promise what an enforced guardrail is certain to refuse: an error when written, no surprise later."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keymgr.policy.durations import write_duration
from keymgr.policy.model import Enforcement, Environment, Guardrail, Policy, Rule, Scope, Source
from keymgr.policy.places import place
from keymgr.policy.problems import Problem, at
from keymgr.policy.wording import count


def dead_promises(policy: Policy) -> Iterator[Problem]:
    """Yield every promise of a rule that is certain to be refused; what a waiver may open is not certain."""
    binding = [
        policy.guardrails[name]
        for name in sorted(policy.guardrails)
        if policy.guardrails[name].enforcement is Enforcement.ENFORCE and not policy.guardrails[name].waivable
    ]
    for rule in policy.rules.values():
        reach = _reach(rule, policy)
        for guardrail in binding:
            if _may_meet(guardrail, reach):
                yield from _steps(rule, guardrail)
            if _always_meets(guardrail, reach):
                yield from _limits(rule, guardrail)
                yield from _networks(rule, guardrail)


@dataclass(frozen=True, slots=True)
class _Reach:
    """Everything a rule can grant, looked up."""

    rule: Rule
    environments: tuple[Environment, ...]
    scopes: tuple[Scope, ...]


def _reach(rule: Rule, policy: Policy) -> _Reach:
    service = policy.services.get(rule.service)
    scopes = service.scopes.values() if service else ()
    return _Reach(
        rule=rule,
        environments=tuple(each for each in policy.environments.values() if each.name in rule.environments),
        scopes=tuple(scope for scope in scopes if scope.name in rule.scopes),
    )


def _may_meet(guardrail: Guardrail, reach: _Reach) -> bool:
    """Tell whether some wish that the rule accepts is certain to meet the guardrail."""
    rule = reach.rule
    return (
        _selects(guardrail.services, rule.service)
        and any(_looks_at(guardrail, environment) for environment in reach.environments)
        and any(_touches(guardrail, scope) for scope in reach.scopes)
        and (not guardrail.owner_kinds or bool(guardrail.owner_kinds & rule.owner_kinds))
        and (not guardrail.teams or bool(guardrail.teams & rule.teams))
    )


def _always_meets(guardrail: Guardrail, reach: _Reach) -> bool:
    """Tell whether every wish that the rule accepts meets the guardrail."""
    rule = reach.rule
    return (
        _may_meet(guardrail, reach)
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


def _steps(rule: Rule, guardrail: Guardrail) -> Iterator[Problem]:
    have, need = len(rule.approval.steps), guardrail.approval_steps_min
    if have < need:
        message = (
            f"approval {rule.approval.name} has {count(have, 'step')}, the guardrail {guardrail.name} asks for {need}"
        )
        remedy = f"name an ApprovalPolicy with {count(need, 'step')}, or leave out what the guardrail looks at"
        yield at(place(rule, "spec.approval"), "E310", message, remedy)


def _limits(rule: Rule, guardrail: Guardrail) -> Iterator[Problem]:
    """Compare only what the rule itself writes: a default that is too high is lowered without a broken promise."""
    limits = rule.limits
    for field, value, ceiling in (
        ("max_ttl", limits.max_ttl_seconds, guardrail.max_ttl_seconds),
        ("default_ttl", limits.default_ttl_seconds, guardrail.max_ttl_seconds),
        ("rotate_every", limits.rotate_every_seconds, guardrail.rotate_every_seconds),
    ):
        mark = rule.marks.get(f"spec.limits.{field}")
        if mark is not None and value is not None and ceiling is not None and value > ceiling:
            yield _over(mark, field, write_duration(value), guardrail, write_duration(ceiling))
    most, mark = guardrail.max_keys_per_owner, rule.marks.get("spec.limits.max_keys_per_owner")
    if mark is not None and most is not None and limits.max_keys_per_owner > most:
        yield _over(mark, "max_keys_per_owner", str(limits.max_keys_per_owner), guardrail, str(most))


def _over(mark: Source, field: str, written: str, guardrail: Guardrail, ceiling: str) -> Problem:
    message = f"{field} {written} is over the ceiling {ceiling} of the guardrail {guardrail.name}"
    return at(mark, "E311", message, f"write {ceiling} or less")


def _networks(rule: Rule, guardrail: Guardrail) -> Iterator[Problem]:
    for network in rule.limits.cidrs.within:
        if network in guardrail.forbidden_cidrs:
            message = f"{network} is offered here, but the guardrail {guardrail.name} forbids it"
            mark = place(rule, "spec.limits.allowed_cidrs.within")
            yield at(mark, "E312", message, "name smaller networks")
