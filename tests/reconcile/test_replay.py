"""Past decisions, asked again of another policy; kept without secrets, and for 90 days."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.due import tick
from keymgr.keys.past import past_case
from keymgr.policy.model import InForce, Policy
from keymgr.policy.replay import PastOutcome, Turn
from keymgr.reconcile.replay import replay
from keymgr.store.standing import PastDecision
from tests.keys.house import ANA, FOREIGN, LEVEL, POLICY, PROD, Counter, add_person, an_order, put_in_force
from tests.policy.builders import a_policy, a_rule, a_wish, steps

DAYS = timedelta(days=1)
NOTHING = a_policy()
ALL = a_policy(
    a_rule("everything", environments=["dev", "staging", "prod"], scopes=["charges:read", "refunds:write"]),
    a_rule("writes", environments=["prod"], scopes=["charges:write"]),
)


@pytest.fixture
def counter(session: Session, now: datetime) -> Counter:
    add_person(session, "ana", now)
    in_force: InForce = put_in_force(session, POLICY, now)
    return Counter(session, in_force, now)


@pytest.fixture
def asked(counter: Counter) -> Counter:
    """One decision of each kind, newest last: allowed, needing approval, denied."""
    for minutes, wish in enumerate((a_wish("charges:read"), PROD, FOREIGN)):
        counter.ask(an_order(wish), now=counter.now + timedelta(minutes=minutes))
    return counter


def numbers(session: Session, policy: Policy, now: datetime, days: int = 90) -> tuple[int, int, int, int, int]:
    found = replay(session, policy, days, now)
    return found.decisions, found.newly_denied, found.newly_allowed, found.with_approval, found.at_once


def test_every_decision_of_ask_is_remembered_with_what_it_was_decided_from(session: Session, asked: Counter) -> None:
    rows = session.scalars(select(PastDecision).order_by(PastDecision.id)).all()
    assert [(row.outcome, row.rule) for row in rows] == [
        ("allowed", "dev-read"),
        ("needs_approval", "prod-write"),
        ("denied", None),
    ]
    case = past_case(rows[1])
    assert (case.asker, case.wish, case.rule) == (ANA, PROD, "prod-write")
    assert case.evidence.facts == {"issuance.mfa": True, "issuance.groups": ("a", "b")}
    assert (case.at, case.outcome) == (int(rows[1].at.timestamp()), PastOutcome.NEEDS_APPROVAL)
    assert rows[0].revision_id == asked.in_force.revision


def test_the_same_policy_would_answer_the_same(session: Session, asked: Counter) -> None:
    assert numbers(session, POLICY, asked.now) == (3, 0, 0, 0, 0)
    assert replay(session, POLICY, 90, asked.now).examples == ()


def test_what_would_be_other_answers_is_counted_with_examples(session: Session, asked: Counter) -> None:
    assert numbers(session, NOTHING, asked.now) == (3, 2, 0, 0, 0)
    assert numbers(session, ALL, asked.now) == (3, 0, 1, 0, 1)
    slow = a_policy(replace(POLICY.rules["dev-read"], approval=steps(1)), POLICY.rules["prod-write"])
    assert numbers(session, slow, asked.now) == (3, 0, 0, 1, 0)
    first, second = replay(session, NOTHING, 90, asked.now).examples
    assert (first.case.wish, second.case.wish) == (PROD, a_wish("charges:read"))
    assert [reason.reason.value for reason in first.reasons] == ["NO_RULE"]
    turned = {example.turn: example.rule for example in replay(session, ALL, 90, asked.now).examples}
    assert turned == {Turn.NEWLY_ALLOWED: "everything", Turn.AT_ONCE: "writes"}


def test_only_the_last_days_are_asked_again(session: Session, asked: Counter) -> None:
    later = asked.now + 10 * DAYS + timedelta(minutes=1)
    assert numbers(session, NOTHING, later, days=10)[0] == 1
    assert numbers(session, NOTHING, later, days=11)[0] == 3


def test_examples_are_few_however_many_there_are(session: Session, counter: Counter) -> None:
    for _ in range(8):
        counter.ask(an_order(FOREIGN))
    found = replay(session, ALL, 90, counter.now)
    assert (found.newly_allowed, len(found.examples)) == (8, 5)


def test_past_decisions_go_after_ninety_days(session: Session, asked: Counter) -> None:
    assert tick(session, asked.now + 90 * DAYS, level=LEVEL).decisions == 0
    assert tick(session, asked.now + 91 * DAYS, level=LEVEL).decisions == 3
    assert session.scalar(select(func.count()).select_from(PastDecision)) == 0
