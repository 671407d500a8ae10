"""Who else there is: team mates of an owner, people who may approve a step, and whom an id stands for."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.routing import AskerOf
from keymgr.people.owners import Membership, read_owners
from keymgr.people.whois import PERSON_PREFIX, Visitor, asker_of_owner
from keymgr.policy.approving import could_approve, is_named, may_break
from keymgr.policy.model import ApprovalPolicy, Asker, Policy
from keymgr.store.people import Person, PersonState


def looking_up(session: Session, policy: Policy | None) -> AskerOf:
    """Return how this door finds who an id such as `user:ana` stands for."""
    return lambda owner_id: asker_of_owner(session, owner_id, policy)


def mates_of(session: Session, policy: Policy, owner: str, among: Iterable[str]) -> frozenset[str]:
    """Choose from owners of keys those that share a team with `owner`, itself left out."""
    known = read_owners(session, {owner, *among})
    membership = Membership(policy)
    teams = membership.asker(known[owner]).teams
    return frozenset(each.id for each in known.values() if each.id != owner and membership.asker(each).teams & teams)


def approvers_of(
    session: Session, policy: Policy, approval: ApprovalPolicy, *, parties: frozenset[str]
) -> tuple[tuple[str, ...], ...]:
    """Name, for each step, the active people whose approval counts; parties of the request never do."""
    names = session.scalars(select(Person.name).where(Person.state == PersonState.ACTIVE))
    owners = read_owners(session, [PERSON_PREFIX + name for name in names])
    membership = Membership(policy)
    people = sorted((membership.asker(owner) for owner in owners.values()), key=lambda person: person.id)
    able = [person for person in people if person.id not in parties]
    return tuple(tuple(person.id for person in able if is_named(step, person)) for step in approval.steps)


def may_ever_approve(policy: Policy, person: Asker) -> bool:
    """Tell whether any approval of the policy names the person, in a step or for emergencies."""
    return any(could_approve(approval, person) or may_break(approval, person) for approval in policy.approvals.values())


def is_official(visitor: Visitor) -> bool:
    """Tell whether the visitor's portal role lets them see every request: admins, auditors and reviewers."""
    return bool(visitor.portal)
