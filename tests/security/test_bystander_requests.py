"""Whatever is decided about one request leaves every other row of every table as it was; strangers change nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.approvals import Narrowed
from keymgr.keys.outcomes import NotYours
from keymgr.store.audit import AuditEvent
from keymgr.store.keys import RequestState
from tests.keys.house import BEN, CI, add_person, put_in_force
from tests.keys.office import GUS, LEA, LEO, MAX, OFFICE_POLICY, SAM, SUE, WRITE, Office
from tests.policy.builders import DAY
from tests.security.test_bystanders import everything

WAITING, SIGNED, APPROVED, EMERGENCY = range(4)
TOLD = {"audit_event", "form_nonce"}


@pytest.fixture
def office(session: Session, now: datetime) -> Office:
    for name in ("ana", "ben"):
        add_person(session, name, now)
    return Office(session, put_in_force(session, OFFICE_POLICY, now), now)


@pytest.fixture
def requests(office: Office) -> tuple[tuple[str, ...], ...]:
    """Two of each: waiting, signed by all but one, approved, granted in an emergency."""
    both = []
    for asker, by in ((CI, BEN), (BEN, BEN)):
        ids = tuple(office.ask(asker=asker, by=by) for _ in range(4))
        for request_id in ids[SIGNED:EMERGENCY]:
            office.approve(request_id, LEA)
            office.approve(request_id, SAM)
        office.approve(ids[APPROVED], SUE)
        office.break_glass(ids[EMERGENCY])
        both.append(ids)
    return tuple(both)


NARROWED = Narrowed(frozenset({"charges:write"}), DAY)
ACTS: dict[str, tuple[int, Callable[[Office, str], object], set[str]]] = {
    "approve": (WAITING, lambda office, own: office.approve(own, LEA), {"request_approval"}),
    "approve-last": (SIGNED, lambda office, own: office.approve(own, SUE), {"request_approval"}),
    "narrow": (SIGNED, lambda office, own: office.approve(own, LEO, narrowed=NARROWED), {"request_approval"}),
    "refuse": (SIGNED, lambda office, own: office.refuse(own, LEO), set()),
    "break-glass": (SIGNED, lambda office, own: office.break_glass(own), set()),
    "claim": (APPROVED, lambda office, own: office.claim(own, BEN), {"api_key", "credential", "change_feed"}),
    "amend": (
        APPROVED,
        lambda office, own: office.amend(own, replace(WRITE, ttl_seconds=DAY), by=BEN),
        {"past_decision"},
    ),
    "withdraw": (APPROVED, lambda office, own: office.withdraw(own, BEN), set()),
    "nudge": (WAITING, lambda office, own: office.nudge(own, BEN), set()),
    "say": (WAITING, lambda office, own: office.say(own, LEA), {"request_message"}),
    "review": (EMERGENCY, lambda office, own: office.review(own, LEA), set()),
}


def about(request_id: str, name: tuple[str, tuple[Any, ...]], row: tuple[Any, ...]) -> bool:
    """Whether a row is the request or hangs on it."""
    return name == ("key_request", (request_id,)) or (name[0] == "request_approval" and request_id in row)


@pytest.mark.parametrize("act", ACTS)
def test_a_decision_touches_one_request(office: Office, requests: tuple[tuple[str, ...], ...], act: str) -> None:
    which, work, new_in = ACTS[act]
    own = requests[0][which]
    before = everything(office.session)
    work(office, own)
    after = everything(office.session)

    changed = [name for name, row in before.items() if after.get(name) != row]
    assert changed or new_in
    assert all(about(own, name, before[name]) for name in changed)
    new = {table for table, _ in after.keys() - before.keys()} - {"signing_key"}
    assert {"audit_event"} <= new <= TOLD | new_in


STRANGERS: dict[str, Callable[[Office, str], object]] = {
    "approve": lambda office, own: office.approve(own, MAX),
    "narrow": lambda office, own: office.approve(own, MAX, narrowed=NARROWED),
    "refuse": lambda office, own: office.refuse(own, MAX),
    "break-glass": lambda office, own: office.break_glass(own, MAX),
    "claim": lambda office, own: office.claim(own, MAX),
    "amend": lambda office, own: office.amend(own, by=MAX),
    "withdraw": lambda office, own: office.withdraw(own, MAX),
    "nudge": lambda office, own: office.nudge(own, MAX),
    "say": lambda office, own: office.say(own, MAX),
}


@pytest.mark.parametrize("act", STRANGERS)
def test_a_stranger_changes_nothing_and_learns_nothing(
    office: Office, requests: tuple[tuple[str, ...], ...], act: str
) -> None:
    before = everything(office.session)
    for ids in (*requests, ("req_" + "0" * 26,)):
        for request_id in ids:
            assert STRANGERS[act](office, request_id) == NotYours()
    after = everything(office.session)
    assert {name: row for name, row in after.items() if name[0] != "audit_event"} == {
        name: row for name, row in before.items() if name[0] != "audit_event"
    }
    told = office.session.scalars(select(AuditEvent.outcome).where(AuditEvent.actor == MAX.id))
    assert set(told) <= {"refused"}


def test_the_one_who_granted_cannot_finish_alone(office: Office, requests: tuple[tuple[str, ...], ...]) -> None:
    """The granter of an emergency neither claims, reviews nor changes what was granted."""
    own = requests[0][EMERGENCY]
    for outcome in (office.claim(own, GUS), office.amend(own, by=GUS), office.review(own, GUS)):
        assert type(outcome).__name__ in {"NotYours", "MayNotDecide"}
    assert office.row(own).state == RequestState.APPROVED
