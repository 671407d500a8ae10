"""What is due because time has passed."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.keys import due
from keymgr.keys.due import Keep, Ticked, tick
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import Issued, Pending
from keymgr.keys.rotate import rotate
from keymgr.store.audit import AuditLevel
from keymgr.store.changes import Change
from keymgr.store.keys import Credential, FormNonce, KeyRequest
from keymgr.store.people import SignInSession
from tests.keys.house import (
    ANA,
    ANAS,
    ANAS_BROWSER,
    LEVEL,
    NO_FACTS,
    PROD,
    STAGING,
    Counter,
    an_order,
    last_event,
    story,
)

DAY = timedelta(days=1)
NOTHING = Ticked(0, 0, 0, 0, 0)


def rotated(counter: Counter, key_id: str, overlap_seconds: int) -> Issued:
    outcome = rotate(
        counter.session,
        counter.in_force,
        key_id=key_id,
        asker=ANA,
        actor=ANAS_BROWSER,
        rights=ANAS,
        evidence=NO_FACTS,
        overlap_seconds=overlap_seconds,
        submit=Submit("rotate", "usr_ana"),
        issuer=counter.issuer,
        now=counter.now,
    )
    counter.session.commit()
    assert isinstance(outcome, Issued)
    return outcome


def test_requests_that_nobody_decided_lapse_when_their_time_is_over(session: Session, counter: Counter) -> None:
    outcome = counter.ask(an_order(PROD))
    assert isinstance(outcome, Pending)

    assert tick(session, outcome.expires_at - timedelta(seconds=1), level=LEVEL) == NOTHING
    assert tick(session, outcome.expires_at, level=LEVEL).lapsed == 1
    request = session.get_one(KeyRequest, outcome.request_id)
    assert (request.state, request.decided_at) == ("lapsed", outcome.expires_at)
    event = last_event(session)
    assert (event.actor, event.action) == ("clock", "request.lapsed")
    assert tick(session, outcome.expires_at, level=LEVEL).lapsed == 0


def test_an_old_credential_retires_when_its_overlap_is_over(session: Session, counter: Counter) -> None:
    old = counter.issue(STAGING)
    new = rotated(counter, old.key_id, 3600)
    over = counter.now + timedelta(hours=1)

    assert tick(session, over - timedelta(seconds=1), level=LEVEL).retired == 0
    assert tick(session, over, level=LEVEL).retired == 1
    credential = session.get_one(Credential, old.credential_id)
    assert (credential.state, credential.retired_at) == ("retired", over)
    assert session.get_one(Credential, new.credential_id).state == "current"
    assert story(session, old.key_id)[-1] == ("credential.retired", "done")
    assert session.scalar(select(Change.object_id).order_by(Change.id.desc()).limit(1)) == old.key_id


def test_changes_of_state_are_told_even_at_basic(session: Session, counter: Counter) -> None:
    outcome = counter.ask(an_order(PROD))
    assert isinstance(outcome, Pending)
    tick(session, outcome.expires_at, level=AuditLevel.BASIC)
    assert story(session, outcome.request_id)[-1] == ("request.lapsed", "done")


def test_spent_numbers_go_after_a_week_and_not_before(session: Session, counter: Counter) -> None:
    counter.issue()
    assert tick(session, counter.now + 7 * DAY, level=LEVEL).nonces == 0
    assert tick(session, counter.now + 7 * DAY + timedelta(seconds=1), level=LEVEL).nonces == 1
    assert session.scalar(select(func.count()).select_from(FormNonce)) == 0


@pytest.mark.parametrize(
    ("created", "seen", "dead"),
    [(0, 0, 0), (11, 1, 0), (13, 0, 1), (3, 2, 1)],
    ids=["fresh", "old but in use", "too old", "idle"],
)
def test_dead_sign_in_sessions_go(session: Session, counter: Counter, created: int, seen: int, dead: int) -> None:
    began = counter.now - timedelta(hours=created)
    row = SignInSession(
        id="x" * 64,
        person_id="usr_ana",
        created_at=began,
        seen_at=counter.now - timedelta(hours=seen),
        signed_in_at=began,
        address="198.51.100.7",
        user_agent="a browser",
    )
    session.add(row)
    session.flush()
    keep = Keep(session_idle=timedelta(hours=1), session_absolute=timedelta(hours=12))
    assert tick(session, counter.now, level=LEVEL, keep=keep).sessions == dead


def test_the_feed_is_trimmed_but_for_its_newest_row(session: Session, counter: Counter) -> None:
    for name in "abc":
        counter.issue(name=name)
    newest = session.scalar(select(func.max(Change.id)))
    assert tick(session, counter.now + DAY, level=LEVEL).changes == 0
    assert tick(session, counter.now + 2 * DAY, level=LEVEL).changes > 0
    assert list(session.scalars(select(Change.id))) == [newest]


def test_one_tick_takes_a_bounded_bite(session: Session, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "BATCH", 2)
    for name in "abc":
        counter.ask(an_order(PROD, name=name))
    at = counter.now + 30 * DAY
    assert [tick(session, at, level=LEVEL).lapsed for _ in range(3)] == [2, 1, 0]
