"""Where a role comes from: named in it, a team, a group of the identity provider, or being the first admin."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from keymgr.policy.model import Policy, PortalPermission, Role, Source, Team
from keymgr.store.people import Person


class Way(StrEnum):
    """How somebody comes to belong to a team or role."""

    NAME = "name"
    GROUP = "group"
    TEAM = "team"
    FIRST_ADMIN = "first_admin"


@dataclass(frozen=True, slots=True)
class Belonging:
    """One reason why somebody belongs: `by` is the name, group or team that is written there; `source` is where.

    The first admin's own permission is written nowhere, so `source` is None and `name` is empty.
    """

    kind: str
    name: str
    way: Way
    by: str
    source: Source | None
    portal: frozenset[PortalPermission] = frozenset()


def belongings(person: Person, policy: Policy | None) -> tuple[Belonging, ...]:
    """List every team and role of a person with each reason for it, teams first; says the same as `asker_of_person`."""
    return tuple(_found(person, policy))


def _found(person: Person, policy: Policy | None) -> Iterator[Belonging]:
    if person.bootstrap_admin:
        yield Belonging("role", "", Way.FIRST_ADMIN, "", None, frozenset({PortalPermission.ADMIN}))
    if policy is None:
        return
    teams = set()
    for team in policy.teams.values():
        for way, by in _direct(person, team):
            teams.add(team.name)
            yield Belonging("team", team.name, way, by, team.source)
    for role in policy.roles.values():
        through = ((Way.TEAM, name) for name in sorted(teams & role.teams))
        for way, by in (*_direct(person, role), *through):
            yield Belonging("role", role.name, way, by, role.source, role.portal)


def _direct(person: Person, noun: Team | Role) -> Iterator[tuple[Way, str]]:
    names = {person.name} if person.email is None else {person.name, person.email.casefold()}
    for member in sorted(noun.members):
        if member.casefold() in names:
            yield Way.NAME, member
    for group in sorted(noun.idp_groups & set(person.idp_groups)):
        yield Way.GROUP, group
