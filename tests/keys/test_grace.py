"""The grace after a rotation: ended at once, extended within the rule, or the rotation undone while nobody noticed."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from keymgr.keys.grace import (
    EndGraceOutcome,
    ExtendGraceOutcome,
    Grace,
    GraceEnded,
    GraceExtended,
    end_grace,
    extend_grace,
    grace_of,
)
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, Issued, NotNow, NotYours
from keymgr.keys.rights import Rights
from keymgr.keys.suspend import suspend
from keymgr.keys.undo_rotation import RotationUndone, UndoRotationOutcome, undo_rotation
from keymgr.keys.verdict import Question
from keymgr.store.keys import Credential
from keymgr.tokens.verdicts import VerdictCode
from tests.keys.house import (
    ADMINS,
    ANAS,
    ANAS_BROWSER,
    BENS,
    LEVEL,
    POLICY,
    STAGING,
    Counter,
    at_once,
    changes,
    last_event,
    story,
)
from tests.keys.test_rotate import generations, rotated
from tests.keys.verifying import Verifying, open_counters

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOBODY = Rights(frozenset())


@pytest.fixture
def key(counter: Counter) -> Issued:
    """A key that was rotated now with an hour of grace; its rule allows two days."""
    issued = counter.issue(STAGING)
    assert isinstance(rotated(counter, issued.key_id, overlap=HOUR), Issued)
    return issued


def ended(
    counter: Counter, key_id: str, rights: Rights = ANAS, *, nonce: str | None = None, after: timedelta = timedelta()
) -> EndGraceOutcome:
    return end_grace(
        counter.session,
        key_id=key_id,
        actor=ANAS_BROWSER,
        rights=rights,
        submit=None if nonce is None else Submit(nonce, "usr_ana"),
        level=LEVEL,
        now=counter.now + after,
    )


def extended(
    counter: Counter, key_id: str, until: datetime, rights: Rights = ANAS, *, nonce: str | None = None
) -> ExtendGraceOutcome:
    return extend_grace(
        counter.session,
        counter.in_force,
        key_id=key_id,
        until=until,
        actor=ANAS_BROWSER,
        rights=rights,
        submit=None if nonce is None else Submit(nonce, "usr_ana"),
        level=LEVEL,
        now=counter.now,
    )


def undone(
    counter: Counter, key_id: str, rights: Rights = ANAS, *, nonce: str | None = None, after: timedelta = timedelta()
) -> UndoRotationOutcome:
    return undo_rotation(
        counter.session,
        key_id=key_id,
        actor=ANAS_BROWSER,
        rights=rights,
        submit=None if nonce is None else Submit(nonce, "usr_ana"),
        level=LEVEL,
        now=counter.now + after,
    )


def suspended(counter: Counter, key_id: str) -> None:
    suspend(
        counter.session,
        key_id=key_id,
        actor=ANAS_BROWSER,
        rights=ADMINS,
        note="",
        submit=None,
        level=LEVEL,
        now=counter.now,
    )


def sentence(outcome: object) -> str:
    assert isinstance(outcome, NotNow), outcome
    return outcome.sentence


def test_a_running_grace_says_when_it_ends_and_how_long_it_may_last(counter: Counter, key: Issued) -> None:
    found = grace_of(counter.session, counter.in_force, key.key_id, counter.now)
    assert isinstance(found, Grace)
    assert (found.old_id, found.began_at, found.first_used_at) == (key.credential_id, counter.now, None)
    assert (found.ends_at, found.latest) == (counter.now + HOUR, counter.now + 2 * DAY)


def test_there_is_no_grace_before_a_rotation_after_it_ended_and_for_an_unknown_key(counter: Counter) -> None:
    key_id = counter.issue(STAGING).key_id
    assert grace_of(counter.session, counter.in_force, key_id, counter.now) is None
    rotated(counter, key_id, overlap=HOUR)
    assert grace_of(counter.session, counter.in_force, key_id, counter.now + HOUR) is None
    assert grace_of(counter.session, counter.in_force, "key_unknown", counter.now) is None


def test_ending_it_takes_the_old_secret_out_of_use_and_tells_verifiers(counter: Counter, key: Issued) -> None:
    session = counter.session
    announced = len(changes(session))
    assert ended(counter, key.key_id, after=HOUR / 2) == GraceEnded(key.key_id, counter.now + HOUR / 2)
    assert generations(session, key.key_id) == [
        ("retired", counter.now + HOUR / 2, counter.now + HOUR / 2),
        ("current", None, None),
    ]
    assert changes(session)[announced:] == [("key", key.key_id)]
    told = last_event(session)
    assert (told.action, told.actor, told.request_id) == ("key.grace_ended", "user:ana", "req-1")
    assert told.detail["credential"] == key.credential_id
    assert told.detail["was_good_until"] == (counter.now + HOUR).isoformat()


def test_an_admin_may_end_a_grace_but_neither_extend_nor_undo(counter: Counter, key: Issued) -> None:
    assert extended(counter, key.key_id, counter.now + DAY, ADMINS) == NotYours()
    assert undone(counter, key.key_id, ADMINS) == NotYours()
    assert isinstance(ended(counter, key.key_id, ADMINS), GraceEnded)


@pytest.mark.parametrize("rights", [BENS, NOBODY], ids=["another owner", "nobody"])
def test_a_foreign_key_looks_like_none(counter: Counter, key: Issued, rights: Rights) -> None:
    for key_id in (key.key_id, "key_unknown"):
        assert ended(counter, key_id, rights) == NotYours()
        assert extended(counter, key_id, counter.now + DAY, rights) == NotYours()
        assert undone(counter, key_id, rights) == NotYours()


def test_what_is_over_cannot_be_ended_extended_or_undone(counter: Counter, key: Issued) -> None:
    ended(counter, key.key_id)
    assert "its grace is over" in sentence(ended(counter, key.key_id))
    assert "its grace is over" in sentence(extended(counter, key.key_id, counter.now + DAY))
    assert "its grace is over" in sentence(undone(counter, key.key_id))


def test_a_grace_is_over_at_its_very_end_even_before_the_clock_has_ticked(counter: Counter, key: Issued) -> None:
    assert "its grace is over" in sentence(ended(counter, key.key_id, after=HOUR))
    assert "its grace is over" in sentence(undone(counter, key.key_id, after=HOUR))


def test_it_can_be_extended_up_to_what_the_rule_allows_from_the_rotation_on(counter: Counter, key: Issued) -> None:
    session, latest = counter.session, counter.now + 2 * DAY
    announced = len(changes(session))
    assert extended(counter, key.key_id, latest) == GraceExtended(key.key_id, latest)
    assert generations(session, key.key_id)[0] == ("retiring", latest, None)
    assert changes(session)[announced:] == [("key", key.key_id)]
    told = last_event(session)
    assert told.action == "key.grace_extended"
    assert told.detail["was_good_until"] == (counter.now + HOUR).isoformat()
    assert told.detail["old_good_until"] == latest.isoformat()
    assert "until 2026-11-24 10:00 UTC already" in sentence(extended(counter, key.key_id, latest))


def test_it_cannot_be_extended_beyond_the_rule_or_shortened(counter: Counter, key: Issued) -> None:
    beyond = counter.now + 2 * DAY + timedelta(seconds=1)
    assert "until 2026-11-24 10:00 UTC at most" in sentence(extended(counter, key.key_id, beyond))
    assert "already" in sentence(extended(counter, key.key_id, counter.now + HOUR / 2))
    assert generations(counter.session, key.key_id)[0] == ("retiring", counter.now + HOUR, None)


def test_a_rule_that_became_stricter_or_went_away_counts(counter: Counter, key: Issued) -> None:
    rules = POLICY.rules
    rule = rules["staging-rotating"]
    short = replace(rule, limits=replace(rule.limits, rotation_overlap_seconds=2 * 3600))
    stricter = replace(counter, in_force=replace(counter.in_force, policy=replace(POLICY, rules={rule.name: short})))
    assert "at most" in sentence(extended(stricter, key.key_id, counter.now + 3 * HOUR))
    gone = replace(counter, in_force=replace(counter.in_force, policy=replace(POLICY, rules={})))
    found = grace_of(gone.session, gone.in_force, key.key_id, gone.now)
    assert found is not None
    assert found.latest == found.ends_at
    assert "at most" in sentence(extended(gone, key.key_id, counter.now + 2 * HOUR))
    assert isinstance(extended(stricter, key.key_id, counter.now + 2 * HOUR), GraceExtended)


def test_without_a_policy_in_force_nothing_is_extended(counter: Counter, key: Issued) -> None:
    outcome = extend_grace(
        counter.session,
        None,
        key_id=key.key_id,
        until=counter.now + DAY,
        actor=ANAS_BROWSER,
        rights=ANAS,
        submit=None,
        level=LEVEL,
        now=counter.now,
    )
    assert "at most" in sentence(outcome)


def test_a_suspended_key_keeps_its_grace_as_it_is_but_it_may_be_ended(counter: Counter, key: Issued) -> None:
    suspended(counter, key.key_id)
    assert "is suspended" in sentence(extended(counter, key.key_id, counter.now + DAY))
    assert "is suspended" in sentence(undone(counter, key.key_id))
    assert isinstance(ended(counter, key.key_id), GraceEnded)


def test_undoing_a_rotation_gives_the_old_secret_back(counter: Counter, key: Issued) -> None:
    session = counter.session
    announced = len(changes(session))
    assert undone(counter, key.key_id) == RotationUndone(key.key_id, counter.now)
    assert generations(session, key.key_id) == [("current", None, None), ("retired", None, counter.now)]
    assert changes(session)[announced:] == [("key", key.key_id)]
    assert story(session, key.key_id)[-1] == ("key.rotation_undone", "done")
    assert last_event(session).detail["credential"] == key.credential_id


def test_a_rotation_can_be_undone_and_made_again(counter: Counter, key: Issued) -> None:
    undone(counter, key.key_id)
    again = rotated(counter, key.key_id, overlap=HOUR)
    assert isinstance(again, Issued)
    assert generations(counter.session, key.key_id) == [
        ("retiring", counter.now + HOUR, None),
        ("retired", None, counter.now),
        ("current", None, None),
    ]
    found = grace_of(counter.session, counter.in_force, key.key_id, counter.now)
    assert found is not None
    assert (found.old_id, found.new_id) == (key.credential_id, again.credential_id)


def test_a_rotation_is_not_undone_once_the_new_secret_was_used(counter: Counter, key: Issued) -> None:
    current = (Credential.key_id == key.key_id, Credential.state == "current")
    counter.session.execute(update(Credential).where(*current).values(first_used_at=counter.now))
    assert "in use already" in sentence(undone(counter, key.key_id))


def test_a_second_submit_changes_nothing(counter: Counter, key: Issued) -> None:
    until = counter.now + DAY
    extended(counter, key.key_id, until, nonce="n")
    assert extended(counter, key.key_id, until, nonce="n") == AlreadyDone(key.key_id, counter.now)
    ended(counter, key.key_id, nonce="n")
    assert ended(counter, key.key_id, nonce="n") == AlreadyDone(key.key_id, counter.now)
    rotated(counter, key.key_id, overlap=HOUR)
    undone(counter, key.key_id, nonce="n")
    assert undone(counter, key.key_id, nonce="n") == AlreadyDone(key.key_id, counter.now)


def test_of_many_at_once_one_ends_it(engine: Engine, counter: Counter, key: Issued) -> None:
    def one(session: Session) -> EndGraceOutcome:
        return ended(replace(counter, session=session), key.key_id)

    outcomes = at_once(engine, 4, one)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["GraceEnded", "NotNow", "NotNow", "NotNow"]
    assert story(counter.session, key.key_id).count(("key.grace_ended", "done")) == 1


def test_a_verifier_that_knows_the_key_sees_each_change_with_its_commit(
    engine: Engine, counter: Counter, tmp_path: Path
) -> None:
    old = counter.issue(STAGING)
    new = rotated(counter, old.key_id, overlap=HOUR)
    assert isinstance(new, Issued)
    counters = open_counters(tmp_path / "counters.db")
    verifier = Verifying(engine, counter.now, counters).open()

    def codes(at: datetime) -> tuple[VerdictCode, VerdictCode]:
        return tuple(verifier.verify(Question(one.token, old.service), at).code for one in (old, new))  # type: ignore[return-value]  # of two tokens.

    ok, superseded = VerdictCode.OK, VerdictCode.KEY_SUPERSEDED
    assert codes(counter.now) == (ok, ok)
    assert codes(counter.now + HOUR) == (superseded, ok)
    extended(counter, old.key_id, counter.now + 2 * HOUR)
    counter.session.commit()
    assert codes(counter.now + HOUR) == (ok, ok)
    undone(counter, old.key_id)
    counter.session.commit()
    assert codes(counter.now) == (ok, superseded)
    newer = rotated(counter, old.key_id, overlap=HOUR)
    assert codes(counter.now) == (ok, superseded)
    ended(counter, old.key_id)
    counter.session.commit()
    assert codes(counter.now) == (superseded, superseded)
    assert isinstance(newer, Issued)
    assert verifier.verify(Question(newer.token, old.service), counter.now).valid
    verifier.close()
    counters.close()
