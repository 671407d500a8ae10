"""Whatever is done to one key, person or request leaves every other row of every table as it was."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.ask import ask
from keymgr.keys.due import tick
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import Incomplete, Issued, NotNow, NotYours, Pending, Revoked, Suspended, Withdrawn
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rights import Rights
from keymgr.keys.rotate import rotate
from keymgr.keys.service_credentials import Created, create_service_credential, revoke_service_credential
from keymgr.keys.suspend import resume, suspend
from keymgr.keys.usage import Calls, record_batch
from keymgr.keys.withdraw import withdraw
from keymgr.people.enrol import set_person_state
from keymgr.people.sessions import end_all, open_session
from keymgr.people.whois import asker_of_person
from keymgr.policy.model import Evidence
from keymgr.store.audit import Actor
from keymgr.store.base import Base
from keymgr.store.people import Person, PersonState
from keymgr.tokens.verdicts import VerdictCode
from tests.keys.house import (
    ADMINS,
    ANA,
    ANAS_BROWSER,
    BEN,
    ISSUER,
    LEVEL,
    NO_FACTS,
    PROD,
    Counter,
    an_order,
    later,
    put_in_force,
)
from tests.policy.builders import a_policy, a_rule, a_service, a_wish, steps

BOTH = Rights(frozenset({ANA.id, BEN.id}))
Rows = dict[tuple[str, tuple[Any, ...]], tuple[Any, ...]]


@dataclass(frozen=True)
class Street:
    """Three keys and three requests of two people, each person signed in twice."""

    session: Session
    counter: Counter
    now: datetime
    keys: tuple[Issued, ...]
    requests: tuple[Pending, ...]

    def at(self, position: int) -> Issued:
        return self.keys[position]


@pytest.fixture
def street(session: Session, counter: Counter, now: datetime) -> Street:
    askers = (ANA, BEN, ANA)
    keys = tuple(counter.issue(name=f"key {number}", asker=asker) for number, asker in enumerate(askers))
    requests = []
    for asker in askers:
        waiting = counter.ask(an_order(PROD), asker=asker)
        assert isinstance(waiting, Pending)
        requests.append(waiting)
    for person in session.scalars(select(Person).order_by(Person.name)):
        for _ in range(2):
            open_session(session, person, actor=Actor(f"user:{person.name}"), now=now)
    record_batch(session, [calls(key, now) for key in keys])
    session.commit()
    return Street(session, counter, now, keys, tuple(requests))


def calls(key: Issued, now: datetime) -> Calls:
    return Calls(key.key_id, key.credential_id, VerdictCode.OK, 3, now, "198.51.100.7")


def everything(session: Session) -> Rows:
    session.expire_all()
    rows: Rows = {}
    for table in Base.metadata.sorted_tables:
        names = [column.name for column in table.primary_key]
        for row in session.execute(select(table)):
            values = row._mapping  # noqa: SLF001 - SQLAlchemy's documented way to read a row by name.
            rows[table.name, tuple(values[name] for name in names)] = tuple(map(str, row))
    session.commit()
    return rows


def touched(street: Street, work: Callable[[], object]) -> tuple[set[str], set[tuple[str, tuple[Any, ...]]]]:
    """Do the work; say which tables got new rows, and which of the old rows are changed or gone."""
    before = everything(street.session)
    work()
    street.session.commit()
    after = everything(street.session)
    new = {table for table, _ in after.keys() - before.keys()}
    return new, {name for name, row in before.items() if after.get(name) != row}


def assert_touches(
    street: Street, work: Callable[[], object], new: set[str], changed: set[tuple[str, tuple[Any, ...]]]
) -> None:
    """Do the work: these tables got rows, others may have, and of the rows that were there exactly these changed."""
    tables, rows = touched(street, work)
    assert new <= tables
    assert rows == changed


def owner_of(position: int) -> tuple[Any, Actor]:
    return ((ANA, ANAS_BROWSER), (BEN, Actor("user:ben")), (ANA, ANAS_BROWSER))[position]


@pytest.mark.parametrize("position", range(3))
def test_a_revocation_touches_one_key(street: Street, position: int) -> None:
    key = street.at(position)

    def work() -> None:
        outcome = revoke(
            street.session, key_id=key.key_id, actor=ANAS_BROWSER, rights=BOTH, reason=RevokeReason.LEAKED,
            submit=Submit("n", "usr_ana"), level=LEVEL, now=street.now,
        )  # fmt: skip
        assert isinstance(outcome, Revoked)

    assert_touches(street, work, {"audit_event", "change_feed", "form_nonce"}, {("api_key", (key.key_id,))})


@pytest.mark.parametrize("position", range(3))
def test_a_rotation_touches_one_key_and_its_credential(street: Street, position: int) -> None:
    key = street.at(position)
    asker, actor = owner_of(position)

    def work() -> None:
        outcome = rotate(
            street.session, street.counter.in_force, key_id=key.key_id, asker=asker, actor=actor, rights=BOTH,
            evidence=NO_FACTS, submit=None, issuer=ISSUER, now=later(street.now, hours=1),
        )  # fmt: skip
        assert isinstance(outcome, Issued)

    new, changed = touched(street, work)
    assert new >= {"audit_event", "change_feed", "credential"}
    assert changed <= {("api_key", (key.key_id,)), ("credential", (key.credential_id,))}


@pytest.mark.parametrize("position", range(3))
def test_suspending_and_resuming_touches_one_key(street: Street, position: int) -> None:
    key = street.at(position)
    common: dict[str, Any] = {
        "key_id": key.key_id, "actor": ANAS_BROWSER, "rights": ADMINS, "submit": None, "level": LEVEL,
        "now": street.now,
    }  # fmt: skip

    def stop() -> None:
        assert isinstance(suspend(street.session, note="", **common), Suspended)

    only = {("api_key", (key.key_id,))}
    assert_touches(street, stop, {"audit_event", "change_feed"}, only)
    assert_touches(street, lambda: resume(street.session, **common), {"audit_event", "change_feed"}, only)


@pytest.mark.parametrize("position", range(3))
def test_withdrawing_touches_one_request(street: Street, position: int) -> None:
    request_id = street.requests[position].request_id

    def work() -> None:
        outcome = withdraw(
            street.session, request_id=request_id, actor=ANAS_BROWSER, rights=BOTH, submit=None, level=LEVEL,
            now=street.now,
        )  # fmt: skip
        assert isinstance(outcome, Withdrawn)

    assert_touches(street, work, {"audit_event"}, {("key_request", (request_id,))})


def test_issuing_touches_no_row_that_was_there(street: Street) -> None:
    def work() -> None:
        outcome = ask(
            street.session, street.counter.in_force, asker=ANA, actor=ANAS_BROWSER, order=an_order(), issuer=ISSUER,
            now=street.now,
        )  # fmt: skip
        assert isinstance(outcome, Issued)

    assert_touches(street, work, {"api_key", "audit_event", "change_feed", "credential", "form_nonce"}, set())


def test_counting_calls_touches_the_keys_that_were_called(street: Street) -> None:
    key = street.at(1)
    hour = street.now.replace(minute=0, second=0, microsecond=0)
    new, changed = touched(street, lambda: record_batch(street.session, [calls(key, later(street.now, seconds=9))]))
    assert not new
    assert changed == {
        ("api_key", (key.key_id,)),
        ("key_source", (key.key_id, "198.51.100.7")),
        ("key_usage", (key.key_id, hour, "ok")),
        ("key_usage_day", (key.key_id, hour.date(), "ok")),
    }


def test_a_suspended_person_takes_their_own_sessions_along_and_nobody_elses(street: Street) -> None:
    def work() -> None:
        person = street.session.scalars(select(Person).where(Person.name == "ben")).one()
        set_person_state(street.session, person, PersonState.SUSPENDED, actor=Actor("cli:root"), now=street.now)

    before = everything(street.session)
    bens = {name for name, row in before.items() if name[0] == "sign_in_session" and "usr_ben" in row}
    assert_touches(street, work, {"audit_event", "change_feed"}, {("person", ("usr_ben",)), *bens})


def test_signing_out_everywhere_ends_nobody_elses_session(street: Street) -> None:
    person = street.session.scalars(select(Person).where(Person.name == "ana")).one()
    before = everything(street.session)
    anas = {name for name, row in before.items() if name[0] == "sign_in_session" and "usr_ana" in row}
    work = lambda: end_all(street.session, person, actor=ANAS_BROWSER, now=street.now)  # noqa: E731 - one call.
    assert_touches(street, work, {"audit_event"}, anas)


def test_revoking_a_service_credential_touches_no_other(street: Street) -> None:
    policy = replace(street.counter.in_force.policy, services={"payments": a_service()})
    made = []
    for _ in range(3):
        created = create_service_credential(
            street.session, replace(street.counter.in_force, policy=policy), service="payments",
            actor=Actor("cli:root"), issuer=ISSUER, now=street.now,
        )  # fmt: skip
        assert isinstance(created, Created)
        made.append(created.credential_id)
    street.session.commit()

    def work() -> None:
        revoke_service_credential(
            street.session, credential_id=made[1], actor=Actor("cli:root"), level=LEVEL, now=street.now
        )

    assert_touches(street, work, {"audit_event", "change_feed"}, {("service_credential", (made[1],))})


def test_the_clock_touches_only_what_is_due(street: Street) -> None:
    lapsing = {("key_request", (request.request_id,)) for request in street.requests}
    gone = {"sign_in_session", "change_feed", "form_nonce"}
    _, changed = touched(street, lambda: tick(street.session, street.now + timedelta(days=8), level=LEVEL))
    assert {name for name in changed if name[0] not in gone} == lapsing


def test_an_attempt_on_a_foreign_key_changes_nothing_at_all(street: Street) -> None:
    anas_only = Rights(frozenset({ANA.id}))
    foreign = street.at(1).key_id
    common: dict[str, Any] = {"actor": ANAS_BROWSER, "rights": anas_only, "submit": Submit("x", "usr_ana")}
    asked: dict[str, Any] = {**common, "level": LEVEL, "now": street.now}

    def work() -> None:
        for key_id in (foreign, "key_" + "0" * 26):
            outcomes = [
                revoke(street.session, key_id=key_id, reason=RevokeReason.LEAKED, **asked),
                suspend(street.session, key_id=key_id, note="", **asked),
                resume(street.session, key_id=key_id, **asked),
                rotate(
                    street.session, street.counter.in_force, key_id=key_id, asker=ANA, evidence=NO_FACTS,
                    issuer=ISSUER, now=street.now, **common,
                ),
                withdraw(street.session, request_id=street.requests[1].request_id, **asked),
            ]  # fmt: skip
            assert outcomes == [NotYours()] * 5

    assert touched(street, work) == (set(), set())


def test_one_number_of_a_form_does_not_stop_the_same_act_on_another_object(street: Street) -> None:
    """A page that lists several requests gives all their buttons the same number."""
    submit = Submit("page", "usr_ana")
    for request in street.requests[:2]:
        outcome = withdraw(
            street.session, request_id=request.request_id, actor=ANAS_BROWSER, rights=BOTH, submit=submit,
            level=LEVEL, now=street.now,
        )  # fmt: skip
        assert isinstance(outcome, Withdrawn)
    for key in street.keys[:2]:
        done = revoke(
            street.session, key_id=key.key_id, actor=ANAS_BROWSER, rights=BOTH, reason=RevokeReason.LEAKED,
            submit=submit, level=LEVEL, now=street.now,
        )  # fmt: skip
        assert isinstance(done, Revoked)


def test_a_person_is_no_owner_of_keys_of_a_name_that_merely_contains_theirs(session: Session, street: Street) -> None:
    person = session.scalars(select(Person).where(Person.name == "ana")).one()
    asker = asker_of_person(person, None)
    for near in ("user:an", "user:anab", "svc:ana", "USER:ANA", "user:ana "):
        assert asker.id != near
        outcome = revoke(
            session, key_id=street.at(0).key_id, actor=Actor(near), rights=Rights(frozenset({near})),
            reason=RevokeReason.LEAKED, submit=None, level=LEVEL, now=street.now,
        )  # fmt: skip
        assert outcome == NotYours()


@pytest.mark.parametrize(
    ("reason", "ticket", "lacks"),
    [
        ("", "PAY-1", ["justification"]),
        (" \n ", "PAY-1", ["justification"]),
        ("to refund", "", ["ticket"]),
        ("to refund", "pay-1", ["ticket"]),
        ("to refund", "PAY-1 and more", ["ticket"]),
        ("", "", ["justification", "ticket"]),
        ("to refund", "PAY-1", []),
    ],
)
def test_what_an_approval_asks_for_cannot_be_left_out_by_any_door(
    street: Street, reason: str, ticket: str, lacks: list[str]
) -> None:
    session, now = street.session, street.now
    for count, kind in ((0, Issued), (2, Pending)):
        approval = replace(steps(count), reason_required=True, ticket_pattern="PAY-[0-9]+")
        in_force = put_in_force(session, a_policy(a_rule("asks", approval=approval)), now)
        order = an_order(a_wish("charges:read"), facts={"issuance.ticket": ticket})
        told = replace(order, justification=reason)
        before = everything(session)
        outcome = ask(session, in_force, asker=BEN, actor=ANAS_BROWSER, order=told, issuer=ISSUER, now=now)
        session.commit()
        if lacks:
            assert isinstance(outcome, Incomplete)
            assert [lack.field for lack in outcome.lacking] == lacks
            assert everything(session) == before
        else:
            assert isinstance(outcome, kind)


def test_a_rotation_needs_what_the_policy_now_asks_for(street: Street) -> None:
    session, now = street.session, street.now
    approval = replace(steps(0), reason_required=True)
    in_force = put_in_force(session, a_policy(a_rule("asks", approval=approval)), now)
    for facts, kind in (({}, NotNow), ({"issuance.reason": "still needed"}, Issued)):
        outcome = rotate(
            session, in_force, key_id=street.at(0).key_id, asker=ANA, actor=ANAS_BROWSER, rights=BOTH,
            evidence=Evidence(facts), submit=None, issuer=ISSUER, now=now,
        )  # fmt: skip
        assert isinstance(outcome, kind), outcome
