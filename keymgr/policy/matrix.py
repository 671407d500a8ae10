"""The whole of what a policy can grant, cell by cell: exact, because the vocabulary of a policy is finite.

A cell that is not in the matrix is granted to nobody. What a cell says is what `decide` says: the same functions
answer, once for all cells that no rule and no guardrail can tell apart.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from keymgr.policy.asking import Asker, Wish
from keymgr.policy.capability import Capability, Cell, Subject, Way
from keymgr.policy.matrix_subjects import Subjects, Target, kinds_of, subjects_of
from keymgr.policy.matrix_way import question_of, way_of
from keymgr.policy.model import Policy, Rule, Service
from keymgr.policy.words import Risk


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every cell that somebody can hold, with how."""

    policy: Policy
    cells: Mapping[Cell, Capability]


ScopeClass = tuple[Risk, frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Field:
    """One service and environment, with the scopes sorted into classes that guardrails cannot tell apart."""

    policy: Policy
    now: int
    target: Target
    rules: tuple[Rule, ...]
    classes: Mapping[str, ScopeClass]
    known: dict[tuple[Asker, ScopeClass, tuple[str, ...]], Capability | None] = field(default_factory=dict)


def matrix(policy: Policy, now: int, *, subjects: Subjects | None = None, known: Matrix | None = None) -> Matrix:
    """Return the matrix of `policy` at `now` (Unix seconds, for waivers), for its own subjects or for those given.

    `known` is another policy's matrix at the same moment for the same subjects: where nothing that counts differs
    between the two policies, its capabilities are taken over, the very same values.
    """
    asked = subjects_of([policy], now) if subjects is None else subjects
    cells: dict[Cell, Capability] = {}
    same = _alike_targets(policy, known.policy, asked) if known else frozenset()
    if known:
        cells.update((cell, held) for cell, held in known.cells.items() if (cell.service, cell.environment) in same)
    for target in sorted(asked.keys() - same):
        service, environment = policy.services.get(target[0]), target[1]
        if service is not None and environment in service.environments:
            cells.update(_cells(_field(policy, now, target, service), asked[target]))
    return Matrix(policy, cells)


def _alike_targets(policy: Policy, other: Policy, asked: Subjects) -> frozenset[Target]:
    """Return the services and environments of which both policies say the same."""
    for one, two in (
        (policy.guardrails, other.guardrails),
        (policy.waivers, other.waivers),
        (policy.roles, other.roles),
    ):
        if one != two:
            return frozenset()
    return frozenset(
        (service, environment)
        for service, environment in asked
        if policy.services.get(service) == other.services.get(service)
        and policy.environments.get(environment) == other.environments.get(environment)
        and policy.rules_by_target.get((service, environment)) == other.rules_by_target.get((service, environment))
    )


def _field(policy: Policy, now: int, target: Target, service: Service) -> _Field:
    rules = policy.rules_by_target.get(target, ())
    selecting = [guardrail for guardrail in policy.guardrails.values() if guardrail.scopes]
    classes = {
        name: (scope.risk, frozenset(each.name for each in selecting if name in each.scopes))
        for name, scope in service.scopes.items()
    }
    return _Field(policy, now, target, tuple(sorted(rules, key=lambda rule: rule.name)), classes)


def _cells(asked: _Field, subjects: Collection[Subject]) -> Iterator[tuple[Cell, Capability]]:
    service, environment = asked.target
    for subject in sorted(subjects, key=lambda subject: subject.sort_key):
        for kind in kinds_of(subject):
            asker = subject.asker(kind, asked.policy)
            for scope, rules in _rules_by_scope(asked, asker).items():
                capability = _capability(asked, asker, scope, rules)
                if capability is not None:
                    yield Cell(subject, kind, service, environment, scope), capability


def _rules_by_scope(asked: _Field, asker: Asker) -> Mapping[str, list[Rule]]:
    """Return, for each scope that some rule gives to such an owner, those rules."""
    found: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in asked.rules:
        if _lets_in(rule, asker):
            for scope in sorted(rule.scopes & asked.classes.keys()):
                found[scope].append(rule)
    return found


def _lets_in(rule: Rule, asker: Asker) -> bool:
    return (
        asker.kind in rule.owner_kinds
        and (not rule.teams or not rule.teams.isdisjoint(asker.teams))
        and (not rule.roles or not rule.roles.isdisjoint(asker.roles))
    )


def _capability(asked: _Field, asker: Asker, scope: str, rules: list[Rule]) -> Capability | None:
    alike = (asker, asked.classes[scope], tuple(rule.name for rule in rules))
    if alike not in asked.known:
        asked.known[alike] = _found(asked, asker, scope, rules)
    return asked.known[alike]


def _found(asked: _Field, asker: Asker, scope: str, rules: list[Rule]) -> Capability | None:
    question = question_of(asked.policy, asker, Wish(*asked.target, frozenset({scope})), asked.now)
    if question is None:
        return None
    ways: list[Way] = [way for rule in rules if (way := way_of(question, rule)) is not None]
    ways.sort(key=lambda way: (way.steps, way.rule.name))
    return Capability(tuple(ways)) if ways else None
