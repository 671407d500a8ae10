"""Whether "nobody but these may hold that" is true of everything the rules can grant, not only of examples.

A rule's conditions and limits are left out: an invariant has to hold even for a wish that meets all of them.
A guardrail counts as a wall only where it denies outright, is enforced, and no waiver opens it at the moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from keymgr.policy.model import Enforcement, Guardrail, OwnerKind, Policy, Rule, Scope

_KINDS = {OwnerKind.SERVICE_ACCOUNT: "service accounts", OwnerKind.USER: "people"}


@dataclass(frozen=True, slots=True)
class Invariant:
    """Only owners that match every set that is not empty may hold these; all three empty means nobody may."""

    service: str
    scopes: tuple[str, ...]
    environments: tuple[str, ...]
    teams: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    owner_kinds: frozenset[OwnerKind] = frozenset()


@dataclass(frozen=True, slots=True)
class _Cell:
    """One way to hold a scope: by a rule, through one of its teams and one of its roles, as one kind of owner."""

    rule: Rule
    team: str | None
    role: str | None
    kind: OwnerKind
    scope: Scope
    environment: str


def breaches(policy: Policy, invariant: Invariant, now: int) -> tuple[str, ...]:
    """Return a sentence for each way in which a rule lets somebody else in."""
    open_ways = (
        cell
        for cell in _cells(policy, invariant)
        if not _is_meant(cell, invariant, policy) and not _is_walled(cell, policy, now)
    )
    return tuple(dict.fromkeys(_sentence(cell) for cell in open_ways))


def _cells(policy: Policy, invariant: Invariant) -> Iterator[_Cell]:
    scopes = policy.services[invariant.service].scopes
    for environment in invariant.environments:
        for rule in policy.rules_by_target.get((invariant.service, environment), ()):
            names = [name for name in invariant.scopes if name in rule.scopes]
            subjects = product(_each(rule.teams), _each(rule.roles), sorted(rule.owner_kinds), names)
            for team, role, kind, name in subjects:
                yield _Cell(rule, team, role, kind, scopes[name], environment)


def _each(names: frozenset[str]) -> list[str | None]:
    return [*sorted(names)] or [None]


def _is_meant(cell: _Cell, invariant: Invariant, policy: Policy) -> bool:
    teams, roles, kinds = invariant.teams, invariant.roles, invariant.owner_kinds
    return (
        bool(teams or roles or kinds)
        and (not teams or cell.team in teams or _only_from(cell.role, teams, policy))
        and (not roles or cell.role in roles)
        and (not kinds or cell.kind in kinds)
    )


def _only_from(role: str | None, teams: frozenset[str], policy: Policy) -> bool:
    """Tell whether everybody with the role is certain to be in one of the teams."""
    bound = policy.roles.get(role or "")
    if bound is None or bound.idp_groups or not bound.teams <= teams:
        return False
    members = {member for team in teams for member in policy.teams[team].members}
    return bound.members <= members


def _is_walled(cell: _Cell, policy: Policy, now: int) -> bool:
    return any(_denies(guardrail, cell, policy, now) for guardrail in policy.guardrails.values())


def _denies(guardrail: Guardrail, cell: _Cell, policy: Policy, now: int) -> bool:
    if guardrail.enforcement is not Enforcement.ENFORCE or guardrail.deny_reason is None:
        return False
    selectors: tuple[tuple[frozenset[str], str | None], ...] = (
        (guardrail.services, cell.rule.service),
        (guardrail.environments, cell.environment),
        (guardrail.tiers, policy.environments[cell.environment].tier),
        (guardrail.teams, cell.team),
        (guardrail.owner_kinds, cell.kind),
        (guardrail.risks, cell.scope.risk),
        (guardrail.scopes, cell.scope.name),
    )
    if any(selector and value not in selector for selector, value in selectors):
        return False
    return not any(
        waiver.guardrail == guardrail.name
        and waiver.service == cell.rule.service
        and cell.environment in waiver.environments
        and now < waiver.expires_at
        for waiver in policy.waivers.values()
        if guardrail.waivable
    )


def _sentence(cell: _Cell) -> str:
    who = [f"in the team {cell.team}"] if cell.team else []
    who += [f"with the role {cell.role}"] if cell.role else []
    holders = " ".join([_KINDS[cell.kind], *who])
    target = f"{cell.scope.name} on {cell.rule.service} in {cell.environment}"
    return f"The rule {cell.rule.name} ({cell.rule.source}) lets {holders} hold {target}."
