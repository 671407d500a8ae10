"""Talking about a request, and reminding those who decide."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.conversation import LINES_MAX
from keymgr.keys.outcomes import Incomplete, NotNow, NotYours, Nudged, Said
from keymgr.keys.request_detail import request_detail
from keymgr.store.keys import RequestMessage
from tests.keys.house import ANA, BEN, CI, LEAKED, last_event, story
from tests.keys.office import BOSS, GUS, LEA, MAX, READING, SAM, Office


def test_parties_and_possible_approvers_talk_in_order(office: Office, session: Session) -> None:
    request_id = office.ask(asker=CI)
    for person in (LEA, ANA, BEN, SAM, GUS, BOSS):
        assert office.say(request_id, person, f"It is {person.id}.\r\nReally. ") == Said(request_id, office.now)
    detail = request_detail(session, office.in_force, request_id, asker_of=office.who, now=office.now)
    assert detail is not None
    assert [(line.author, line.text) for line in detail.messages[:2]] == [
        (LEA.id, "It is user:lea.\nReally."),
        (ANA.id, "It is user:ana.\nReally."),
    ]
    assert story(session, request_id)[1:] == [("request.said", "done")] * 6
    assert "Really" not in str(last_event(session).detail)


def test_strangers_hear_and_say_nothing(office: Office) -> None:
    request_id = office.ask()
    assert office.say(request_id, MAX) == office.say("req_unknown", MAX) == NotYours()


def test_who_decided_may_still_answer_when_the_rule_is_gone(office: Office) -> None:
    request_id = office.ask()
    office.refuse(request_id, LEA)
    office.apply(READING)
    assert isinstance(office.say(request_id, LEA), Said)
    assert office.say(request_id, SAM) == NotYours()
    office.in_force = None  # type: ignore[assignment]  # What a door has before the first apply.
    assert isinstance(office.say(request_id, ANA), Said)
    assert office.say(request_id, SAM) == NotYours()


def test_a_line_has_one_to_two_thousand_characters_and_a_conversation_an_end(office: Office, session: Session) -> None:
    request_id = office.ask()
    for text in ("", "  ", "x" * 2001, "nul \0"):
        outcome = office.say(request_id, LEA, text)
        assert isinstance(outcome, Incomplete)
        assert outcome.lacking[0].field == "text"
    assert isinstance(office.say(request_id, LEA, "x" * 2000), Said)
    lines = [
        RequestMessage(request_id=request_id, author=LEA.id, at=office.now, text="again") for _ in range(LINES_MAX - 1)
    ]
    session.add_all(lines)
    session.commit()
    assert isinstance(office.say(request_id, LEA), NotNow)


def test_a_line_holds_no_key_and_does_not_turn_the_direction_of_writing(office: Office, session: Session) -> None:
    request_id = office.ask()
    outcome = office.say(request_id, LEA, f"Is it {LEAKED}?")
    assert isinstance(outcome, Incomplete)
    assert "There is a key" in outcome.lacking[0].sentence
    assert isinstance(office.say(request_id, LEA, "read\u202ednes\u202c \u2066only"), Said)
    assert [line.text for line in session.scalars(select(RequestMessage))] == ["readdnes only"]


def test_approvers_are_reminded_once_a_day_while_the_request_waits(office: Office, session: Session) -> None:
    request_id = office.ask(asker=CI)
    assert office.nudge(request_id, MAX) == office.nudge("req_unknown") == NotYours()
    assert office.nudge(request_id, BEN) == Nudged(request_id, office.now)
    assert office.row(request_id).nudged_at == office.now
    office.now += timedelta(hours=23)
    again = office.nudge(request_id)
    assert isinstance(again, NotNow)
    assert "23 Nov, 10:00 UTC" in again.sentence
    office.now += timedelta(hours=1)
    assert office.nudge(request_id) == Nudged(request_id, office.now)
    assert story(session, request_id)[1:] == [("request.nudged", "done")] * 2
    office.refuse(request_id, LEA)
    office.now += timedelta(hours=24)
    assert isinstance(office.nudge(request_id), NotNow)
