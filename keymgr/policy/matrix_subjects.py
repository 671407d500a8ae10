"""Who there is to ask about: every least set of memberships by which some rule lets somebody in."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from keymgr.policy.capability import Subject
from keymgr.policy.model import Policy, Rule
from keymgr.policy.words import OwnerKind

Target = tuple[str, str]
Subjects = Mapping[Target, frozenset[Subject]]


def subjects_of(policies: Iterable[Policy], now: int) -> Subjects:
    """Return the subjects of each service and environment, taken from all of the policies, so that both answer for all.

    Owners that a waiver names are subjects of their own while the waiver lasts.
    """
    found: defaultdict[Target, set[Subject]] = defaultdict(set)
    listed = tuple(policies)
    for policy in listed:
        for target, rules in policy.rules_by_target.items():
            found[target].update(subject for rule in rules for subject in least_subjects(rule))
    for policy in listed:
        for target, owner in _excepted(policy, now):
            found[target].update([Subject(each.teams, each.roles, owner) for each in found[target] if not each.owner])
    return {target: frozenset(subjects) for target, subjects in found.items()}


def least_subjects(rule: Rule) -> Iterator[Subject]:
    """Yield every least set of teams and roles that the subjects and conditions of a rule ask for."""
    asked = [
        tuple(str(entry) for entry in each.value)
        for each in rule.conditions
        if each.fact == "owner.teams" and each.operator == "in" and isinstance(each.value, tuple)
    ]
    one_of_each = [sorted(rule.teams) or [""], *asked]
    for teams, role in product(product(*one_of_each), sorted(rule.roles) or [""]):
        yield Subject(frozenset(teams) - {""}, frozenset({role}) - {""})


def kinds_of(subject: Subject) -> tuple[OwnerKind, ...]:
    """Return which kinds of owner the subject may be."""
    if subject.owner is None:
        return tuple(OwnerKind)
    return (OwnerKind.SERVICE_ACCOUNT,) if subject.owner.startswith("svc:") else (OwnerKind.USER,)


def named_people(subject: Subject, policy: Policy) -> tuple[str, ...]:
    """Return the sign-in names that the policy itself lists for the subject; identity-provider groups add more."""
    if subject.owner is not None:
        return (subject.owner.removeprefix("user:"),)
    lists = [set(policy.teams[name].members) for name in subject.teams if name in policy.teams]
    roles = [policy.roles[name] for name in subject.roles if name in policy.roles]
    lists.extend(set(role.members).union(*(policy.teams[name].members for name in role.teams)) for role in roles)
    return tuple(sorted(set.intersection(*lists))) if lists else ()


def _excepted(policy: Policy, now: int) -> Iterator[tuple[Target, str]]:
    for waiver in policy.waivers.values():
        owner = waiver.owner if ":" in waiver.owner else f"user:{waiver.owner}"
        if now < waiver.expires_at:
            yield from (((waiver.service, environment), owner) for environment in sorted(waiver.environments))
