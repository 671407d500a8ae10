"""The question turned round: who can hold this, by which rule and on which terms."""

from collections import defaultdict
from dataclasses import dataclass

from keymgr.policy.capability import Capability, Cell, Subject
from keymgr.policy.matrix import matrix
from keymgr.policy.matrix_subjects import named_people, subjects_of
from keymgr.policy.model import Policy
from keymgr.policy.plan_limits import Signature, signature
from keymgr.policy.words import OwnerKind


@dataclass(frozen=True, slots=True)
class Holder:
    """Who can hold these scopes in these environments, all on the same terms.

    `people` are those whom the policy itself names; identity-provider groups may add more.
    """

    subject: Subject
    kind: OwnerKind
    people: tuple[str, ...]
    scopes: tuple[str, ...]
    environments: tuple[str, ...]
    capability: Capability


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name in the question that the policy does not declare, with those it does."""

    noun: str
    name: str
    known: tuple[str, ...]


_Alike = tuple[Subject, OwnerKind, Signature, str]


def who_can(
    policy: Policy, service: str, scope: str | None = None, environment: str | None = None, *, now: int
) -> tuple[Holder, ...] | UnknownName:
    """Return everybody who can hold the scope (any, when None) of the service in the environment (any, when None)."""
    declared = policy.services.get(service)
    if declared is None:
        return UnknownName("service", service, tuple(sorted(policy.services)))
    if scope is not None and scope not in declared.scopes:
        return UnknownName("scope", scope, tuple(declared.scopes))
    if environment is not None and environment not in declared.environments:
        return UnknownName("environment", environment, declared.environments)
    subjects = {
        target: found
        for target, found in subjects_of([policy], now).items()
        if target[0] == service and environment in (None, target[1])
    }
    cells = matrix(policy, now, subjects=subjects).cells
    return _holders(policy, {cell: held for cell, held in cells.items() if scope in (None, cell.scope)})


def _holders(policy: Policy, cells: dict[Cell, Capability]) -> tuple[Holder, ...]:
    """Join cells with the same terms: the environments of a scope, then scopes with the same environments."""
    alike: defaultdict[_Alike, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    capabilities: dict[_Alike, Capability] = {}
    for cell, capability in cells.items():
        key = (cell.subject, cell.kind, signature(capability), capability.deciding.rule.name)
        alike[key][cell.scope].append(cell.environment)
        capabilities.setdefault(key, capability)
    found = []
    for key, environments in alike.items():
        scopes: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for scope, names in sorted(environments.items()):
            scopes[tuple(sorted(names, key=list(policy.environments).index))].append(scope)
        subject, kind = key[:2]
        people = named_people(subject, policy) if kind is OwnerKind.USER else ()
        found += [
            Holder(subject, kind, people, tuple(names), where, capabilities[key]) for where, names in scopes.items()
        ]
    return tuple(sorted(found, key=lambda each: (each.subject.sort_key, each.kind, each.scopes, each.environments)))
