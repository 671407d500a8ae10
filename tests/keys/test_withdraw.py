"""Withdrawing a request, and the list of requests."""

from datetime import timedelta

from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours, Pending, Withdrawn, WithdrawOutcome
from keymgr.keys.requests import requests_of
from keymgr.keys.rights import Rights
from keymgr.keys.withdraw import withdraw
from keymgr.store.keys import KeyRequest, RequestState
from tests.keys.house import ADMINS, ANA, ANAS, ANAS_BROWSER, BENS, CI, LEVEL, PROD, Counter, an_order, story


def waiting(counter: Counter, **options: str) -> str:
    outcome = counter.ask(an_order(PROD, **options), asker=CI if options.get("name") == "machine" else ANA)  # type: ignore[arg-type]  # only texts are passed.
    assert isinstance(outcome, Pending)
    return outcome.request_id


def withdrawn(counter: Counter, request_id: str, rights: Rights = ANAS, nonce: str | None = None) -> WithdrawOutcome:
    submit = None if nonce is None else Submit(nonce, "usr_ana")
    return withdraw(
        counter.session,
        request_id=request_id,
        actor=ANAS_BROWSER,
        rights=rights,
        submit=submit,
        level=LEVEL,
        now=counter.now,
    )


def test_a_withdrawn_request_waits_no_longer(session: Session, counter: Counter) -> None:
    request_id = waiting(counter)

    assert withdrawn(counter, request_id, nonce="n") == Withdrawn(request_id, counter.now)
    request = session.get_one(KeyRequest, request_id)
    assert (request.state, request.decided_at) == ("withdrawn", counter.now)
    assert story(session, request_id) == [("request.made", "done"), ("request.withdrawn", "done")]
    assert withdrawn(counter, request_id, nonce="n") == AlreadyDone(request_id, counter.now)
    again = withdrawn(counter, request_id)
    assert isinstance(again, NotNow)
    assert "is withdrawn" in again.sentence


def test_foreign_and_unknown_requests_look_the_same_even_to_admins(counter: Counter) -> None:
    request_id = waiting(counter)
    for rights in (BENS, ADMINS):
        assert withdrawn(counter, request_id, rights) == withdrawn(counter, "req_unknown", rights) == NotYours()


def test_the_list_shows_ones_own_newest_first_and_what_has_lapsed(session: Session, counter: Counter) -> None:
    first, second, machine = waiting(counter), waiting(counter, name="second"), waiting(counter, name="machine")
    withdrawn(counter, first)

    mine = requests_of(session, frozenset({ANA.id}), now=counter.now)
    assert {row.id: row.state for row in mine} == {second: RequestState.WAITING, first: RequestState.WITHDRAWN}
    everybodys = requests_of(session, None, now=counter.now + timedelta(hours=72))
    assert {row.id: row.state for row in everybodys} == {
        first: RequestState.WITHDRAWN,
        second: RequestState.LAPSED,
        machine: RequestState.LAPSED,
    }
    shown = next(row for row in everybodys if row.id == machine)
    assert (shown.owner, shown.scopes, shown.rule, shown.ttl_seconds) == (
        "svc:pay-ci",
        ("charges:write",),
        "prod-write",
        30 * 86_400,
    )
