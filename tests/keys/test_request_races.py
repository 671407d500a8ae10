"""Several people deciding one request at the same moment: exactly one consistent end, on both databases."""

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from keymgr.keys.approvals import Narrowed
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import (
    AlreadyDone,
    Amended,
    Approved,
    Changed,
    Issued,
    MayNotDecide,
    NotNow,
    RequestRefused,
    Signed,
    Withdrawn,
)
from keymgr.store.keys import Key, RequestApproval, RequestState
from tests.keys.house import CI, story
from tests.keys.office import BOSS, GUS, LEA, LEO, SAM, SUE, WRITE, Office
from tests.policy.builders import DAY

Act = Callable[[Office], object]


def together(engine: Engine, office: Office, acts: Sequence[Act]) -> list[object]:
    """Let everybody act at once, each with a session of their own; the wish is the one all saw before."""
    ready = Barrier(len(acts))

    def one(act: Act) -> object:
        with Session(engine) as session:
            own = replace(office, session=session, people=dict(office.people))
            ready.wait()
            return act(own)

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def kinds(outcomes: Sequence[object]) -> Tally[type]:
    return Tally(type(outcome) for outcome in outcomes)


def test_two_people_for_one_place_are_counted_once(engine: Engine, office: Office, session: Session) -> None:
    request_id = office.ask()
    seen = office.digest(request_id)
    session.rollback()
    acts = [lambda own, who=who: own.approve(request_id, who, seen=seen) for who in (LEA, LEO, LEA, LEO)]
    outcomes = together(engine, office, acts)

    signed = session.execute(select(RequestApproval.approver, RequestApproval.step)).all()
    assert sorted(step for _, step in signed) in ([0], [0, 1])
    assert len({person for person, _ in signed}) == len(signed)
    assert set(kinds(outcomes)) == {Signed, MayNotDecide}
    assert story(session, request_id).count(("request.signed", "done")) == len(signed)


def test_the_last_two_signatures_at_once_approve_once(engine: Engine, office: Office, session: Session) -> None:
    request_id = office.ask()
    office.approve(request_id, LEA)
    seen = office.digest(request_id)
    session.rollback()
    acts = [lambda own, who=who: own.approve(request_id, who, seen=seen) for who in (SAM, SUE, LEO)]
    outcomes = together(engine, office, acts)

    assert kinds(outcomes) == {Signed: 1, Approved: 1, NotNow: 1}
    assert story(session, request_id).count(("request.approved", "done")) == 1


@pytest.mark.parametrize("round_", range(3))
def test_approve_refuse_withdraw_amend_and_an_emergency_at_once_leave_one_end(
    engine: Engine, office: Office, session: Session, round_: int
) -> None:
    request_id = office.ask(asker=CI)
    office.approve(request_id, LEA)
    office.approve(request_id, SAM)
    seen = office.digest(request_id)
    session.rollback()
    short = replace(WRITE, ttl_seconds=DAY * (round_ + 1))
    acts: list[Act] = [
        lambda own: own.approve(request_id, SUE, seen=seen),
        lambda own: own.refuse(request_id, LEO, seen=seen),
        lambda own: own.withdraw(request_id),
        lambda own: own.amend(request_id, short, by=BOSS, seen=seen),
        lambda own: own.break_glass(request_id, GUS, seen=seen),
        lambda own: own.approve(request_id, LEO, seen=seen, narrowed=Narrowed(frozenset({"charges:write"}), DAY)),
        lambda own: own.claim(request_id),
    ]
    outcomes = together(engine, office, acts)

    row = office.row(request_id)
    done = [event for event, outcome in story(session, request_id) if outcome == "done"]
    ends = {
        RequestState.APPROVED: ("request.approved", "request.break_glass"),
        RequestState.CLAIMED: ("request.claimed",),
        RequestState.REFUSED: ("request.refused",),
        RequestState.WAITING: ("request.amended", "request.signed"),
        RequestState.WITHDRAWN: ("request.withdrawn",),
    }
    assert done[-1] in ends[RequestState(row.state)]
    told = {
        RequestRefused: "request.refused",
        Withdrawn: "request.withdrawn",
        Amended: "request.amended",
        Issued: "request.claimed",
    }
    for kind, action in told.items():
        assert kinds(outcomes)[kind] == done.count(action)
    assert set(kinds(outcomes)) <= {*told, Approved, Signed, NotNow, Changed, MayNotDecide}
    keys = session.scalar(select(func.count()).select_from(Key))
    assert keys == done.count("request.claimed")
    digests = set(session.scalars(select(RequestApproval.wish_digest)))
    assert digests <= {row.wish_digest}


def test_ten_claims_at_once_mint_one_key(engine: Engine, office: Office, session: Session) -> None:
    request_id = office.ask()
    office.approve_by(request_id, LEA, SAM, SUE)
    session.rollback()
    same = Submit("one form", "usr_ana")
    acts: list[Act] = [lambda own: own.claim(request_id, submit=same)] * 5 + [lambda own: own.claim(request_id)] * 5
    outcomes = together(engine, office, acts)

    assert kinds(outcomes)[Issued] == 1
    assert set(kinds(outcomes)) <= {Issued, NotNow, AlreadyDone}
    assert session.scalar(select(func.count()).select_from(Key)) == 1
    (issued,) = (outcome for outcome in outcomes if isinstance(outcome, Issued))
    row = office.row(request_id)
    assert (row.state, row.key_id) == (RequestState.CLAIMED, issued.key_id)


def test_claim_and_withdraw_at_once_agree(engine: Engine, office: Office, session: Session) -> None:
    request_id = office.ask()
    office.approve_by(request_id, LEA, SAM, SUE)
    session.rollback()
    outcomes = together(engine, office, [lambda own: own.claim(request_id), lambda own: own.withdraw(request_id)])

    assert kinds(outcomes)[NotNow] == 1
    claimed = kinds(outcomes)[Issued] == 1
    assert office.row(request_id).state == (RequestState.CLAIMED if claimed else RequestState.WITHDRAWN)
    assert session.scalar(select(func.count()).select_from(Key)) == claimed


def test_thirty_asks_at_once_leave_twenty_waiting(engine: Engine, office: Office, session: Session) -> None:
    session.rollback()

    def act(own: Office) -> object:
        try:
            return own.ask()
        except AssertionError as crowded:
            return crowded

    outcomes = together(engine, office, [act] * 30)
    assert kinds(outcomes) == {str: 20, AssertionError: 10}
