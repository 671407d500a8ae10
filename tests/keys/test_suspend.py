"""Suspending and resuming: admins only, both told."""

from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours, Resumed, ResumeOutcome, Suspended, SuspendOutcome
from keymgr.keys.rights import Rights
from keymgr.keys.suspend import resume, suspend
from keymgr.store.keys import Key
from tests.keys.house import ADMINS, ANAS, ANAS_BROWSER, LEVEL, Counter, changes, last_event, story


def suspended(counter: Counter, key_id: str, rights: Rights = ADMINS, nonce: str | None = None) -> SuspendOutcome:
    submit = None if nonce is None else Submit(nonce, "usr_ana")
    return suspend(
        counter.session,
        key_id=key_id,
        actor=ANAS_BROWSER,
        rights=rights,
        note="odd traffic",
        submit=submit,
        level=LEVEL,
        now=counter.now,
    )


def resumed(counter: Counter, key_id: str, rights: Rights = ADMINS, nonce: str | None = None) -> ResumeOutcome:
    submit = None if nonce is None else Submit(nonce, "usr_ana")
    return resume(
        counter.session,
        key_id=key_id,
        actor=ANAS_BROWSER,
        rights=rights,
        note="explained",
        submit=submit,
        level=LEVEL,
        now=counter.now,
    )


def test_a_suspended_key_can_be_resumed_and_both_are_told(session: Session, counter: Counter) -> None:
    key_id = counter.issue().key_id

    assert suspended(counter, key_id) == Suspended(key_id, counter.now)
    key = session.get_one(Key, key_id)
    assert (key.state, key.state_reason) == ("suspended", "odd traffic")
    assert last_event(session).detail["note"] == "odd traffic"
    assert resumed(counter, key_id) == Resumed(key_id, counter.now)
    assert (key.state, key.state_reason) == ("active", None)
    assert last_event(session).detail["note"] == "explained"
    assert story(session, key_id) == [("key.issued", "done"), ("key.suspended", "done"), ("key.resumed", "done")]
    assert changes(session) == [("key", key_id)] * 3


def test_only_admins_suspend_and_resume(counter: Counter) -> None:
    key_id = counter.issue().key_id
    assert suspended(counter, key_id, ANAS) == suspended(counter, "key_unknown") == NotYours()
    assert resumed(counter, key_id, ANAS) == resumed(counter, "key_unknown") == NotYours()


def test_each_fits_only_its_own_state(counter: Counter) -> None:
    key_id = counter.issue().key_id
    active = resumed(counter, key_id)
    suspended(counter, key_id)
    twice = suspended(counter, key_id)
    assert isinstance(active, NotNow)
    assert "is active" in active.sentence
    assert isinstance(twice, NotNow)
    assert "is suspended" in twice.sentence


def test_a_second_submit_changes_nothing(counter: Counter) -> None:
    key_id = counter.issue().key_id
    suspended(counter, key_id, nonce="n")
    assert suspended(counter, key_id, nonce="n") == AlreadyDone(key_id, counter.now)
    resumed(counter, key_id, nonce="n")
    assert resumed(counter, key_id, nonce="n") == AlreadyDone(key_id, counter.now)
