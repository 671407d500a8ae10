"""Amending: a new wish in the old one's place; every approval of the old one is void."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.outcomes import (
    AlreadyDone,
    Amended,
    Approved,
    Changed,
    Closed,
    Incomplete,
    Issued,
    MayNotDecide,
    NotNow,
    NotYours,
    PolicyMoved,
    Refused,
    Signed,
)
from keymgr.keys.routing import parties_of
from keymgr.store.keys import RequestApproval, RequestState
from keymgr.store.standing import PastDecision
from tests.keys.house import ANA, CI, an_order, story
from tests.keys.office import (
    BOSS,
    DEV,
    LEA,
    LEO,
    MAX,
    READ,
    READING,
    SAM,
    SUE,
    TWO_STEPS,
    WRITE,
    WRITING,
    Office,
    an_override,
)
from tests.policy.builders import DAY, a_wish

SHORT = replace(WRITE, ttl_seconds=DAY)


def test_an_edit_voids_every_approval_and_starts_the_wait_anew(office: Office, session: Session) -> None:
    request_id = office.ask()
    before = office.digest(request_id)
    office.approve(request_id, LEA)
    office.now += timedelta(hours=10)

    outcome = office.amend(request_id, SHORT, order=replace(an_order(SHORT), name="smaller", justification="less"))
    assert isinstance(outcome, Amended)
    assert (outcome.request_id, outcome.expires_at) == (request_id, office.now + timedelta(hours=72))
    row = office.row(request_id)
    assert (row.name, row.justification, row.ttl_seconds, row.state) == ("smaller", "less", DAY, RequestState.WAITING)
    assert row.wish_digest != before
    assert row.asked == {
        "scopes": ["charges:write", "refunds:write"],
        "ttl_seconds": 30 * DAY,
        "cidrs": [],
        "by": [ANA.id],
    }
    assert session.scalars(select(RequestApproval)).all() == []
    assert story(session, request_id)[-1] == ("request.amended", "done")
    assert len(session.scalars(select(PastDecision)).all()) == 2


def test_an_edit_back_to_the_old_wish_does_not_bring_its_approvals_back(office: Office) -> None:
    request_id = office.ask()
    digest = office.digest(request_id)
    office.approve_by(request_id, LEA, SAM, SUE)
    office.amend(request_id, SHORT)
    office.amend(request_id, WRITE)
    assert office.digest(request_id) == digest
    assert isinstance(office.claim(request_id), NotNow)
    assert office.approve(request_id, LEA) == Signed(request_id, office.now, 2)


def test_an_edit_of_the_reason_alone_voids_them_too(office: Office) -> None:
    request_id = office.ask()
    seen = office.digest(request_id)
    office.amend(request_id, order=replace(an_order(WRITE), justification="something else"))
    assert isinstance(office.approve(request_id, LEA, seen=seen), Changed)


def test_an_approved_request_that_is_edited_waits_again(office: Office) -> None:
    request_id = office.ask()
    office.approve_by(request_id, LEA, SAM, SUE)
    assert isinstance(office.amend(request_id, SHORT), Amended)
    row = office.row(request_id)
    assert (row.state, row.decided_by, row.decided_at, row.claim_until) == (RequestState.WAITING, None, None, None)
    assert isinstance(office.claim(request_id), NotNow)


def test_whoever_edits_is_a_party_from_then_on(office: Office) -> None:
    request_id = office.ask(asker=CI)
    assert isinstance(office.amend(request_id, SHORT, by=BOSS), Amended)
    assert parties_of(office.row(request_id)) == {ANA.id, CI.id, BOSS.id}
    for person in (BOSS, replace(LEA, id=ANA.id)):
        assert isinstance(office.approve(request_id, person), MayNotDecide)
    office.amend(request_id, WRITE)
    assert BOSS.id in parties_of(office.row(request_id))


def test_what_is_granted_at_once_can_be_claimed_at_once(office: Office, session: Session) -> None:
    request_id = office.ask()
    outcome = office.amend(request_id, a_wish("charges:read"))
    assert outcome == Approved(request_id, office.now + timedelta(hours=72))
    assert office.row(request_id).decided_by is None
    assert story(session, request_id)[-2:] == [("request.amended", "done"), ("request.approved", "done")]
    assert isinstance(office.claim(request_id), Issued)


def test_a_new_wish_is_judged_before_anything_changes(office: Office, session: Session) -> None:
    request_id = office.ask()
    office.approve(request_id, LEA)
    before = office.digest(request_id)
    assert isinstance(office.amend(request_id, replace(WRITE, service="unknown")), Refused)
    assert story(session, request_id)[-1] == ("request.amended", "refused")

    office.apply(DEV, READING, replace(WRITING, approval=replace(TWO_STEPS, reason_required=True)))
    silent = replace(an_order(SHORT), justification=" ")
    assert isinstance(office.amend(request_id, order=silent), Incomplete)
    session.add(an_override("service", "payments", office.now))
    session.commit()
    assert isinstance(office.amend(request_id, SHORT), Closed)
    assert office.digest(request_id) == before
    assert len(session.scalars(select(RequestApproval)).all()) == 1


def test_an_answer_that_moved_is_shown_first(office: Office) -> None:
    request_id = office.ask()
    seen = office.in_force.revision
    assert isinstance(office.amend(request_id, order=replace(an_order(SHORT), seen_revision=seen)), Amended)
    office.apply(READING)
    outcome = office.amend(request_id, order=replace(an_order(READ), seen_revision=seen))
    assert isinstance(outcome, PolicyMoved)
    assert (outcome.seen_revision, outcome.revision) == (seen, office.in_force.revision)


def test_only_what_is_open_and_ones_own_and_as_it_was_seen_is_edited(office: Office) -> None:
    request_id = office.ask()
    assert office.amend(request_id, by=MAX) == office.amend("req_unknown", by=MAX) == NotYours()
    assert isinstance(office.amend(request_id, SHORT, seen="older"), Changed)
    order = an_order(SHORT, nonce="n")
    office.amend(request_id, order=order)
    assert office.amend(request_id, order=order) == AlreadyDone(request_id, office.now)
    office.refuse(request_id, LEO)
    assert isinstance(office.amend(request_id, SHORT), NotNow)
    office.in_force = None  # type: ignore[assignment]  # What a door has before the first apply.
    assert isinstance(office.amend(request_id, SHORT), Closed)
