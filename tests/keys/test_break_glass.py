"""Breaking the glass: named people, a reason, an alert, a review by somebody else."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from keymgr.keys.outcomes import (
    Approved,
    Changed,
    Closed,
    Incomplete,
    Issued,
    MayNotDecide,
    NotNow,
    NotYours,
    Refused,
    Reviewed,
)
from keymgr.keys.review import unreviewed
from keymgr.store.keys import Key, RequestState
from tests.keys.house import ANA, BEN, CI, story
from tests.keys.office import DEV, GUS, LEA, MAX, READING, SUE, WRITING, Office, an_override, leaving


def test_a_named_person_grants_alone_with_a_reason_and_an_alert(
    office: Office, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    request_id = office.ask()
    with caplog.at_level(logging.WARNING, "keymgr.keys.break_glass"):
        assert office.break_glass(request_id) == Approved(request_id, office.now + timedelta(hours=72))

    (alert,) = caplog.records
    assert alert.levelno == logging.WARNING
    assert f"user:gus alone granted the request {request_id} of user:ana" in alert.getMessage()
    row = office.row(request_id)
    assert (row.state, row.break_glass, row.decided_by) == (RequestState.APPROVED, True, GUS.id)
    assert row.decision_reason == "production is down"
    assert story(session, request_id)[-1] == ("request.break_glass", "done")

    outcome = office.claim(request_id)
    assert isinstance(outcome, Issued)
    assert session.get_one(Key, outcome.key_id).evidence["facts"]["issuance.approvers"] == ["gus"]


def test_without_a_name_a_reason_or_the_right_wish_the_glass_stays_whole(office: Office, session: Session) -> None:
    request_id = office.ask()
    assert isinstance(office.break_glass(request_id, reason=" "), Incomplete)
    assert office.break_glass(request_id, MAX) == office.break_glass("req_unknown", MAX) == NotYours()
    lea = office.break_glass(request_id, LEA)
    assert isinstance(lea, MayNotDecide)
    assert "lets ana or gus grant alone" in lea.sentence
    assert isinstance(office.break_glass(request_id, ANA), MayNotDecide)
    assert isinstance(office.break_glass(request_id, leaving(GUS)), MayNotDecide)
    assert isinstance(office.break_glass(request_id, seen="older"), Changed)
    office.refuse(request_id, LEA)
    assert isinstance(office.break_glass(request_id), NotNow)
    refused = [event for event in story(session, request_id) if event == ("request.break_glass", "refused")]
    assert len(refused) == 4
    assert unreviewed(session, now=office.now) == ()


def test_an_emergency_is_no_way_round_guardrails_rules_or_overrides(office: Office, session: Session) -> None:
    request_id = office.ask()
    session.add(an_override("team", "payments", office.now))
    session.commit()
    assert isinstance(office.break_glass(request_id), Closed)
    office.now += timedelta(hours=2)
    office.apply(replace(WRITING, scopes=frozenset({"charges:read"})))
    assert isinstance(office.break_glass(request_id), Refused)
    office.apply(READING)
    assert office.break_glass(request_id) == NotYours()
    assert isinstance(office.break_glass(request_id, ANA), MayNotDecide)
    office.in_force = None  # type: ignore[assignment]  # What a door has before the first apply.
    assert isinstance(office.break_glass(request_id), Closed)


def test_what_is_granted_at_once_by_now_needs_no_emergency(office: Office) -> None:
    request_id = office.ask()
    office.apply(replace(WRITING, approval=replace(WRITING.approval, steps=())))
    outcome = office.break_glass(request_id)
    assert isinstance(outcome, NotNow)
    assert "no glass is broken" in outcome.sentence


def test_what_was_granted_in_an_emergency_is_claimed_or_withdrawn_but_not_changed(office: Office) -> None:
    request_id = office.ask()
    office.break_glass(request_id)
    outcome = office.amend(request_id)
    assert isinstance(outcome, NotNow)
    assert "for exactly what it says" in outcome.sentence
    office.withdraw(request_id)
    assert office.row(request_id).decided_by == GUS.id


def test_it_stays_listed_until_somebody_without_a_part_in_it_reviews_it(office: Office, session: Session) -> None:
    request_id, plain = office.ask(asker=CI), office.ask()
    office.break_glass(request_id)
    assert isinstance(office.claim(request_id, BEN), Issued)
    (row,) = unreviewed(session, now=office.now + timedelta(days=100))
    assert (row.id, row.granted_by, row.granted_at, row.reason) == (
        request_id,
        GUS.id,
        office.now,
        "production is down",
    )
    assert (row.state, row.key_id, row.owner) == (RequestState.CLAIMED, office.row(request_id).key_id, CI.id)

    for person in (ANA, GUS, BEN):
        assert isinstance(office.review(request_id, person), MayNotDecide)
    assert isinstance(office.review(request_id, LEA, note=" "), Incomplete)
    assert office.review("req_unknown", LEA) == NotYours()
    assert isinstance(office.review(plain, LEA), NotNow)

    assert office.review(request_id, LEA) == Reviewed(request_id, office.now)
    reviewed = office.row(request_id)
    assert (reviewed.reviewed_at, reviewed.reviewed_by, reviewed.review_note) == (office.now, LEA.id, "it was one")
    assert unreviewed(session, now=office.now) == ()
    again = office.review(request_id, SUE)
    assert isinstance(again, NotNow)
    assert "reviewed by lea already" in again.sentence
    events = story(session, request_id)
    assert events[-4:] == [*[("request.reviewed", "refused")] * 3, ("request.reviewed", "done")]


def test_what_nobody_claimed_is_reviewed_all_the_same(office: Office, session: Session) -> None:
    request_id = office.ask()
    office.break_glass(request_id)
    office.now += timedelta(days=4)
    assert [row.state for row in unreviewed(session, now=office.now)] == [RequestState.LAPSED]
    assert isinstance(office.review(request_id, LEA), Reviewed)


def test_the_policy_names_nobody_unless_it_says_so(office: Office) -> None:
    office.apply(DEV, READING, replace(WRITING, approval=replace(WRITING.approval, break_glass=frozenset())))
    assert office.break_glass(office.ask()) == NotYours()
