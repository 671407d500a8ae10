"""Owners in bulk: who everybody that owns keys is to a policy, with one look at each table and each member once.

Says the same as `asker_of_owner` does of each.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.people.whois import PERSON_PREFIX, SERVICE_ACCOUNT_PREFIX
from keymgr.policy.model import Asker, OwnerKind, Policy, Role, Team
from keymgr.store.people import Person, PersonState, ServiceAccount

_NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner of keys as stored, before any policy looks; `state` None is an owner that is not known."""

    id: str
    state: PersonState | None
    names: frozenset[str] = _NOBODY
    groups: frozenset[str] = _NOBODY
    team: str | None = None


def read_owners(session: Session, owner_ids: Collection[str]) -> Mapping[str, Owner]:
    """Read owners such as `user:ana` and `svc:pay-ci`; those that are not there come back without a state."""
    found = {owner_id: Owner(owner_id, None) for owner_id in owner_ids}
    people = _names_of(owner_ids, PERSON_PREFIX)
    statement = select(Person.name, Person.email, Person.idp_groups, Person.state).where(Person.name.in_(people))
    for name, email, groups, state in session.execute(statement) if people else ():
        names = {name} if email is None else {name, email.casefold()}
        owner_id = PERSON_PREFIX + name
        found[owner_id] = Owner(owner_id, PersonState(state), frozenset(names), frozenset(groups))
    accounts = _names_of(owner_ids, SERVICE_ACCOUNT_PREFIX)
    columns = (ServiceAccount.name, ServiceAccount.team, ServiceAccount.state)
    for name, team, state in session.execute(select(*columns).where(columns[0].in_(accounts))) if accounts else ():
        owner_id = SERVICE_ACCOUNT_PREFIX + name
        found[owner_id] = Owner(owner_id, PersonState(state), team=team)
    return found


class Membership:
    """Who belongs to what by one policy, looked up by name and by group instead of searched."""

    def __init__(self, policy: Policy) -> None:
        teams, roles = policy.teams.values(), policy.roles.values()
        self._team_names = frozenset(policy.teams)
        self._teams_by_name, self._teams_by_group = _by_member(teams), _by_group(teams)
        self._roles_by_name, self._roles_by_group = _by_member(roles), _by_group(roles)
        self._roles_by_team: Mapping[str, set[str]] = _inverted((role.name, role.teams) for role in roles)

    def asker(self, owner: Owner) -> Asker:
        """Describe an owner as the policy sees them; one that is not known is inactive and belongs nowhere."""
        active = owner.state is PersonState.ACTIVE
        if owner.id.startswith(SERVICE_ACCOUNT_PREFIX):
            teams = frozenset({owner.team or ""} & self._team_names)
            roles = _reached(self._roles_by_team, teams)
            return Asker(owner.id, OwnerKind.SERVICE_ACCOUNT, teams, roles, active)
        teams = _reached(self._teams_by_name, owner.names) | _reached(self._teams_by_group, owner.groups)
        named = _reached(self._roles_by_name, owner.names) | _reached(self._roles_by_group, owner.groups)
        return Asker(owner.id, OwnerKind.USER, teams, named | _reached(self._roles_by_team, teams), active)


def _names_of(owner_ids: Iterable[str], prefix: str) -> list[str]:
    return sorted({owner_id.removeprefix(prefix) for owner_id in owner_ids if owner_id.startswith(prefix)})


def _by_member(nouns: Iterable[Team | Role]) -> Mapping[str, set[str]]:
    return _inverted((noun.name, (member.casefold() for member in noun.members)) for noun in nouns)


def _by_group(nouns: Iterable[Team | Role]) -> Mapping[str, set[str]]:
    return _inverted((noun.name, noun.idp_groups) for noun in nouns)


def _inverted(pairs: Iterable[tuple[str, Iterable[str]]]) -> Mapping[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, members in pairs:
        for member in members:
            found[member].add(name)
    return dict(found)


def _reached(lookup: Mapping[str, set[str]], members: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*(lookup.get(member, _NOBODY) for member in members))
