"""Where a role comes from, and who is found in the directory."""

from dataclasses import replace
from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy.orm import Session

from keymgr.people.directory import PAGE_SIZE, find_people, find_person, find_service_account, find_service_accounts
from keymgr.people.enrol import NewPerson, enrol
from keymgr.people.passwords import check_strength, fresh_password
from keymgr.people.roles import Way, belongings
from keymgr.people.service_accounts import add_service_account
from keymgr.people.whois import asker_of_person
from keymgr.policy.model import Policy, PortalPermission, Role, Source, Team
from keymgr.store.audit import Actor
from keymgr.store.people import Person, PersonState
from tests.policy.builders import a_policy

CLI = Actor("cli:test")
AT = Source("people.yaml", 3, 1)
ADMIN = frozenset({PortalPermission.ADMIN})
NOBODY: frozenset[str] = frozenset()


def policy() -> Policy:
    teams = {
        "pay": Team("pay", "", frozenset({"Ana"}), NOBODY, AT),
        "ops": Team("ops", "", NOBODY, frozenset({"g-ops"}), AT),
        "far": Team("far", "", frozenset({"zed"}), frozenset({"g-far"}), AT),
    }
    roles = {
        "dev": Role("dev", "", NOBODY, frozenset({"pay", "far"}), NOBODY, frozenset(), AT),
        "boss": Role("boss", "", frozenset({"ana@example.org"}), NOBODY, frozenset({"g-ops"}), ADMIN, AT),
    }
    return replace(a_policy(), teams=teams, roles=roles)


def test_each_reason_is_told_with_its_place_and_agrees_with_who_the_policy_sees(ana: Person) -> None:
    ana.idp_groups = ["g-ops"]
    found = belongings(ana, policy())
    assert [(each.kind, each.name, each.way, each.by) for each in found] == [
        ("team", "pay", Way.NAME, "Ana"),
        ("team", "ops", Way.GROUP, "g-ops"),
        ("role", "dev", Way.TEAM, "pay"),
        ("role", "boss", Way.NAME, "ana@example.org"),
        ("role", "boss", Way.GROUP, "g-ops"),
    ]
    assert {each.source for each in found} == {AT}
    assert {each.name for each in found if each.portal == ADMIN} == {"boss"}
    asker = asker_of_person(ana, policy())
    assert {each.name for each in found if each.kind == "team"} == asker.teams
    assert {each.name for each in found if each.kind == "role"} == asker.roles


def test_the_first_administrator_is_one_whatever_the_policy_says(ana: Person) -> None:
    assert belongings(ana, None) == ()
    ana.bootstrap_admin = True
    ana.email = None
    (found,) = belongings(ana, None)
    assert (found.way, found.portal, found.source) == (Way.FIRST_ADMIN, ADMIN, None)


def test_people_are_found_by_a_part_of_what_they_are_called(
    session: Session, ana: Person, now: datetime, hasher: PasswordHasher
) -> None:
    for number in range(PAGE_SIZE):
        new = NewPerson(f"p{number:03}", f"100% {number}")
        enrol(session, new, actor=CLI, now=now, hasher=hasher)
    page = find_people(session)
    assert (page.total, page.pages, len(page.people)) == (PAGE_SIZE + 1, 2, PAGE_SIZE)
    assert [person.name for person in find_people(session, number=99).people] == ["p049"]
    assert [person.name for person in find_people(session, search="EXAMPLE.org\x00").people] == ["ana"]
    assert find_people(session, search="100%").total == PAGE_SIZE
    assert find_people(session, search="1%0").total == 0
    assert find_people(session, state=PersonState.LEFT).total == 0
    assert find_person(session, "ana") is ana
    assert find_person(session, "nobody") is None


def test_service_accounts_are_found_by_name(session: Session, now: datetime) -> None:
    for name in ("z-ci", "a-ci"):
        add_service_account(session, name, "pay", actor=CLI, now=now)
    assert [account.name for account in find_service_accounts(session)] == ["a-ci", "z-ci"]
    assert find_service_account(session, "z-ci")
    assert find_service_account(session, "nobody") is None


def test_passwords_that_are_made_here_are_good_and_never_the_same() -> None:
    made = {fresh_password() for _ in range(50)}
    assert len(made) == 50
    assert {check_strength(password) for password in made} == {None}
