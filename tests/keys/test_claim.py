"""Claiming: an approved request becomes one key, judged once more; its token is in the answer and nowhere else."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.due import tick
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import (
    AlreadyDone,
    Amended,
    Approved,
    Closed,
    Issued,
    NotNow,
    NotYours,
    Pending,
    Refused,
    Signed,
    Withdrawn,
)
from keymgr.keys.request_detail import request_detail
from keymgr.policy.decision import Denied
from keymgr.policy.model import ApprovalPolicy
from keymgr.store.keys import Key, RequestApproval, RequestState
from tests.keys.house import ANA, BEN, CI, ISSUER, LEVEL, Counter, an_order, changes, dump, story
from tests.keys.office import (
    BOSS,
    DEV,
    GUS,
    LEA,
    LEAD_STEP,
    LEO,
    MAX,
    READ,
    READING,
    SAM,
    SECURITY_STEP,
    SUE,
    TWO_STEPS,
    WRITE,
    WRITING,
    Office,
    an_override,
)
from tests.policy.builders import DAY, LIMITS


def approved(office: Office, **options: object) -> str:
    request_id = office.ask(**options)  # type: ignore[arg-type]  # options are handed on as they are.
    office.approve_by(request_id, LEA, SAM, SUE)
    return request_id


def keys(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Key)) or 0


def test_approval_mints_nothing_and_the_claim_mints_what_was_approved(office: Office, session: Session) -> None:
    request_id = approved(office)
    assert keys(session) == 0

    outcome = office.claim(request_id)
    assert isinstance(outcome, Issued)
    row, key = office.row(request_id), session.get_one(Key, outcome.key_id)
    assert (row.state, row.key_id, row.decided_by) == (RequestState.CLAIMED, outcome.key_id, SUE.id)
    assert (key.owner, key.created_by, key.name, key.scopes) == (ANA.id, ANA.id, row.name, row.scopes)
    assert key.expires_at == office.now + timedelta(days=30)
    assert key.rule == "prod-write"
    assert key.evidence["facts"]["issuance.approvers"] == ["lea", "sam", "sue"]
    assert key.evidence["facts"]["issuance.mfa"] is True
    assert story(session, request_id)[-1] == ("request.claimed", "done")
    assert story(session, key.id) == [("key.issued", "done")]
    assert changes(session) == [("key", key.id)]
    assert outcome.token not in dump(session)
    assert outcome.token.split(".")[-1] not in dump(session)


def test_a_key_is_claimed_once_however_often_it_is_asked_for(office: Office, session: Session) -> None:
    request_id = approved(office)
    submit = Submit("n", "usr_ana")
    outcome = office.claim(request_id, submit=submit)
    assert isinstance(outcome, Issued)
    assert office.claim(request_id, submit=submit) == AlreadyDone(outcome.key_id, office.now)
    assert office.claim(request_id) == NotNow("The request “checkout worker” is claimed. Nothing was changed.")
    assert keys(session) == 1


def test_whoever_may_act_for_the_owner_claims_and_nobody_else(office: Office, session: Session) -> None:
    request_id = approved(office, asker=CI)

    assert office.claim(request_id, MAX) == office.claim(request_id, LEA) == office.claim("req_unknown") == NotYours()
    assert story(session, request_id)[-2:] == [("request.claimed", "refused")] * 2
    outcome = office.claim(request_id, BEN)
    assert isinstance(outcome, Issued)
    assert session.get_one(Key, outcome.key_id).created_by == BEN.id


def test_who_approved_does_not_claim(office: Office) -> None:
    request_id = office.ask(asker=CI)
    office.approve_by(request_id, BOSS, SAM, SUE)
    outcome = office.claim(request_id, BOSS)
    assert isinstance(outcome, NotNow)
    assert "somebody else has to claim it: the requester, or others who answer for pay-ci" in outcome.sentence
    assert isinstance(office.claim(request_id), Issued)


def test_what_waits_or_has_ended_is_not_claimed(office: Office, session: Session) -> None:
    waiting = office.ask()
    outcome = office.claim(waiting)
    assert outcome == NotNow("The request “checkout worker” is waiting. It can be claimed once it is approved.")

    late = approved(office)
    office.now += timedelta(hours=72)
    assert office.claim(late) == NotNow("The request “checkout worker” is lapsed. Nothing was changed.")
    assert keys(session) == 0


def test_the_clock_ends_what_nobody_claimed_and_keeps_who_approved_it(office: Office, session: Session) -> None:
    request_id = approved(office)
    tick(session, office.now + timedelta(hours=71), level=LEVEL)
    assert office.row(request_id).state == RequestState.APPROVED
    ticked = tick(session, office.now + timedelta(hours=72), level=LEVEL)
    session.commit()
    assert ticked.lapsed == 1
    row = office.row(request_id)
    assert (row.state, row.decided_by, row.decided_at) == (RequestState.LAPSED, SUE.id, office.now)
    assert story(session, request_id)[-1] == ("request.lapsed", "done")


def test_an_approved_request_can_be_withdrawn_until_it_is_claimed(office: Office) -> None:
    request_id = approved(office)
    assert office.withdraw(request_id) == Withdrawn(request_id, office.now)
    row = office.row(request_id)
    assert (row.state, row.decided_by) == (RequestState.WITHDRAWN, SUE.id)
    assert isinstance(office.claim(request_id), NotNow)
    other = approved(office)
    office.claim(other)
    assert isinstance(office.withdraw(other), NotNow)


def test_a_claim_is_judged_by_the_policy_in_force(office: Office, session: Session) -> None:
    request_id = approved(office)
    office.apply(READING)
    outcome = office.claim(request_id)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.decision, Denied)
    assert office.row(request_id).state == RequestState.APPROVED
    assert story(session, request_id)[-1] == ("request.claimed", "refused")

    office.apply(replace(WRITING, approval=DEV.approval))
    assert isinstance(office.claim(request_id), Issued)


def test_the_limit_of_keys_holds_at_the_claim(office: Office) -> None:
    office.apply(replace(WRITING, limits=replace(LIMITS, max_keys_per_owner=1)))
    first, second = approved(office), approved(office)
    assert isinstance(office.claim(first), Issued)
    assert isinstance(office.claim(second), Refused)


def test_a_stricter_policy_puts_the_request_back_to_wait_for_what_is_missing(office: Office, session: Session) -> None:
    request_id = office.ask(READ)
    office.approve_by(request_id, LEA)
    stricter = ApprovalPolicy("stricter", (LEAD_STEP, replace(SECURITY_STEP, count=1)), request_ttl_seconds=3600)
    office.apply(replace(READING, approval=stricter))

    outcome = office.claim(request_id)
    assert isinstance(outcome, NotNow)
    assert "the rule prod-read of the policy in force also asks for “security” (1 more approval)" in outcome.sentence
    row = office.row(request_id)
    assert (row.state, row.decided_by, row.claim_until) == (RequestState.WAITING, None, None)
    assert row.expires_at == office.now + timedelta(hours=1)
    assert story(session, request_id)[-1] == ("request.reopened", "done")
    assert isinstance(office.approve(request_id, SAM), Approved)
    assert isinstance(office.claim(request_id), Issued)


def test_an_approval_by_somebody_who_has_lost_the_role_is_asked_for_again(office: Office) -> None:
    request_id = approved(office)
    office.people[SUE.id] = replace(SUE, roles=frozenset())
    outcome = office.claim(request_id)
    assert isinstance(outcome, NotNow)
    assert "“security” (1 more approval)" in outcome.sentence
    assert office.approve(request_id, LEO) == Approved(request_id, office.now + timedelta(hours=72))


def test_what_the_policy_grants_at_once_by_now_is_claimed_without_any_approval(
    office: Office, session: Session
) -> None:
    request_id = office.ask()
    office.apply(replace(WRITING, approval=DEV.approval))
    detail = request_detail(session, office.in_force, request_id, asker_of=office.who, now=office.now)
    assert detail is not None
    assert detail.is_claimable
    outcome = office.claim(request_id)
    assert isinstance(outcome, Issued)
    assert "issuance.approvers" not in session.get_one(Key, outcome.key_id).evidence["facts"]
    assert office.row(request_id).decided_at == office.now


def test_nothing_is_claimed_while_issuing_is_off_or_stopped(office: Office, session: Session) -> None:
    request_id = approved(office)
    office.issuer = replace(ISSUER, enabled=False)
    assert isinstance(office.claim(request_id), Closed)
    office.issuer = ISSUER
    session.add(an_override("service", "payments", office.now))
    session.commit()
    assert isinstance(office.claim(request_id), Closed)
    assert keys(session) == 0


def test_a_row_that_says_something_else_than_was_approved_is_not_issued(office: Office, session: Session) -> None:
    request_id = approved(office)
    office.row(request_id).ttl_seconds = 60 * DAY
    session.commit()
    outcome = office.claim(request_id)
    assert isinstance(outcome, NotNow)
    assert "is not what was approved" in outcome.sentence
    assert keys(session) == 0


def test_twenty_requests_of_an_owner_may_wait_and_no_more(office: Office) -> None:
    ids = [office.ask() for _ in range(20)]
    desk = Counter(office.session, office.in_force, office.now)
    crowded = desk.ask(an_order(WRITE))
    assert crowded.lacking[0].sentence.startswith("20 requests for ana wait for approval already")  # type: ignore[union-attr]  # only Incomplete has it.
    assert isinstance(desk.ask(an_order(WRITE), asker=CI), Pending)
    assert isinstance(office.amend(ids[0], replace(WRITE, ttl_seconds=DAY)), Amended)
    office.approve_by(ids[0], LEA, SAM, SUE)
    assert isinstance(desk.ask(an_order(WRITE)), Pending)
    assert not isinstance(office.amend(ids[0], WRITE), Amended)
    assert office.row(ids[0]).state == RequestState.APPROVED
    assert isinstance(desk.ask(an_order(), now=office.now), Issued)
    assert isinstance(desk.ask(an_order(WRITE), now=office.now + timedelta(hours=72)), Pending)


def test_a_break_of_the_glass_is_not_claimed_by_who_broke_it(office: Office) -> None:
    office.people[GUS.id] = gus = replace(GUS, teams=frozenset({"payments"}))
    request_id = office.ask(asker=CI)
    office.break_glass(request_id, gus)
    rights = office.rights
    office.rights = lambda person: rights(ANA if person is gus else person)  # type: ignore[method-assign]
    assert isinstance(office.claim(request_id, gus), NotNow)
    assert isinstance(office.claim(request_id, ANA), Issued)


def test_signatures_are_kept_with_the_revision_they_were_given_under(office: Office, session: Session) -> None:
    request_id = office.ask()
    assert isinstance(office.approve(request_id, LEA), Signed)
    office.apply(DEV, READING, replace(WRITING, approval=TWO_STEPS))
    office.approve(request_id, SAM)
    revisions = session.scalars(select(RequestApproval.revision_id).order_by(RequestApproval.id)).all()
    assert revisions == [office.in_force.revision - 1, office.in_force.revision]
