"""Who somebody is to the policy: by name, address or group, never by anything they could choose themselves."""

from datetime import datetime

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.people.enrol import NewPerson, NotAdded, enrol
from keymgr.people.names import BadName
from keymgr.people.sample import SAMPLE_PEOPLE, plant
from keymgr.people.service_accounts import add_service_account, set_service_account_state
from keymgr.people.sessions import open_session
from keymgr.people.whois import Visitor, asker_of_owner, asker_of_person, may_act_for, owners_of, visitor_of
from keymgr.policy.model import Asker, OwnerKind, Policy, PortalPermission, Role, Source, Team
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.changes import Change
from keymgr.store.people import Person, PersonState, ServiceAccount, SignInSession

ACTOR = Actor("cli:test")
HERE = Source("people.yaml", 1, 1)


def team(name: str, *members: str, groups: tuple[str, ...] = ()) -> Team:
    return Team(name, name.title(), frozenset(members), frozenset(groups), HERE)


def role(
    name: str,
    *members: str,
    teams: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    portal: tuple[PortalPermission, ...] = (),
) -> Role:
    return Role(name, name.title(), frozenset(members), frozenset(teams), frozenset(groups), frozenset(portal), HERE)


@pytest.fixture
def policy() -> Policy:
    teams = [team("payments", "ana"), team("search", "Ana@Example.org"), team("data", groups=("00g1",)), team("empty")]
    roles = [
        role("lead", "ana", portal=(PortalPermission.REVIEWER,)),
        role("developer", teams=("payments", "data")),
        role("auditor", groups=("00g1",), portal=(PortalPermission.AUDITOR,)),
        role("other", "anna", teams=("empty",)),
    ]
    return Policy(
        name="test",
        digest="sha256:0",
        environments={},
        teams={item.name: item for item in teams},
        roles={item.name: item for item in roles},
        services={},
        approvals={},
        rules={},
        guardrails={},
        waivers={},
        rules_by_target={},
    )


def visit(session: Session, person: Person, policy: Policy | None, now: datetime) -> Visitor:
    open_session(session, person, actor=ACTOR, now=now)
    return visitor_of(session, person, session.scalars(select(SignInSession)).one(), policy)


def test_teams_and_roles_come_by_name_by_mail_address_and_by_group(ana: Person, policy: Policy) -> None:
    ana.idp_groups = ["00g1", "00g2"]
    asker = asker_of_person(ana, policy)
    assert asker.teams == {"payments", "search", "data"}
    assert asker.roles == {"lead", "developer", "auditor"}
    assert (asker.id, asker.kind, asker.active) == ("user:ana", OwnerKind.USER, True)


def test_without_a_policy_nobody_is_in_any_team(ana: Person) -> None:
    assert asker_of_person(ana, None) == Asker("user:ana", OwnerKind.USER, frozenset(), frozenset(), active=True)


def test_a_display_name_gives_nothing(session: Session, policy: Policy, now: datetime, hasher: PasswordHasher) -> None:
    person = enrol(session, NewPerson("mallory", "ana"), actor=ACTOR, now=now, hasher=hasher)
    assert isinstance(person, Person)
    assert asker_of_person(person, policy).teams == frozenset()


def test_portal_permissions_add_up_over_the_roles(session: Session, ana: Person, policy: Policy, now: datetime) -> None:
    ana.idp_groups = ["00g1"]
    assert visit(session, ana, policy, now).portal == {PortalPermission.REVIEWER, PortalPermission.AUDITOR}


@pytest.mark.parametrize("with_policy", [True, False])
def test_the_first_admin_is_admin_whatever_the_policy_says(
    session: Session, ana: Person, policy: Policy, now: datetime, *, with_policy: bool
) -> None:
    ana.bootstrap_admin = True
    visitor = visit(session, ana, policy if with_policy else None, now)
    assert PortalPermission.ADMIN in visitor.portal
    assert visitor.bootstrap_admin


def test_a_visitor_may_act_for_active_service_accounts_of_their_teams(
    session: Session, ana: Person, policy: Policy, now: datetime
) -> None:
    accounts = {
        name: add_service_account(session, name, team, actor=ACTOR, now=now)
        for name, team in {"pay-ci": "payments", "pay-old": "payments", "crawler": "search", "other": "empty"}.items()
    }
    old = accounts["pay-old"]
    assert isinstance(old, ServiceAccount)
    set_service_account_state(session, old, PersonState.SUSPENDED, actor=ACTOR, now=now)
    visitor = visit(session, ana, policy, now)
    assert visitor.service_accounts == (("crawler", "search"), ("pay-ci", "payments"))
    assert owners_of(visitor) == {"user:ana", "svc:crawler", "svc:pay-ci"}
    assert may_act_for(visitor, "user:ana")
    assert may_act_for(visitor, "svc:pay-ci")
    for stranger in ("svc:pay-old", "svc:other", "svc:ana", "user:ben", "ana", "pay-ci", "", "user:", "svc:nobody"):
        assert not may_act_for(visitor, stranger)


def test_an_owner_is_found_by_its_id(session: Session, ana: Person, policy: Policy, now: datetime) -> None:
    account = add_service_account(session, "pay-ci", "payments", actor=ACTOR, now=now)
    assert isinstance(account, ServiceAccount)
    assert asker_of_owner(session, "user:ana", policy) == asker_of_person(ana, policy)
    teams, roles = frozenset({"payments"}), frozenset({"developer"})
    expected = Asker("svc:pay-ci", OwnerKind.SERVICE_ACCOUNT, teams, roles, active=True)
    assert asker_of_owner(session, "svc:pay-ci", policy) == expected
    for nobody in ("svc:ana", "user:pay-ci", "ana", "cli:ana", "", ":"):
        assert asker_of_owner(session, nobody, policy) is None
    set_service_account_state(session, account, PersonState.LEFT, actor=ACTOR, now=now)
    gone = asker_of_owner(session, "svc:pay-ci", policy)
    assert gone is not None
    assert not gone.active


def test_a_service_account_of_a_team_that_is_gone_is_in_no_team(
    session: Session, policy: Policy, now: datetime
) -> None:
    add_service_account(session, "lost", "dissolved", actor=ACTOR, now=now)
    for known in (policy, None):
        asker = asker_of_owner(session, "svc:lost", known)
        assert asker is not None
        assert (asker.teams, asker.roles) == (frozenset(), frozenset())


def test_a_state_of_a_service_account_is_audited_and_announced_once(session: Session, now: datetime) -> None:
    account = add_service_account(session, "pay-ci", "payments", actor=ACTOR, now=now)
    assert isinstance(account, ServiceAccount)
    for _ in range(2):
        set_service_account_state(session, account, PersonState.SUSPENDED, actor=ACTOR, now=now, reason="leak")
    assert [(change.kind, change.object_id) for change in session.scalars(select(Change))] == [("owner", "svc:pay-ci")]
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "service_account.state_set")).one()
    assert event.detail == {"from": "active", "to": "suspended", "reason": "leak"}


def test_a_name_belongs_to_one_person_and_one_service_account(
    session: Session, ana: Person, now: datetime, hasher: PasswordHasher
) -> None:
    assert ana.name == "ana"
    assert isinstance(enrol(session, NewPerson(" Ana", "Another"), actor=ACTOR, now=now, hasher=hasher), NotAdded)
    assert isinstance(add_service_account(session, "pay-ci", "payments", actor=ACTOR, now=now), ServiceAccount)
    assert isinstance(add_service_account(session, "Pay-CI", "search", actor=ACTOR, now=now), NotAdded)
    with pytest.raises(BadName):
        add_service_account(session, "pay ci", "payments", actor=ACTOR, now=now)


@pytest.mark.parametrize("email", ["Ana@example.org", "ana@EXAMPLE.org"], ids=["same", "other-case"])
def test_an_address_belongs_to_one_person_so_that_nobody_has_an_alias(
    email: str, session: Session, ana: Person, now: datetime, hasher: PasswordHasher
) -> None:
    ana.state = PersonState.LEFT
    outcome = enrol(session, NewPerson("ana2", "Ana again", email=email), actor=ACTOR, now=now, hasher=hasher)
    assert isinstance(outcome, NotAdded)
    assert "two people" in outcome.sentence
    assert session.scalar(select(Person).where(Person.name == "ana2")) is None
    other = enrol(session, NewPerson("ana2", "Ana", email="a2@example.org"), actor=ACTOR, now=now, hasher=hasher)
    assert isinstance(other, Person)
    added = session.scalars(select(AuditEvent).where(AuditEvent.action == "person.added")).all()
    assert [event.detail["email"] for event in added] == ["Ana@example.org", "a2@example.org"]


def test_the_people_of_the_demo_are_planted_once(session: Session, now: datetime, hasher: PasswordHasher) -> None:
    for _ in range(2):
        plant(session, now, hasher)
    people = session.scalars(select(Person)).all()
    assert {person.name for person in people} == {person.name for person in SAMPLE_PEOPLE}
    assert all(person.sample for person in people)
    assert {account.name for account in session.scalars(select(ServiceAccount))} == {"pay-ci", "nightly-export"}
    assert not any(person.password in repr(person) for person in SAMPLE_PEOPLE)
    told = str([event.detail for event in session.scalars(select(AuditEvent))])
    assert not any(person.password in told for person in SAMPLE_PEOPLE)
