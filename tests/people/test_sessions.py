"""Sessions end when they should, and the table never holds what the browser holds."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.people.enrol import set_person_state
from keymgr.people.sessions import end, end_all, find, is_due, keep_alive, open_session, purge
from keymgr.people.whois import Visitor
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.changes import Change
from keymgr.store.people import Person, PersonState, SignInSession

IDLE, ABSOLUTE = 3600, 12 * 3600


class Browser:
    """A browser that holds one token."""

    def __init__(self, session: Session, person: Person, now: datetime) -> None:
        self.session, self.now = session, now
        self.actor = Actor("anonymous", "198.51.100.7", "a browser " * 100)
        self.token = open_session(session, person, actor=self.actor, now=now)

    def visitor(self, *, after: int = 0, demo: bool = False) -> Visitor | None:
        return find(
            self.session,
            self.token,
            self.now + timedelta(seconds=after),
            policy=None,
            demo=demo,
            idle_seconds=IDLE,
            absolute_seconds=ABSOLUTE,
        )


@pytest.fixture
def browser_of_ana(session: Session, ana: Person, now: datetime) -> Browser:
    return Browser(session, ana, now)


def test_whoever_holds_the_token_is_the_person(browser_of_ana: Browser, now: datetime) -> None:
    visitor = browser_of_ana.visitor()
    assert visitor is not None
    assert (visitor.name, visitor.display_name, visitor.asker.id) == ("ana", "Ana", "user:ana")
    assert (visitor.signed_in_at, visitor.portal, visitor.service_accounts) == (now, frozenset(), ())


def test_what_the_database_holds_opens_nothing(browser_of_ana: Browser) -> None:
    stored = browser_of_ana.session.scalars(select(SignInSession)).one()
    assert browser_of_ana.token not in (stored.id, stored.address, stored.user_agent)
    assert len(stored.user_agent) == 300
    browser_of_ana.token = stored.id
    assert browser_of_ana.visitor() is None


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 5000, "\udcff", "\x00"])
def test_junk_is_nobody(browser_of_ana: Browser, token: str) -> None:
    browser_of_ana.token = token
    assert browser_of_ana.visitor() is None


def test_a_session_that_is_idle_ends(browser_of_ana: Browser) -> None:
    assert browser_of_ana.visitor(after=IDLE - 1) is not None
    assert browser_of_ana.visitor(after=IDLE) is None


def test_a_session_in_use_lives_on_until_its_absolute_end(browser_of_ana: Browser, now: datetime) -> None:
    for after in range(0, ABSOLUTE, IDLE - 1):
        visitor = browser_of_ana.visitor(after=after)
        assert visitor is not None
        keep_alive(browser_of_ana.session, visitor, now + timedelta(seconds=after))
    assert browser_of_ana.visitor(after=ABSOLUTE - 1) is not None
    assert browser_of_ana.visitor(after=ABSOLUTE) is None


def test_use_is_noted_at_most_once_a_minute(browser_of_ana: Browser, now: datetime) -> None:
    visitor = browser_of_ana.visitor()
    assert visitor is not None
    soon, later = now + timedelta(seconds=59), now + timedelta(seconds=60)
    assert (is_due(visitor, soon), is_due(visitor, later)) == (False, True)
    keep_alive(browser_of_ana.session, visitor, soon)
    keep_alive(browser_of_ana.session, visitor, later)
    assert browser_of_ana.session.scalars(select(SignInSession.seen_at)).one() == later


def test_signing_out_ends_this_session_and_no_other(session: Session, ana: Person, now: datetime) -> None:
    one, two = Browser(session, ana, now), Browser(session, ana, now)
    visitor = one.visitor()
    assert visitor is not None
    end(session, visitor, actor=Actor("user:ana"), now=now)
    assert one.visitor() is None
    assert two.visitor() is not None
    assert session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()[-1] == "person.signed_out"


def test_all_sessions_of_a_person_end_together_and_nobody_elses(session: Session, ana: Person, now: datetime) -> None:
    other = Person(id="usr_o", name="other", display_name="Other", created_at=now)
    session.add(other)
    session.flush()
    browsers = [Browser(session, ana, now), Browser(session, ana, now), Browser(session, other, now)]
    end_all(session, ana, actor=Actor("user:ana"), now=now)
    assert [browser.visitor() is None for browser in browsers] == [True, True, False]


@pytest.mark.parametrize("state", [PersonState.SUSPENDED, PersonState.LEFT])
def test_somebody_who_may_not_act_is_nobody_at_the_next_request(
    session: Session, ana: Person, browser_of_ana: Browser, now: datetime, state: PersonState
) -> None:
    actor = Actor("user:boss")
    set_person_state(session, ana, state, actor=actor, now=now, reason="left the house")
    assert browser_of_ana.visitor() is None
    assert [(change.kind, change.object_id) for change in session.scalars(select(Change))] == [("owner", "user:ana")]
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "person.state_set")).one()
    assert event.detail == {"from": "active", "to": state.value, "reason": "left the house"}
    set_person_state(session, ana, state, actor=actor, now=now)
    assert len(session.scalars(select(Change)).all()) == 1
    set_person_state(session, ana, PersonState.ACTIVE, actor=actor, now=now)
    assert browser_of_ana.visitor() is None
    assert len(session.scalars(select(Change)).all()) == 2


def test_a_state_that_changes_behind_our_back_counts_as_well(
    session: Session, ana: Person, browser_of_ana: Browser
) -> None:
    ana.state = PersonState.SUSPENDED
    session.flush()
    assert browser_of_ana.visitor() is None


def test_a_session_of_the_demo_is_over_when_the_demo_is(session: Session, ana: Person, browser_of_ana: Browser) -> None:
    ana.sample = True
    session.flush()
    assert browser_of_ana.visitor() is None
    assert browser_of_ana.visitor(demo=True) is not None


def test_what_is_over_is_swept_away_and_nothing_else(session: Session, ana: Person, now: datetime) -> None:
    for minutes in (0, 30, 59, 60, 61):
        open_session(session, ana, actor=Actor("anonymous"), now=now - timedelta(minutes=minutes))
    long_in_use = open_session(session, ana, actor=Actor("anonymous"), now=now - timedelta(seconds=ABSOLUTE))
    session.query(SignInSession).filter(SignInSession.created_at == now - timedelta(seconds=ABSOLUTE)).update(
        {"seen_at": now}
    )
    purge(session, now=now, idle_seconds=IDLE, absolute_seconds=ABSOLUTE)
    assert session.query(SignInSession).count() == 3
    assert long_in_use not in session.scalars(select(SignInSession.id))
