"""Rules that promise what an enforced guardrail is certain to refuse: an error when written, no surprise later."""

from collections.abc import Iterator

from keymgr.policy.durations import write_duration
from keymgr.policy.model import Enforcement, Guardrail, Policy, Rule, Source
from keymgr.policy.places import place
from keymgr.policy.problems import Problem, at
from keymgr.policy.reach import always_meets, may_meet, reach_of
from keymgr.policy.wording import count


def dead_promises(policy: Policy) -> Iterator[Problem]:
    """Yield every promise of a rule that is certain to be refused; what a waiver may open is not certain."""
    binding = [
        policy.guardrails[name]
        for name in sorted(policy.guardrails)
        if policy.guardrails[name].enforcement is Enforcement.ENFORCE and not policy.guardrails[name].waivable
    ]
    for rule in policy.rules.values():
        reach = reach_of(rule, policy)
        for guardrail in binding:
            if may_meet(guardrail, reach):
                yield from _steps(rule, guardrail)
            if always_meets(guardrail, reach):
                yield from _limits(rule, guardrail)
                yield from _networks(rule, guardrail)


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
