"""Who somebody is to the policy: teams, roles, what they may do in the portal and whom they may act for."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.policy.model import Asker, OwnerKind, Policy, PortalPermission
from keymgr.store.people import Person, PersonState, ServiceAccount, SignInSession

PERSON_PREFIX = "user:"
SERVICE_ACCOUNT_PREFIX = "svc:"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who is signed in. `service_accounts` are the active ones of their teams, each with its team.

    The session began at `began_at`; `signed_in_at` is later where the password was given again since.
    """

    person_id: str
    name: str
    display_name: str
    session_id: str
    began_at: datetime
    signed_in_at: datetime
    seen_at: datetime
    asker: Asker
    portal: frozenset[PortalPermission]
    bootstrap_admin: bool
    service_accounts: tuple[tuple[str, str], ...]


def may_act_for(visitor: Visitor, owner_id: str) -> bool:
    """Tell whether the visitor may ask for keys of this owner: oneself, or a service account of one of one's teams."""
    return owner_id in owners_of(visitor)


def owners_of(visitor: Visitor) -> frozenset[str]:
    """Name every owner the visitor may act for, such as `user:ana` and `svc:pay-ci`."""
    return frozenset({visitor.asker.id, *(SERVICE_ACCOUNT_PREFIX + name for name, _ in visitor.service_accounts)})


def asker_of_person(person: Person, policy: Policy | None) -> Asker:
    """Describe a person as an owner of keys; without a policy there are no teams and no roles."""
    owner_id = PERSON_PREFIX + person.name
    active = person.state == PersonState.ACTIVE
    if policy is None:
        return Asker(owner_id, OwnerKind.USER, frozenset(), frozenset(), active)
    names = {person.name} if person.email is None else {person.name, person.email.casefold()}
    groups = set(person.idp_groups)
    teams = frozenset(
        team.name for team in policy.teams.values() if _is_named(names, team.members) or groups & team.idp_groups
    )
    roles = frozenset(
        role.name
        for role in policy.roles.values()
        if _is_named(names, role.members) or groups & role.idp_groups or teams & role.teams
    )
    return Asker(owner_id, OwnerKind.USER, teams, roles, active)


def asker_of_service_account(account: ServiceAccount, policy: Policy | None) -> Asker:
    """Describe a service account as an owner of keys: it has its team and the roles that are bound to that team."""
    active = account.state == PersonState.ACTIVE
    teams = frozenset({account.team})
    if policy is None or account.team not in policy.teams:
        teams = frozenset()
    roles = frozenset(role.name for role in policy.roles.values() if teams & role.teams) if policy else frozenset()
    return Asker(SERVICE_ACCOUNT_PREFIX + account.name, OwnerKind.SERVICE_ACCOUNT, teams, roles, active)


def asker_of_owner(session: Session, owner_id: str, policy: Policy | None) -> Asker | None:
    """Find who an owner such as `user:ana` or `svc:pay-ci` is; None when there is no such owner."""
    kind, _, name = owner_id.partition(":")
    match kind:
        case "user":
            person = session.scalar(select(Person).where(Person.name == name))
            return None if person is None else asker_of_person(person, policy)
        case "svc":
            account = session.scalar(select(ServiceAccount).where(ServiceAccount.name == name))
            return None if account is None else asker_of_service_account(account, policy)
        case _:
            return None


def visitor_of(session: Session, person: Person, signed_in: SignInSession, policy: Policy | None) -> Visitor:
    """Put together what the doors need to know about somebody who is signed in."""
    asker = asker_of_person(person, policy)
    return Visitor(
        person_id=person.id,
        name=person.name,
        display_name=person.display_name,
        session_id=signed_in.id,
        began_at=signed_in.created_at,
        signed_in_at=signed_in.signed_in_at,
        seen_at=signed_in.seen_at,
        asker=asker,
        portal=portal_permissions(person, asker, policy),
        bootstrap_admin=person.bootstrap_admin,
        service_accounts=_accounts_of(session, asker.teams),
    )


def portal_permissions(person: Person, asker: Asker, policy: Policy | None) -> frozenset[PortalPermission]:
    """Add up what the person's roles allow in the portal; the first admin is one whatever the policy says."""
    given = {PortalPermission.ADMIN} if person.bootstrap_admin else set()
    for name in asker.roles if policy else ():
        given |= policy.roles[name].portal if policy else set()
    return frozenset(given)


def _accounts_of(session: Session, teams: Collection[str]) -> tuple[tuple[str, str], ...]:
    if not teams:
        return ()
    statement = (
        select(ServiceAccount.name, ServiceAccount.team)
        .where(ServiceAccount.team.in_(teams), ServiceAccount.state == PersonState.ACTIVE)
        .order_by(ServiceAccount.name)
    )
    return tuple((name, team) for name, team in session.execute(statement))


def _is_named(names: Collection[str], members: Collection[str]) -> bool:
    return any(member.casefold() in names for member in members)
