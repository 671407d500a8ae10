"""Revoking: whose keys, what is written, what a second one hears."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, NotNow, NotYours, Revoked, RevokeOutcome
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rights import Rights, owner_of
from keymgr.store.keys import Key
from tests.keys.house import (
    ADMINS,
    ANAS,
    ANAS_BROWSER,
    BENS,
    CI,
    LEAKED,
    LEVEL,
    Counter,
    changes,
    dump,
    last_event,
    story,
)


def revoked(
    counter: Counter,
    key_id: str,
    rights: Rights = ANAS,
    *,
    reason: RevokeReason = RevokeReason.NOT_NEEDED,
    note: str = "",
    nonce: str | None = None,
    later: timedelta = timedelta(),
) -> RevokeOutcome:
    outcome = revoke(
        counter.session,
        key_id=key_id,
        actor=ANAS_BROWSER,
        rights=rights,
        reason=reason,
        note=note,
        submit=None if nonce is None else Submit(nonce, "usr_ana"),
        level=LEVEL,
        now=counter.now + later,
    )
    counter.session.commit()
    return outcome


def test_a_revoked_key_says_when_by_whom_and_why(session: Session, counter: Counter) -> None:
    key_id = counter.issue().key_id

    outcome = revoked(counter, key_id, reason=RevokeReason.LEAKED, note="  in a\nlog\0 ")

    assert outcome == Revoked(key_id, counter.now)
    key = session.get_one(Key, key_id)
    assert (key.state, key.state_reason, key.revoked_at, key.revoked_by) == (
        "revoked",
        "leaked: in alog",
        counter.now,
        "user:ana",
    )
    event = last_event(session)
    assert (event.action, event.object_id) == ("key.revoked", key_id)
    assert event.detail == {
        "name": "checkout worker",
        "owner": "user:ana",
        "reason": "leaked",
        "note": "in alog",
        "user_agent": "a browser",
    }
    assert changes(session) == [("key", key_id)] * 2


def test_a_reason_alone_is_enough_and_a_long_note_is_cut(session: Session, counter: Counter) -> None:
    first, second = counter.issue().key_id, counter.issue().key_id
    revoked(counter, first)
    revoked(counter, second, note="x" * 1000)
    assert session.get_one(Key, first).state_reason == "not_needed"
    assert session.get_one(Key, second).state_reason == "not_needed: " + "x" * 150


def test_keys_of_service_accounts_of_own_teams_can_be_revoked_and_admins_revoke_any(counter: Counter) -> None:
    machine, own = counter.issue(asker=CI).key_id, counter.issue().key_id
    assert isinstance(revoked(counter, machine), Revoked)
    assert isinstance(revoked(counter, own, ADMINS), Revoked)


def test_foreign_and_unknown_keys_look_the_same_and_nothing_is_written(session: Session, counter: Counter) -> None:
    key_id = counter.issue().key_id
    before = dump(session)

    assert revoked(counter, key_id, BENS, nonce="n") == revoked(counter, "key_unknown", BENS, nonce="n") == NotYours()
    assert dump(session) == before
    assert owner_of(session, key_id, BENS) is None
    assert owner_of(session, "key_unknown", ADMINS) is None
    assert owner_of(session, key_id, ADMINS) == owner_of(session, key_id, ANAS) == "user:ana"


def test_a_second_submit_hears_of_the_first_and_a_second_form_that_it_is_over(
    session: Session, counter: Counter
) -> None:
    key_id = counter.issue().key_id
    revoked(counter, key_id, nonce="n")

    assert revoked(counter, key_id, nonce="n", later=timedelta(hours=1)) == AlreadyDone(key_id, counter.now)
    other = revoked(counter, key_id, nonce="m")
    assert isinstance(other, NotNow)
    assert "already revoked, by user:ana" in other.sentence
    assert story(session, key_id) == [("key.issued", "done"), ("key.revoked", "done")]


def test_an_expired_key_can_still_be_revoked(counter: Counter) -> None:
    key_id = counter.issue().key_id
    assert isinstance(revoked(counter, key_id, later=timedelta(days=400)), Revoked)


@pytest.mark.parametrize("reason", RevokeReason)
def test_every_reason_fits_its_column(counter: Counter, reason: RevokeReason) -> None:
    key_id = counter.issue().key_id
    assert isinstance(revoked(counter, key_id, reason=reason, note="ä" * 200), Revoked)


def test_the_bystander_stays_as_it_was(session: Session, counter: Counter) -> None:
    key_id, other = counter.issue().key_id, counter.issue().key_id
    revoked(counter, key_id)
    session.expire_all()
    assert session.get_one(Key, other).state == "active"


def test_a_key_in_the_note_is_kept_nowhere(session: Session, counter: Counter) -> None:
    issued = counter.issue()
    revoked(counter, issued.key_id, reason=RevokeReason.LEAKED, note=f"{LEAKED} and {issued.token} in the build log")
    assert (
        session.get_one(Key, issued.key_id).state_reason
        == "leaked: (a key was here) and (a key was here) in the build log"
    )
    assert last_event(session).detail["note"] == "(a key was here) and (a key was here) in the build log"
