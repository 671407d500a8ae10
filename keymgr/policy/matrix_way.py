"""Whether one rule grants one cell at all, found with the very functions that decide: a wish it accepts, or none."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from keymgr.policy.acceptance import terms_of, unmet_of
from keymgr.policy.asking import Asker, Evidence, Wish
from keymgr.policy.capability import Way, without_conditions
from keymgr.policy.case import Case, open_case
from keymgr.policy.granting import CidrRule, Network
from keymgr.policy.guardrails import applying, binding, review
from keymgr.policy.matrix_facts import Facts, facts_for, networks_of
from keymgr.policy.matrix_networks import free_host
from keymgr.policy.model import Enforcement, Guardrail, Policy, Rule
from keymgr.policy.plan_words import wall

_NEW_KEY = Evidence({})


@dataclass(frozen=True, slots=True)
class Question:
    """One asker before one scope in one environment, with what every rule is asked alike."""

    case: Case
    guardrails: tuple[Guardrail, ...]
    binding: tuple[Guardrail, ...]
    forbidden: tuple[Network, ...]
    walls: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Sample:
    """The values that a wish needs for one rule to accept it."""

    ttl_min_seconds: int
    ttl_max_seconds: int
    networks: tuple[Network, ...]
    cidrs_required: bool
    facts: Facts


def question_of(policy: Policy, asker: Asker, wish: Wish, now: int) -> Question | None:
    """Return the question, None where a name does not exist, so that nobody can hold it."""
    case = open_case(policy, asker, wish, _NEW_KEY, now)
    if not isinstance(case, Case):
        return None
    guardrails = applying(case)
    enforced = binding(case, guardrails)
    return Question(case, guardrails, enforced, _forbidden(enforced), frozenset(_walls(case)))


def way_of(question: Question, rule: Rule) -> Way | None:
    """Return how the rule grants the cell, None when no wish for it alone is accepted."""
    sample = _sample(question, rule)
    if sample is None:
        return None
    cidrs = tuple(str(network) for network in sample.networks)
    case = replace(
        question.case,
        wish=replace(question.case.wish, ttl_seconds=sample.ttl_max_seconds, cidrs=cidrs),
        evidence=Evidence(sample.facts.values),
        networks=sample.networks,
        merged_networks=sample.networks,
    )
    asked = review(case, question.guardrails, ttl_seconds=sample.ttl_max_seconds, steps=len(rule.approval.steps))
    judged = without_conditions(rule, sample.facts.unproven)
    if asked.refusals or unmet_of(judged, case, question.binding):
        return None
    limits = terms_of(rule, case, question.binding).limits
    cidr_rule = CidrRule(sample.cidrs_required, limits.cidrs.within, limits.cidrs.entries_max)
    return Way(
        rule=rule,
        limits=replace(limits, max_ttl_seconds=sample.ttl_max_seconds, cidrs=cidr_rule),
        ttl_min_seconds=sample.ttl_min_seconds,
        forbidden_cidrs=question.forbidden,
        walls=question.walls,
        cidrs=cidrs,
        facts=sample.facts.values,
        proven=not sample.facts.unproven,
    )


def _sample(question: Question, rule: Rule) -> _Sample | None:
    facts = facts_for(rule, question.case)
    shortest, longest = _lifetimes(rule, question.binding)
    if facts is None or shortest > longest:
        return None
    about_cidrs = [condition for condition in rule.conditions if condition.fact == "key.cidrs"]
    required = rule.limits.cidrs.required or bool(about_cidrs) or any(each.cidrs_required for each in question.binding)
    if not required:
        return _Sample(shortest, longest, (), cidrs_required=False, facts=facts)
    within = (rule.limits.cidrs.within,) if rule.limits.cidrs.within else ()
    outside_of = (network for networks in networks_of(about_cidrs, "not_in") for network in networks)
    single = (each for each in question.forbidden if each.num_addresses == 1)
    host = free_host((*within, *networks_of(about_cidrs, "in")), (*outside_of, *single))
    return None if host is None else _Sample(shortest, longest, (host,), cidrs_required=True, facts=facts)


def _lifetimes(rule: Rule, guardrails: tuple[Guardrail, ...]) -> tuple[int, int]:
    """Return the shortest and the longest lifetime that limits, ceilings and conditions leave."""
    ceilings = (guardrail.max_ttl_seconds for guardrail in guardrails)
    shortest, longest = 1, min([rule.limits.max_ttl_seconds, *(each for each in ceilings if each is not None)])
    for condition in rule.conditions:
        if condition.fact == "key.ttl" and isinstance(condition.value, int):
            if condition.operator == "at_most":
                longest = min(longest, condition.value)
            else:
                shortest = max(shortest, condition.value)
    return shortest, longest


def _forbidden(guardrails: tuple[Guardrail, ...]) -> tuple[Network, ...]:
    found = {network for guardrail in guardrails for network in guardrail.forbidden_cidrs}
    return tuple(sorted(found, key=lambda network: (network.version, network)))


def _walls(case: Case) -> Iterator[str]:
    """Yield the enforced guardrails that would hold too if the asker were in one more team."""
    for guardrail in case.policy.guardrails.values():
        if guardrail.enforcement is Enforcement.ENFORCE and guardrail.teams.difference(case.asker.teams):
            nosier = replace(case, asker=replace(case.asker, teams=case.asker.teams | guardrail.teams))
            if guardrail.teams.isdisjoint(case.asker.teams) and guardrail in applying(nosier):
                yield wall(guardrail)
