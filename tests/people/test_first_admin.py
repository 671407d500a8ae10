"""The first admin comes in once, by the token of the log."""

import threading
from datetime import datetime

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.people.enrol import NotAdded
from keymgr.people.first_admin import (
    BadSetupToken,
    claim_setup,
    finish_setup,
    is_finished,
    is_set_up,
    is_verified,
    make_setup_token,
    note_verified,
    waits_for_first_admin,
)
from keymgr.people.names import BadName
from keymgr.people.sample import plant
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.people import Person, SetupToken

PASSWORD = "root-is-a-kind-of-vegetable"


def test_the_token_makes_one_admin_and_is_gone(session: Session, now: datetime, hasher: PasswordHasher) -> None:
    token = make_setup_token(session, now)
    assert token is not None
    assert session.scalars(select(SetupToken.digest)).one() != token
    person = claim_setup(session, token, " Root", PASSWORD, now=now, hasher=hasher)
    assert isinstance(person, Person)
    assert (person.name, person.bootstrap_admin, person.display_name) == ("root", True, "root")
    assert claim_setup(session, token, "second", PASSWORD, now=now, hasher=hasher) == BadSetupToken()
    assert is_set_up(session)
    assert make_setup_token(session, now) is None
    assert session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all() == [
        "setup.token_made",
        "person.added",
        "setup.claimed",
    ]
    assert not any(token in str(event.detail) for event in session.scalars(select(AuditEvent)))


def test_a_wrong_token_makes_nobody(session: Session, now: datetime, hasher: PasswordHasher) -> None:
    token = str(make_setup_token(session, now))
    stored = session.scalars(select(SetupToken.digest)).one()
    for wrong in ("", "x", stored, token + "x", token[:-1], token.swapcase(), "\udcff"):
        assert claim_setup(session, wrong, "root", PASSWORD, now=now, hasher=hasher) == BadSetupToken()
    assert not is_set_up(session)


def test_the_form_stands_open_only_while_a_token_is_out_and_nobody_is_there(
    session: Session, now: datetime, hasher: PasswordHasher
) -> None:
    assert not waits_for_first_admin(session)
    token = str(make_setup_token(session, now))
    assert waits_for_first_admin(session)
    claim_setup(session, token, "root", PASSWORD, now=now, hasher=hasher)
    assert not waits_for_first_admin(session)


def test_a_restart_replaces_the_token(session: Session, now: datetime, hasher: PasswordHasher) -> None:
    old, new = str(make_setup_token(session, now)), str(make_setup_token(session, now))
    assert claim_setup(session, old, "root", PASSWORD, now=now, hasher=hasher) == BadSetupToken()
    assert isinstance(claim_setup(session, new, "root", PASSWORD, now=now, hasher=hasher), Person)


def test_a_form_with_a_mistake_does_not_spend_the_token(
    session: Session, now: datetime, hasher: PasswordHasher
) -> None:
    token = str(make_setup_token(session, now))
    assert isinstance(claim_setup(session, token, "root", "too short", now=now, hasher=hasher), NotAdded)
    with pytest.raises(BadName):
        claim_setup(session, token, "no name", PASSWORD, now=now, hasher=hasher)
    assert isinstance(claim_setup(session, token, "root", PASSWORD, now=now, hasher=hasher), Person)


def test_people_of_the_demo_do_not_count_as_anybody(session: Session, now: datetime, hasher: PasswordHasher) -> None:
    plant(session, now, hasher)
    assert not is_set_up(session)
    token = str(make_setup_token(session, now))
    assert isinstance(claim_setup(session, token, "ada", PASSWORD, now=now, hasher=hasher), NotAdded)


def test_of_claims_at_the_same_time_exactly_one_succeeds(engine: Engine, now: datetime, hasher: PasswordHasher) -> None:
    for turn in range(5):
        with Session(engine) as session, session.begin():
            session.query(Person).delete()
            token = str(make_setup_token(session, now))
        outcomes: list[Person | NotAdded | BadSetupToken] = []

        def claim(name: str, token: str = token, outcomes: list[Person | NotAdded | BadSetupToken] = outcomes) -> None:
            with Session(engine) as session, session.begin():
                outcomes.append(claim_setup(session, token, name, PASSWORD, now=now, hasher=hasher))

        threads = [threading.Thread(target=claim, args=(f"root-{turn}-{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(isinstance(outcome, Person) for outcome in outcomes) == 1
        assert outcomes.count(BadSetupToken()) == 3
        with Session(engine) as session:
            assert session.query(Person).count() == 1
            assert session.query(SetupToken).count() == 0


def test_the_end_of_the_set_up_is_remembered_once(session: Session, now: datetime) -> None:
    root = Actor("user:root")
    assert not is_finished(session)
    assert not is_verified(session)
    note_verified(session, "key_1", actor=root, now=now)
    for _ in range(2):
        finish_setup(session, actor=root, now=now)
    assert is_finished(session)
    assert is_verified(session)
    actions = session.scalars(select(AuditEvent.action).where(AuditEvent.actor == root.id).order_by(AuditEvent.id))
    assert actions.all() == ["setup.key_verified", "setup.finished"]
