"""Approving and refusing requests: steps, the exact wish, the policy in force, changes that only take away."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.approvals import Narrowed
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import (
    AlreadyDone,
    Approved,
    Changed,
    Closed,
    Incomplete,
    MayNotDecide,
    NotNarrower,
    NotNow,
    NotYours,
    Refused,
    RequestRefused,
    Signed,
)
from keymgr.keys.request_detail import request_detail
from keymgr.policy.approving import Signature
from keymgr.policy.decision import Denied
from keymgr.store.keys import RequestApproval, RequestState
from tests.keys.house import ANA, CI, ISSUER, last_event, story
from tests.keys.office import (
    BOSS,
    DEV,
    GUS,
    LEA,
    LEO,
    MAX,
    ONE_STEP,
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
    leaving,
)
from tests.policy.builders import DAY, a_rule

ONE_SCOPE = Narrowed(frozenset({"charges:write"}), 30 * DAY)


def test_a_request_is_approved_when_every_step_has_its_different_people(office: Office, session: Session) -> None:
    request_id = office.ask()

    assert office.approve(request_id, LEA, note="for the launch") == Signed(request_id, office.now, 2)
    assert office.approve(request_id, SAM) == Signed(request_id, office.now, 1)
    until = office.now + timedelta(hours=72)
    assert office.approve(request_id, SUE, note="fine\r\n") == Approved(request_id, until)

    row = office.row(request_id)
    assert (row.state, row.decided_at, row.decided_by) == (RequestState.APPROVED, office.now, SUE.id)
    assert (row.decision_reason, row.claim_until, row.key_id) == ("fine", until, None)
    signed = session.execute(select(RequestApproval.approver, RequestApproval.step, RequestApproval.note)).all()
    assert [tuple(each) for each in signed] == [(LEA.id, 0, "for the launch"), (SAM.id, 1, ""), (SUE.id, 1, "fine")]
    assert story(session, request_id) == [
        ("request.made", "done"),
        *[("request.signed", "done")] * 3,
        ("request.approved", "done"),
    ]
    assert last_event(session).detail["wish_digest"] == row.wish_digest


def test_one_form_counts_once(office: Office) -> None:
    request_id = office.ask()
    submit = Submit("n", "usr_ben")
    office.approve(request_id, LEA, submit=submit)
    assert office.approve(request_id, LEA, submit=submit) == AlreadyDone(request_id, office.now)


@pytest.mark.parametrize("person", [ANA, BOSS], ids=["requester", "whoever-asked-for-the-account"])
def test_nobody_approves_or_refuses_what_they_asked_for(office: Office, session: Session, person: object) -> None:
    lead = replace(BOSS, id=ANA.id) if person is ANA else BOSS
    request_id = office.ask(asker=ANA if person is ANA else CI, by=lead)

    outcome = office.approve(request_id, lead)
    assert outcome == MayNotDecide("You asked for this, so someone else must decide.")
    assert isinstance(office.refuse(request_id, lead), MayNotDecide)
    assert office.row(request_id).state == RequestState.WAITING
    assert story(session, request_id)[1:] == [("request.approved", "refused"), ("request.refused", "refused")]


def test_the_wrong_people_and_the_wrong_moment_are_told_why(office: Office) -> None:
    request_id = office.ask()

    early = office.approve(request_id, SAM)
    assert isinstance(early, MayNotDecide)
    assert "“lead” comes first" in early.sentence
    assert isinstance(office.approve(request_id, leaving(LEA)), MayNotDecide)
    assert isinstance(office.refuse(request_id, leaving(LEA)), MayNotDecide)
    office.approve(request_id, LEO)
    again = office.approve(request_id, LEO)
    assert again == MayNotDecide("You have approved this already, and nobody counts twice.")
    assert office.approve(request_id, LEA) == MayNotDecide("“lead” has all the approvals it needs.")
    named = office.approve(request_id, GUS)
    assert isinstance(named, MayNotDecide)
    assert "you are not among them" in named.sentence
    assert isinstance(office.refuse(request_id, GUS), MayNotDecide)


def test_to_strangers_a_request_looks_as_if_it_were_not_there(office: Office, session: Session) -> None:
    request_id = office.ask()
    assert office.approve(request_id, MAX) == office.approve("req_unknown", MAX) == NotYours()
    assert office.refuse(request_id, MAX) == office.refuse("req_unknown", MAX) == NotYours()
    assert story(session, request_id)[1:] == [("request.approved", "refused"), ("request.refused", "refused")]


def test_an_approval_is_for_the_wish_that_was_seen(office: Office) -> None:
    request_id = office.ask()
    seen = office.digest(request_id)
    office.amend(request_id, replace(WRITE, ttl_seconds=DAY))

    assert isinstance(office.approve(request_id, LEA, seen=seen), Changed)
    assert isinstance(office.refuse(request_id, LEA, seen=seen), Changed)
    assert isinstance(office.approve(request_id, LEA), Signed)


def test_nothing_is_decided_after_the_end(office: Office) -> None:
    request_id = office.ask()
    assert office.refuse(request_id, SAM, reason=" two keys do \r\n already ") == RequestRefused(request_id, office.now)
    row = office.row(request_id)
    assert (row.state, row.decided_by, row.decision_reason) == ("refused", SAM.id, "two keys do \n already")
    for outcome in (office.approve(request_id, LEA), office.refuse(request_id, LEA)):
        assert outcome == NotNow("The request “checkout worker” is refused by sam. Nothing was changed.")

    late = office.ask()
    office.now += timedelta(hours=72)
    assert office.approve(late, LEA) == NotNow("The request “checkout worker” is lapsed. Nothing was changed.")


def test_a_refusal_needs_a_reason_and_texts_fit(office: Office) -> None:
    request_id = office.ask()
    for reason in ("", " \n ", "x" * 2001, "a\0b"):
        outcome = office.refuse(request_id, LEA, reason=reason)
        assert isinstance(outcome, Incomplete)
        assert outcome.lacking[0].field == "reason"
    assert isinstance(office.approve(request_id, LEA, note="x" * 2001), Incomplete)
    assert office.row(request_id).state == RequestState.WAITING


def test_a_newer_policy_decides_which_steps_there_are(office: Office) -> None:
    request_id = office.ask()
    office.approve(request_id, LEA)
    office.apply(replace(WRITING, approval=ONE_STEP))

    assert isinstance(office.approve(request_id, SAM), NotYours)
    assert office.approve(request_id, LEO) == MayNotDecide("“lead” has all the approvals it needs.")

    office.apply(replace(WRITING, approval=replace(TWO_STEPS, steps=(SECURITY_STEP,))))
    assert office.approve(request_id, SAM) == Signed(request_id, office.now, 1)
    row = office.row(request_id)
    assert row.revision_id == office.in_force.revision
    assert isinstance(office.approve(request_id, LEO), Approved)


def test_whose_signature_does_not_count_any_more_may_sign_again(office: Office, session: Session) -> None:
    request_id = office.ask()
    office.approve(request_id, LEO)
    office.apply(replace(WRITING, approval=replace(TWO_STEPS, steps=(SECURITY_STEP,))))

    assert office.approve(request_id, LEO) == MayNotDecide("You have approved this already, and nobody counts twice.")
    office.apply(
        replace(WRITING, approval=replace(TWO_STEPS, steps=(replace(SECURITY_STEP, count=1), ONE_STEP.steps[0])))
    )
    office.people[LEO.id] = replace(LEO, roles=frozenset())
    assert office.approve(request_id, SAM) == Signed(request_id, office.now, 1)
    assert isinstance(office.approve(request_id, office.people[LEO.id]), Approved)
    rows = session.execute(select(RequestApproval.approver, RequestApproval.step).order_by(RequestApproval.id)).all()
    assert [tuple(row) for row in rows] == [(SAM.id, 0), (LEO.id, 1)]


def test_a_signature_does_not_count_once_its_giver_has_left_or_is_unknown(office: Office) -> None:
    request_id = office.ask()
    office.approve(request_id, LEA)
    office.people[LEA.id] = leaving(LEA)
    early = office.approve(request_id, SAM)
    assert isinstance(early, MayNotDecide)
    del office.people[LEA.id]
    assert office.approve(request_id, SAM) == early
    assert office.approve(request_id, LEO) == Signed(request_id, office.now, 2)


def test_what_the_policy_refuses_by_now_is_not_approved(office: Office, session: Session) -> None:
    request_id = office.ask()
    office.apply(replace(WRITING, scopes=frozenset({"charges:read"})))

    outcome = office.approve(request_id, LEA)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.decision, Denied)
    assert office.row(request_id).state == RequestState.WAITING
    assert story(session, request_id)[-1] == ("request.approved", "refused")
    assert last_event(session).detail["reasons"] == ["NO_RULE"]
    assert isinstance(office.refuse(request_id, LEA), RequestRefused)


def test_what_the_policy_grants_at_once_by_now_needs_one_click_of_anybody_but_a_party(office: Office) -> None:
    request_id = office.ask()
    office.apply(replace(WRITING, approval=DEV.approval))

    assert isinstance(office.approve(request_id, ANA), MayNotDecide)
    assert isinstance(office.approve(request_id, LEA, seen="guessed"), NotYours)
    assert isinstance(office.approve(request_id, LEA, narrowed=ONE_SCOPE), NotYours)
    assert isinstance(office.approve(request_id, LEA), Approved)
    assert office.row(request_id).decided_by == LEA.id


def test_while_issuing_is_off_or_an_override_holds_nothing_is_approved_but_refused(office: Office) -> None:
    request_id = office.ask()
    other = office.ask()
    office.issuer = replace(ISSUER, enabled=False)
    assert isinstance(office.approve(request_id, LEA), Closed)
    assert isinstance(office.refuse(other, LEA), RequestRefused)
    office.issuer = ISSUER
    row = an_override("scope", "payments/refunds:write", office.now)
    office.session.add(row)
    office.session.commit()
    assert isinstance(office.approve(request_id, LEA), Closed)
    assert isinstance(office.approve(request_id, LEA, narrowed=ONE_SCOPE), Signed)


def test_without_the_policy_that_was_seen_nothing_is_decided(office: Office) -> None:
    request_id = office.ask()
    old = office.in_force
    office.apply(WRITING)
    office.in_force = old
    assert isinstance(office.approve(request_id, LEA), Closed)
    assert isinstance(office.refuse(request_id, LEA), Closed)
    office.in_force = None  # type: ignore[assignment]  # What a door has before the first apply.
    assert isinstance(office.approve(request_id, LEA), Closed)
    assert isinstance(office.refuse(request_id, LEA), Closed)


def test_an_owner_who_is_not_known_any_more_gets_nothing(office: Office) -> None:
    request_id = office.ask()
    del office.people[ANA.id]
    outcome = office.approve(request_id, LEA)
    assert isinstance(outcome, NotNow)
    assert "ana of this request is not known" in outcome.sentence


def test_approving_with_changes_keeps_the_first_wish_and_voids_what_others_signed(
    office: Office, session: Session
) -> None:
    request_id = office.ask()
    before = office.digest(request_id)
    office.approve(request_id, LEA)
    changed = Narrowed(frozenset({"charges:write"}), 7 * DAY)

    assert office.approve(request_id, SAM, narrowed=changed) == Signed(request_id, office.now, 2)
    row = office.row(request_id)
    assert (row.scopes, row.ttl_seconds) == (["charges:write"], 7 * DAY)
    assert row.wish_digest != before
    assert row.asked is not None
    assert (row.asked["scopes"], row.asked["ttl_seconds"]) == (["charges:write", "refunds:write"], 30 * DAY)
    detail = request_detail(session, office.in_force, request_id, asker_of=office.who, now=office.now)
    assert detail is not None
    assert detail.counted == (Signature(SAM.id, 1),)
    assert story(session, request_id)[-2:] == [("request.narrowed", "done"), ("request.signed", "done")]

    assert office.approve(request_id, LEA) == Signed(request_id, office.now, 1)
    again = Narrowed(frozenset({"charges:write"}), DAY)
    assert isinstance(office.approve(request_id, SUE, narrowed=again), Signed)
    assert office.row(request_id).asked == row.asked


def test_what_is_left_may_fall_under_another_rule_with_other_steps(office: Office) -> None:
    wish = replace(WRITE, scopes=frozenset({"charges:read", "charges:write"}))
    reading = Narrowed(frozenset({"charges:read"}), 30 * DAY)
    by_lead, by_security = office.ask(wish), office.ask(wish)

    assert isinstance(office.approve(by_lead, LEA, narrowed=reading), Approved)
    assert office.row(by_lead).rule == "prod-read"
    office.approve(by_security, LEA)
    outcome = office.approve(by_security, SAM, narrowed=reading)
    assert isinstance(outcome, MayNotDecide)
    assert office.row(by_security).scopes == ["charges:read", "charges:write"]


def test_a_narrower_wish_may_be_granted_at_once_or_rescue_what_is_refused(office: Office) -> None:
    wish = replace(WRITE, scopes=frozenset({"charges:read", "charges:write"}))
    reading = Narrowed(frozenset({"charges:read"}), 30 * DAY)
    first, second, third = office.ask(wish), office.ask(wish), office.ask(wish)
    office.apply(replace(READING, approval=DEV.approval), WRITING)
    assert isinstance(office.approve(first, SAM, narrowed=reading), MayNotDecide)
    assert isinstance(office.approve(first, LEA, narrowed=reading), Approved)

    office.apply(READING, replace(WRITING, scopes=frozenset({"charges:read"})))
    assert isinstance(office.approve(second, SAM), Refused)
    assert isinstance(office.approve(second, LEA, narrowed=reading), Approved)

    office.apply(replace(READING, approval=DEV.approval), replace(WRITING, scopes=frozenset({"refunds:write"})))
    assert isinstance(office.approve(third, LEA, narrowed=reading), Approved)


def test_the_narrower_wish_is_judged_by_policy_too(office: Office) -> None:
    request_id = office.ask()
    office.apply(a_rule("odd", environments=["prod"], scopes=["charges:write"], limits=WRITING.limits), WRITING)
    narrowed = Narrowed(frozenset({"charges:write"}), 30 * DAY)
    assert isinstance(office.approve(request_id, LEA, narrowed=narrowed), Approved)

    other = office.ask()
    office.apply(replace(WRITING, scopes=frozenset({"refunds:write"})))
    assert isinstance(office.approve(other, LEA, narrowed=narrowed), Refused)


@pytest.mark.parametrize(
    ("narrowed", "word"),
    [
        (Narrowed(frozenset(), DAY), "at least one scope"),
        (Narrowed(frozenset({"charges:write", "charges:read"}), DAY), "Nobody asked for charges:read"),
        (Narrowed(frozenset({"charges:write"}), 31 * DAY), "at most 30 days"),
        (Narrowed(frozenset({"charges:write"}), 0), "at most 30 days"),
    ],
    ids=["no-scope", "more-scopes", "longer", "no-time"],
)
def test_changes_only_take_away(office: Office, narrowed: Narrowed, word: str) -> None:
    request_id = office.ask()
    outcome = office.approve(request_id, LEA, narrowed=narrowed)
    assert isinstance(outcome, NotNarrower)
    assert word in outcome.sentence
    assert office.row(request_id).asked is None


def test_changes_that_change_nothing_are_an_approval_as_it_is(office: Office) -> None:
    request_id = office.ask(READ)
    assert isinstance(office.approve(request_id, LEA, narrowed=Narrowed(READ.scopes, 30 * DAY)), Approved)
    assert office.row(request_id).asked is None
