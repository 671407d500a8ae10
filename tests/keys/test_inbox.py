"""The approver's inbox and the page of one request: who sees what, and what it says."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import event

from keymgr.keys.inbox import InboxRow, count_waiting, inbox
from keymgr.keys.request_detail import Asked, RequestDetail, may_see, request_detail
from keymgr.policy.approving import May, MayNot, NotApprover, Signature
from keymgr.policy.decision import Allowed, Denied, NeedsApproval
from keymgr.policy.model import Asker, PortalPermission, Risk
from keymgr.store.keys import RequestState
from tests.keys.house import ANA, BEN, CI
from tests.keys.office import (
    DEV,
    EVERYBODY,
    GUS,
    LEA,
    LEO,
    MAX,
    READ,
    READING,
    SAM,
    SUE,
    WRITE,
    WRITING,
    Office,
)
from tests.policy.builders import DAY

NONE: frozenset[PortalPermission] = frozenset()


def shown(office: Office, person: Asker) -> tuple[InboxRow, ...]:
    return inbox(office.session, office.in_force, person, asker_of=office.who, now=office.now)


def counted(office: Office, person: Asker) -> int:
    return count_waiting(office.session, office.in_force, person, asker_of=office.who, now=office.now)


def read(office: Office, request_id: str) -> RequestDetail:
    opened = office.in_force
    detail = request_detail(office.session, opened, request_id, asker_of=office.who, now=office.now)
    assert detail is not None
    return detail


def sees(office: Office, request_id: str, person: Asker, *, portal: frozenset[PortalPermission] = NONE) -> bool:
    return may_see(read(office, request_id), person, office.rights(person).owners, portal)


def test_the_inbox_shows_what_concerns_a_person_and_what_they_may_do_about_it(office: Office) -> None:
    first = office.ask(READ)
    office.now += timedelta(hours=1)
    second = office.ask(asker=CI)

    assert [(row.id, row.verdict) for row in shown(office, LEA)] == [(first, May(0)), (second, May(0))]
    (row,) = shown(office, SAM)
    assert isinstance(row.verdict, MayNot)
    assert row.verdict.reason is NotApprover.NOT_YET
    assert (row.risk, row.owner, row.requester, row.is_own) == (Risk.CRITICAL, CI.id, ANA.id, False)
    assert [(step.name, step.missing) for step in row.steps] == [("lead", 1), ("security", 2)]
    own = shown(office, ANA)
    assert [row.is_own for row in own] == [True, True]
    assert {type(row.verdict) for row in own} == {MayNot}
    assert [(row.id, row.may_break_glass) for row in shown(office, GUS)] == [(second, True)]
    assert shown(office, MAX) == shown(office, BEN) == ()
    assert [counted(office, person) for person in (LEA, LEO, SAM, GUS, ANA, MAX)] == [2, 2, 0, 0, 0, 0]


def test_the_count_goes_down_as_people_sign_and_time_passes(office: Office) -> None:
    request_id = office.ask()
    office.approve(request_id, LEA)
    assert [counted(office, person) for person in (LEA, LEO, SAM)] == [0, 1, 1]
    office.approve_by(request_id, SAM, SUE)
    assert counted(office, LEO) == 0
    office.ask()
    office.now += timedelta(hours=72)
    assert counted(office, LEA) == 0


def test_a_newer_policy_sends_requests_elsewhere(office: Office) -> None:
    refused, reading, unknown = office.ask(), office.ask(READ), office.ask(READ, asker=CI)
    office.apply(DEV, replace(READING, name="other", approval=replace(READING.approval, name="new")))
    del office.people[CI.id]
    assert [row.id for row in shown(office, LEA)] == [reading]
    assert counted(office, SAM) == 0
    assert counted(office, LEA) == 1
    assert {refused, unknown}.isdisjoint(row.id for row in shown(office, ANA))
    service = replace(office.in_force.policy.services["payments"], scopes={})
    policy = replace(office.in_force.policy, services={"payments": service})
    office.in_force = replace(office.in_force, policy=policy)
    assert shown(office, LEA) == ()


def test_who_is_named_nowhere_costs_no_query_and_a_thousand_waiting_cost_few(office: Office) -> None:
    request_id = office.ask()
    office.approve(request_id, LEA)
    statements: list[str] = []
    engine = office.session.get_bind()

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(engine, "before_cursor_execute", note)
    assert counted(office, MAX) == 0
    assert statements == []
    assert counted(office, SAM) == 1
    assert sum(statement.startswith("SELECT") for statement in statements) == 3


def test_the_count_is_what_the_inbox_shows_whatever_revision_sent_a_request_there(office: Office) -> None:
    plain, signed, by_boss = office.ask(), office.ask(), office.ask(asker=CI, by=LEO)
    for request_id in (signed, by_boss):
        office.approve(request_id, LEA)
    office.approve(plain, SAM)
    for _ in range(2):
        for person in EVERYBODY:
            may = [row for row in shown(office, person) if isinstance(row.verdict, May)]
            assert counted(office, person) == len(may)
        assert [counted(office, person) for person in (LEA, LEO, SAM)] == [1, 2, 2]
        office.apply(DEV, READING, WRITING)


def test_the_page_of_a_request_tells_everything(office: Office) -> None:
    request_id = office.ask()
    office.approve(request_id, LEA, note="yes")
    detail = read(office, request_id)
    assert isinstance(detail.decision, NeedsApproval)
    assert detail.approval == WRITING.approval
    assert detail.counted == (Signature(LEA.id, 0),)
    assert [(row.person, row.step, row.note, row.counts) for row in detail.signatures] == [(LEA.id, 0, "yes", True)]
    assert [step.is_met for step in detail.steps] == [True, False]
    assert (detail.state, detail.asked, detail.is_claimable) == (RequestState.WAITING, None, False)
    assert detail.facts["issuance.mfa"] is True
    office.approve_by(request_id, SAM, SUE)
    assert read(office, request_id).is_claimable
    office.amend(request_id, replace(WRITE, ttl_seconds=DAY))
    assert read(office, request_id).asked == Asked(("charges:write", "refunds:write"), 30 * DAY, ())
    office.break_glass(request_id)
    assert read(office, request_id).is_claimable


def test_the_page_follows_the_policy_in_force_while_the_request_is_open(office: Office) -> None:
    request_id = office.ask()
    office.approve(request_id, LEA)
    office.apply(DEV)
    detail = read(office, request_id)
    assert isinstance(detail.decision, Denied)
    assert (detail.approval, detail.steps, detail.counted, detail.is_claimable) == (None, (), (), False)
    assert [row.counts for row in detail.signatures] == [False]
    office.apply(replace(WRITING, approval=DEV.approval))
    detail = read(office, request_id)
    assert isinstance(detail.decision, Allowed)
    assert detail.is_claimable
    del office.people[ANA.id]
    assert read(office, request_id).decision is None
    office.in_force = None  # type: ignore[assignment]  # What a door has before the first apply.
    assert read(office, request_id).approval is None


def test_a_request_that_has_ended_still_says_how_it_was_decided(office: Office) -> None:
    request_id = office.ask()
    office.approve_by(request_id, LEA, SAM, SUE)
    office.now += timedelta(hours=72)
    detail = read(office, request_id)
    assert (detail.state, detail.decision, detail.is_claimable) == (RequestState.LAPSED, None, False)
    assert [step.is_met for step in detail.steps] == [True, True]


def test_parties_approvers_and_officials_see_a_request_and_nobody_else_does(office: Office) -> None:
    missing = request_detail(office.session, office.in_force, "req_unknown", asker_of=office.who, now=office.now)
    assert missing is None
    request_id = office.ask(asker=CI)
    assert [sees(office, request_id, person) for person in (ANA, BEN, LEA, SAM, GUS)] == [True] * 5
    assert not sees(office, request_id, MAX)
    for permission in (PortalPermission.ADMIN, PortalPermission.AUDITOR, PortalPermission.REVIEWER):
        assert sees(office, request_id, MAX, portal=frozenset({permission}))


def test_who_signed_or_decided_sees_it_even_when_the_rule_is_gone(office: Office) -> None:
    request_id = office.ask()
    office.approve(request_id, LEA)
    office.refuse(request_id, SAM)
    office.apply(DEV)
    assert [sees(office, request_id, person) for person in (LEA, SAM, SUE, GUS)] == [True, True, False, False]
