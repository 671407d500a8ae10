"""How a wish was decided, whole: every rule of the service with what it asks for, met or not, and the guardrails."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from keymgr.policy.acceptance import unmet_of
from keymgr.policy.case import Case, open_case
from keymgr.policy.decide import decide
from keymgr.policy.decision import Decision, Denied, GuardrailHit, Near, Reason, Unmet
from keymgr.policy.guardrails import applying, binding, review
from keymgr.policy.model import Asker, CidrRule, Evidence, Guardrail, OwnerKind, Policy, Rule, Source, Wish
from keymgr.policy.nearest import in_order_of_nearness
from keymgr.policy.places import place
from keymgr.policy.plan_words import condition
from keymgr.policy.wording import all_of, any_of, count, span


class Part(StrEnum):
    """What became of a rule."""

    DECIDES = "decides"
    ACCEPTS = "accepts"
    MISSES = "misses"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing a rule asks for, in words, and where it is written; `unmet` says what is wrong, None when it is met."""

    sentence: str
    source: Source
    unmet: Unmet | None = None


@dataclass(frozen=True, slots=True)
class TracedRule:
    """One rule of the service with everything it asks for."""

    rule: Rule
    part: Part
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class TracedGuardrail:
    """One guardrail that applies, with what it objects to; `waived` is True where a waiver silenced it."""

    guardrail: Guardrail
    hits: tuple[GuardrailHit, ...]
    waived: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """How a wish was decided. `faults` are what kept it from being judged at all; then nothing else is there.

    `elsewhere` counts the rules that speak of other services.
    """

    decision: Decision
    faults: tuple[Unmet, ...]
    rules: tuple[TracedRule, ...]
    guardrails: tuple[TracedGuardrail, ...]
    elsewhere: int


def trace(policy: Policy, asker: Asker, wish: Wish, evidence: Evidence, now: int) -> Trace:
    """Decide the wish and tell of everything that was looked at on the way; `now` is in Unix seconds."""
    decision = decide(policy, asker, wish, evidence, now)
    case = open_case(policy, asker, wish, evidence, now)
    if not isinstance(case, Case):
        return Trace(decision, case, (), (), len(policy.rules))
    guardrails = applying(case)
    rules = tuple(_rules(case, binding(case, guardrails), decision))
    return Trace(decision, (), rules, tuple(_guardrails(case, guardrails, decision)), len(policy.rules) - len(rules))


def _rules(case: Case, ceilings: tuple[Guardrail, ...], decision: Decision) -> Iterator[TracedRule]:
    """Yield the rule that decides, then those that accept as well, then the others, nearest first."""
    deciding = None if isinstance(decision, Denied) else decision.rule
    ours = [rule for rule in case.policy.rules.values() if rule.service == case.service.name]
    looked_at = [Near(rule, unmet_of(rule, case, ceilings)) for rule in ours]
    accepting = sorted((each.rule for each in looked_at if not each.unmet), key=_rank)
    for rule in accepting:
        yield TracedRule(rule, Part.DECIDES if rule == deciding else Part.ACCEPTS, _checks(rule, case, ()))
    for near in in_order_of_nearness((each for each in looked_at if each.unmet), case):
        yield TracedRule(near.rule, Part.MISSES, _checks(near.rule, case, near.unmet))


def _rank(rule: Rule) -> tuple[int, str]:
    return (len(rule.approval.steps), rule.name)


def _guardrails(case: Case, guardrails: tuple[Guardrail, ...], decision: Decision) -> Iterator[TracedGuardrail]:
    ttl = case.wish.ttl_seconds if isinstance(decision, Denied) else decision.terms.ttl_seconds
    steps = None if isinstance(decision, Denied) else len(decision.rule.approval.steps)
    for guardrail in guardrails:
        reviewed = review(case, (guardrail,), ttl_seconds=ttl, steps=steps)
        yield TracedGuardrail(guardrail, reviewed.hits, bool(reviewed.waivers))


_Asked = tuple[str, str, Reason]


def _checks(rule: Rule, case: Case, unmet: tuple[Unmet, ...]) -> tuple[Check, ...]:
    """Return what the rule asks for, met first in each pair, and at the end what only the guardrails ask of it."""
    left = list(unmet)
    checks = []
    for sentence, field, reason in _asked(rule, case):
        missed = [each for each in left if each.reason is reason]
        left = [each for each in left if each.reason is not reason]
        source = place(rule, field)
        checks += [Check(sentence, source, each) for each in missed] or [Check(sentence, source)]
    for each in rule.conditions:
        missed = [one for one in left if one.source == each.source]
        left = [one for one in left if one.source != each.source]
        checks.append(Check(f"{condition(each)}.", each.source, next(iter(missed), None)))
    return (*checks, *(Check(each.sentence, each.source or rule.source, each) for each in left))


def _asked(rule: Rule, case: Case) -> Iterator[_Asked]:
    """Yield what the rule asks for beside its conditions: the words, the field, and the reason when it is missed."""
    yield f"Covers {all_of(sorted(rule.environments))}.", "spec.grants.environments", Reason.RULE_ENVIRONMENT
    yield f"Gives {all_of(sorted(rule.scopes))}.", "spec.grants.scopes", Reason.RULE_SCOPE
    if rule.teams:
        yield f"For the team {any_of(sorted(rule.teams))}.", "spec.subjects.teams", Reason.RULE_TEAM
    if rule.roles:
        yield f"For the role {any_of(sorted(rule.roles))}.", "spec.subjects.roles", Reason.RULE_ROLE
    if len(rule.owner_kinds) < len(OwnerKind):
        kinds = all_of(kind.replace("_", " ") for kind in sorted(rule.owner_kinds))
        yield f"For keys of a {kinds}.", "spec.subjects.owner_kinds", Reason.RULE_OWNER_KIND
    yield f"At most {span(rule.limits.max_ttl_seconds)} of life.", "spec.limits.max_ttl", Reason.LIMIT_TTL
    held = f"At most {count(rule.limits.max_keys_per_owner, 'key')} for {case.target}; held: {case.evidence.keys_held}."
    yield held, "spec.limits.max_keys_per_owner", Reason.LIMIT_KEYS
    if rule.limits.cidrs != CidrRule():
        cidrs = rule.limits.cidrs
        must = "Networks have to be named" if cidrs.required else "Networks may be named"
        inside = f", inside {any_of(str(network) for network in cidrs.within)}" if cidrs.within else ""
        yield f"{must}{inside}, at most {cidrs.entries_max}.", "spec.limits.allowed_cidrs", Reason.LIMIT_CIDR
