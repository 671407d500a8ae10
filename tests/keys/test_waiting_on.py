"""Whom waiting requests wait for."""

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.keys.outcomes import Pending
from keymgr.keys.requests import requests_of
from keymgr.keys.waiting_on import waiting_on
from keymgr.policy.model import Asker
from keymgr.store.keys import KeyRequest, RequestApproval, RequestState
from tests.keys.house import ANA, CI, PROD, Counter, an_order, put_in_force
from tests.policy.builders import a_person, a_policy, a_rule

ELI = a_person("eli", teams=["security"])
OWNERS = frozenset({ANA.id, CI.id})


def who(person: str) -> Asker | None:
    return {ANA.id: ANA, CI.id: CI, ELI.id: ELI}.get(person)


def ask(counter: Counter) -> str:
    outcome = counter.ask(an_order(PROD))
    assert isinstance(outcome, Pending)
    return outcome.request_id


def test_each_step_says_who_has_signed_and_how_many_are_missing(session: Session, counter: Counter) -> None:
    request_id = ask(counter)
    signature = RequestApproval(
        request_id=request_id,
        step=0,
        approver=ELI.id,
        wish_digest=session.get_one(KeyRequest, request_id).wish_digest,
        revision_id=counter.in_force.revision,
        at=counter.now,
    )
    session.add(signature)
    session.commit()

    found = waiting_on(session, counter.in_force, OWNERS, asker_of=who, now=counter.now)
    assert [(step.signed, step.missing) for step in found[request_id]] == [((ELI.id,), 0), ((), 1)]
    assert waiting_on(session, counter.in_force, frozenset({"user:ben"}), asker_of=who, now=counter.now) == {}
    later = counter.now + timedelta(hours=72)
    assert waiting_on(session, counter.in_force, OWNERS, asker_of=who, now=later) == {}


def test_what_the_policy_refuses_by_now_waits_for_nobody(session: Session, counter: Counter) -> None:
    ask(counter)
    newer = put_in_force(session, a_policy(a_rule("dev-read")), counter.now)
    assert waiting_on(session, newer, OWNERS, asker_of=who, now=counter.now) == {}


def test_an_approved_request_can_be_claimed_until_its_time_is_over(session: Session, counter: Counter) -> None:
    ask(counter)
    until = counter.now + timedelta(hours=72)
    session.execute(update(KeyRequest).values(state=RequestState.APPROVED, claim_until=until))
    (row,) = requests_of(session, OWNERS, now=counter.now)
    assert (row.state, row.claim_until, row.key_id) == (RequestState.APPROVED, until, None)
    (row,) = requests_of(session, OWNERS, now=until)
    assert row.state is RequestState.LAPSED
