"""The emergency override closes issuing for what it names, for a while, and does nothing else."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys.ask import preview
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, Closed, Issued
from keymgr.keys.overrides import active_overrides, stopped
from keymgr.keys.rotate import rotate
from keymgr.policy.decision import Explanation
from keymgr.policy.model import InForce
from keymgr.reconcile.overrides import HOURS_MAX, Lifted, NotActive, NotPlaced, Placed, Stop, lift, place
from keymgr.store.keys import Key
from keymgr.store.policies import PolicyOverride
from tests.keys.house import (
    ANA,
    ANAS,
    ANAS_BROWSER,
    ISSUER,
    LEVEL,
    NO_FACTS,
    POLICY,
    STAGING,
    Counter,
    add_person,
    an_order,
    last_event,
    put_in_force,
    story,
)
from tests.policy.builders import a_wish

LEAK = Stop("service", "payments", "A build log held keys.", 24)


@pytest.fixture
def in_force(session: Session, now: datetime) -> InForce:
    add_person(session, "ana", now)
    return put_in_force(session, POLICY, now)


@pytest.fixture
def counter(session: Session, in_force: InForce, now: datetime) -> Counter:
    return Counter(session, in_force, now)


def put(
    session: Session, stop: Stop, now: datetime, *, submit: Submit | None = None
) -> Placed | NotPlaced | AlreadyDone:
    outcome = place(session, stop, policy=POLICY, actor=ANAS_BROWSER, submit=submit, level=LEVEL, now=now)
    session.commit()
    return outcome


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (LEAK, "the service payments"),
        (replace(LEAK, kind="scope", target="payments/charges:read"), "the scope charges:read of payments"),
        (replace(LEAK, kind="team"), "the team payments"),
    ],
)
def test_an_override_closes_issuing_and_names_itself(
    session: Session, counter: Counter, now: datetime, stop: Stop, words: str
) -> None:
    put(session, stop, now)
    outcome = counter.ask()
    assert isinstance(outcome, Closed)
    assert words in outcome.sentence
    assert "A build log held keys." in outcome.sentence
    assert "23 Nov 2026, 10:00 UTC" in outcome.sentence
    assert "ask ana" in outcome.sentence
    assert session.scalar(select(func.count()).select_from(Key)) == 0


@pytest.mark.parametrize(
    ("kind", "target"), [("service", "reports"), ("scope", "payments/refunds:write"), ("team", "analytics")]
)
def test_an_override_of_something_else_stops_nothing(
    session: Session, counter: Counter, now: datetime, kind: str, target: str
) -> None:
    row = PolicyOverride(
        id="ovr_x",
        kind=kind,
        target=target,
        reason="Something else leaked.",
        created_at=now,
        created_by="user:eve",
        expires_at=now + timedelta(hours=1),
    )
    session.add(row)
    session.commit()
    assert isinstance(counter.ask(), Issued)


def test_the_preview_says_what_asking_would_answer(session: Session, in_force: InForce, now: datetime) -> None:
    wish = a_wish("charges:read")

    def told(at: datetime) -> Explanation | Closed:
        return preview(session, in_force, asker=ANA, wish=wish, evidence=NO_FACTS, issuer=ISSUER, now=at)

    put(session, LEAK, now)
    assert told(now) == stopped(session, ANA, wish, now)
    assert isinstance(told(now + timedelta(hours=24)), Explanation)


def test_keys_that_exist_can_still_be_rotated(session: Session, counter: Counter, now: datetime) -> None:
    key = counter.issue(STAGING)
    put(session, LEAK, now)
    outcome = rotate(
        session,
        counter.in_force,
        key_id=key.key_id,
        asker=ANA,
        actor=ANAS_BROWSER,
        rights=ANAS,
        evidence=NO_FACTS,
        submit=None,
        issuer=ISSUER,
        now=now,
    )
    assert isinstance(outcome, Issued)


def test_an_override_ends_by_itself(session: Session, counter: Counter, now: datetime) -> None:
    put(session, LEAK, now)
    end = now + timedelta(hours=24)
    assert isinstance(counter.ask(an_order(nonce="before"), now=end - timedelta(microseconds=1)), Closed)
    assert isinstance(counter.ask(an_order(nonce="at the end"), now=end), Issued)
    assert active_overrides(session, end) == ()


def test_lifting_early_opens_again_and_both_are_audited(session: Session, counter: Counter, now: datetime) -> None:
    placed = put(session, LEAK, now)
    assert isinstance(placed, Placed)
    later = now + timedelta(hours=1)
    assert lift(session, placed.id, actor=ANAS_BROWSER, level=LEVEL, now=later) == Lifted(placed.id)
    session.commit()
    assert story(session, placed.id) == [("override.placed", "done"), ("override.lifted", "done")]
    event = last_event(session)
    assert (event.actor, event.request_id) == ("user:ana", "req-1")
    assert event.detail["reason"] == LEAK.reason
    assert isinstance(counter.ask(now=later), Issued)
    assert lift(session, placed.id, actor=ANAS_BROWSER, level=LEVEL, now=later) == NotActive()


@pytest.mark.usefixtures("in_force")
def test_what_is_over_or_unknown_cannot_be_lifted(session: Session, now: datetime) -> None:
    placed = put(session, LEAK, now)
    assert isinstance(placed, Placed)
    for override_id, at in ((placed.id, placed.expires_at), ("ovr_none", now)):
        assert lift(session, override_id, actor=ANAS_BROWSER, level=LEVEL, now=at) == NotActive()


@pytest.mark.usefixtures("in_force")
def test_the_same_form_twice_stops_once(session: Session, now: datetime) -> None:
    submit = Submit("one-time", "usr_ana")
    first = put(session, LEAK, now, submit=submit)
    second = put(session, LEAK, now, submit=submit)
    assert isinstance(first, Placed)
    assert isinstance(second, AlreadyDone)
    assert second.object_id == first.id
    assert len(active_overrides(session, now)) == 1


@pytest.mark.parametrize(
    ("stop", "field"),
    [
        (replace(LEAK, kind="everything"), "target"),
        (replace(LEAK, target="pyaments"), "target"),
        (replace(LEAK, kind="team", target="nobody"), "target"),
        (replace(LEAK, kind="scope", target="payments/charges:reed"), "target"),
        (replace(LEAK, kind="scope", target="pyaments/charges:read"), "target"),
        (replace(LEAK, reason="because"), "reason"),
        (replace(LEAK, reason="x" * 501), "reason"),
        (replace(LEAK, hours=None), "hours"),
        (replace(LEAK, hours=0), "hours"),
        (replace(LEAK, hours=HOURS_MAX + 1), "hours"),
    ],
)
def test_what_is_not_narrow_reasoned_and_short_is_not_placed(
    session: Session, now: datetime, stop: Stop, field: str
) -> None:
    outcome = put(session, stop, now)
    assert isinstance(outcome, NotPlaced)
    assert [flaw.field for flaw in outcome.flaws] == [field]
    assert session.scalar(select(func.count()).select_from(PolicyOverride)) == 0
