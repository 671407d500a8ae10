"""Whether one rule on its own accepts a whole case, and everything it misses when it does not."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from keymgr.policy.case import Case
from keymgr.policy.conditions import unmet_condition
from keymgr.policy.decision import Reason, Terms, Unmet
from keymgr.policy.guardrails import too_few_steps
from keymgr.policy.model import CidrRule, Guardrail, OwnerKind, Rule
from keymgr.policy.networks import inside
from keymgr.policy.places import place
from keymgr.policy.wording import Voice, all_of, any_of, count, span

_KINDS = {OwnerKind.SERVICE_ACCOUNT: "service accounts", OwnerKind.USER: "people"}


def unmet_of(rule: Rule, case: Case, ceilings: tuple[Guardrail, ...]) -> tuple[Unmet, ...]:
    """Return everything the rule misses in the case, who and what first; nothing when it accepts.

    `ceilings` are the guardrails that bind the case: they shorten the default lifetime and ask for approval steps.
    """
    return (*_target(rule, case), *_subject(rule, case), *_limits(rule, case), *_rest(rule, case, ceilings))


def terms_of(rule: Rule, case: Case, ceilings: tuple[Guardrail, ...]) -> Terms:
    """Return what a key of this rule would get, the rule's limits lowered to the ceilings of the guardrails."""
    limits = rule.limits
    longest = _lowest(limits.max_ttl_seconds, *(guardrail.max_ttl_seconds for guardrail in ceilings))
    limits = replace(
        limits,
        max_ttl_seconds=longest,
        default_ttl_seconds=min(limits.default_ttl_seconds, longest),
        rotate_every_seconds=_lowest_known(
            limits.rotate_every_seconds, *(guardrail.rotate_every_seconds for guardrail in ceilings)
        ),
        max_keys_per_owner=_lowest(
            limits.max_keys_per_owner, *(guardrail.max_keys_per_owner for guardrail in ceilings)
        ),
    )
    return Terms(_ttl_seconds(rule, case, ceilings), longest, case.networks, limits)


def _ttl_seconds(rule: Rule, case: Case, ceilings: tuple[Guardrail, ...]) -> int:
    if case.wish.ttl_seconds is not None:
        return case.wish.ttl_seconds
    return _lowest(rule.limits.default_ttl_seconds, *(guardrail.max_ttl_seconds for guardrail in ceilings))


def _target(rule: Rule, case: Case) -> Iterator[Unmet]:
    if case.environment.name not in rule.environments:
        sentence = f"It covers {all_of(sorted(rule.environments))}; you asked for {case.environment.name}."
        yield Unmet(Reason.RULE_ENVIRONMENT, sentence, place(rule, "spec.grants.environments"))
    missing = [scope.name for scope in case.scopes if scope.name not in rule.scopes]
    if missing:
        sentence = f"It does not give {any_of(missing)}; it gives {all_of(sorted(rule.scopes))}."
        yield Unmet(Reason.RULE_SCOPE, sentence, place(rule, "spec.grants.scopes"))


def _subject(rule: Rule, case: Case) -> Iterator[Unmet]:
    asker, voice = case.asker, case.voice
    if rule.teams and rule.teams.isdisjoint(asker.teams):
        wanted = any_of(_teams(rule.teams))
        sentence = f"It is for {wanted}; {voice.subject} {voice.be} in {all_of(sorted(asker.teams)) or 'no team'}."
        yield Unmet(Reason.RULE_TEAM, sentence, place(rule, "spec.subjects.teams"))
    if rule.roles and rule.roles.isdisjoint(asker.roles):
        wanted = f"It needs the role {any_of(sorted(rule.roles))}"
        sentence = f"{wanted}; {voice.subject} {voice.have} {all_of(sorted(asker.roles)) or 'no role'}."
        yield Unmet(Reason.RULE_ROLE, sentence, place(rule, "spec.subjects.roles"))
    if asker.kind not in rule.owner_kinds:
        wanted = all_of(_KINDS[kind] for kind in sorted(rule.owner_kinds))
        sentence = f"It is for {wanted} only; {_kind(asker.kind, voice)}."
        yield Unmet(Reason.RULE_OWNER_KIND, sentence, place(rule, "spec.subjects.owner_kinds"))


def _teams(names: frozenset[str]) -> list[str]:
    return [f"the team {name}" for name in sorted(names)]


def _kind(kind: OwnerKind, voice: Voice) -> str:
    if kind is OwnerKind.USER:
        return "you asked for a key of your own"
    return f"{voice.subject} is a service account"


def _limits(rule: Rule, case: Case) -> Iterator[Unmet]:
    asked, longest = case.wish.ttl_seconds, rule.limits.max_ttl_seconds
    if asked is not None and asked > longest:
        are = f"At most {span(longest)} {'is' if span(longest).startswith('1 ') else 'are'} allowed"
        yield Unmet(Reason.LIMIT_TTL, f"{are}; you asked for {span(asked)}.", place(rule, "spec.limits.max_ttl"))
    held, most = case.evidence.keys_held, rule.limits.max_keys_per_owner
    if held >= most:
        limit = f"At most {count(most, 'key')} for {case.target}"
        sentence = f"{limit}; {case.voice.subject} {case.voice.hold} {held}. Revoke one first."
        yield Unmet(Reason.LIMIT_KEYS, sentence, place(rule, "spec.limits.max_keys_per_owner"))
    yield from _networks(rule, case)


def _networks(rule: Rule, case: Case) -> Iterator[Unmet]:
    cidrs = rule.limits.cidrs
    if cidrs.required and not case.networks:
        inside_of = f", inside {_listed(cidrs)}" if cidrs.within else ""
        sentence = f"Name at least one network the key is used from{inside_of}."
        yield Unmet(Reason.LIMIT_CIDR, sentence, place(rule, "spec.limits.allowed_cidrs.required"))
    if len(case.networks) > cidrs.entries_max:
        allowed = f"At most {count(cidrs.entries_max, 'network')}"
        sentence = f"{allowed} may be named; you named {len(case.networks)}."
        yield Unmet(Reason.LIMIT_CIDR, sentence, place(rule, "spec.limits.allowed_cidrs.max_entries"))
    outside = [str(network) for network in case.networks if cidrs.within and not inside(network, cidrs.within)]
    if outside:
        do_not = f"{all_of(outside)} {'does' if len(outside) == 1 else 'do'} not"
        sentence = f"Networks have to lie inside {_listed(cidrs)}; {do_not}."
        yield Unmet(Reason.LIMIT_CIDR, sentence, place(rule, "spec.limits.allowed_cidrs.within"))


def _listed(cidrs: CidrRule) -> str:
    return any_of(str(network) for network in cidrs.within)


def _rest(rule: Rule, case: Case, ceilings: tuple[Guardrail, ...]) -> Iterator[Unmet]:
    lifetimes = _lifetimes(rule, case, ceilings) if rule.conditions else []
    for condition in rule.conditions:
        unmet = (unmet_condition(condition, case, ttl_seconds) for ttl_seconds in lifetimes)
        yield from islice(filter(None, unmet), 1)
    steps = len(rule.approval.steps)
    for guardrail in ceilings:
        if steps < guardrail.approval_steps_min:
            yield too_few_steps(guardrail, steps)


def _lifetimes(rule: Rule, case: Case, ceilings: tuple[Guardrail, ...]) -> list[int]:
    """Return the lifetime the key would get and the one it would get without guardrails.

    Conditions have to hold for both: a guardrail that shortens the default must never make a rule accept.
    """
    return list(dict.fromkeys(_ttl_seconds(rule, case, binding) for binding in (ceilings, ())))


def _lowest(first: int, *others: int | None) -> int:
    return min((first, *(other for other in others if other is not None)))


def _lowest_known(*values: int | None) -> int | None:
    return min((value for value in values if value is not None), default=None)
