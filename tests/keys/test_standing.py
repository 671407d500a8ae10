"""What policy does to a key, verb by verb, and how it is read for the key's owner."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.consequences import BY_POLICY, carry_out, is_held_by_policy, leave, release
from keymgr.keys.expire import expire
from keymgr.keys.flagged import flag_of, flagged_keys
from keymgr.keys.standing import Stood, note_checked, stood, write_standings
from keymgr.keys.trail import CLOCK
from keymgr.policy.existing import Verdict
from keymgr.policy.model import OwnerExit, ViolationAction
from keymgr.store.keys import Credential, Key
from keymgr.store.standing import KeyStanding
from tests.keys.house import ANA, LEVEL, Counter, changes, story

DAY = timedelta(days=1)
MINE = frozenset({ANA.id})


def misfit(reason: str = "LIMIT_TTL", *, action: ViolationAction = ViolationAction.SUSPEND, due: datetime) -> Stood:
    why = {"reason": reason, "sentence": "90 d is over 30 d.", "source": "rules/dev.yaml:1:1"}
    return Stood(Verdict.VIOLATES, (why,), None, due - 14 * DAY, action, due)


@pytest.fixture
def key(session: Session, counter: Counter) -> Key:
    return session.get_one(Key, counter.issue().key_id)


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        (ViolationAction.FLAG, ("key.overdue", "active")),
        (ViolationAction.SUSPEND, ("key.suspended", "suspended")),
        (ViolationAction.EXPIRE, ("key.expired", "active")),
        (ViolationAction.REVOKE, ("key.revoked", "revoked")),
    ],
)
def test_each_consequence_is_told_once_however_often_it_is_carried_out(
    session: Session, key: Key, now: datetime, action: ViolationAction, outcome: tuple[str, str]
) -> None:
    later, before = now + DAY, len(changes(session))
    carry_out(session, key, action, misfit(due=later), level=LEVEL, now=later)
    if action is not ViolationAction.FLAG:
        carry_out(session, key, action, misfit(due=later), level=LEVEL, now=later + DAY)
    told = [action for action, _ in story(session, key.id)[1:]]
    assert (*told, key.state) == outcome
    assert (key.expires_at <= later) is (action is ViolationAction.EXPIRE)
    assert len(changes(session)) - before == (action is not ViolationAction.FLAG)


def test_a_consequence_without_words_has_some(session: Session, key: Key, now: datetime) -> None:
    carry_out(session, key, ViolationAction.SUSPEND, Stood(Verdict.VIOLATES), level=LEVEL, now=now)
    assert key.state_reason == "policy: it no longer fits"


def test_expiring_ends_every_credential_that_lives_longer(session: Session, key: Key, now: datetime) -> None:
    expire(session, key, note="policy: over", actor=CLOCK, level=LEVEL, now=now + DAY)
    assert session.scalars(select(Credential.expires_at)).all() == [now + DAY]
    assert key.expires_at == now + DAY
    expire(session, key, note="again", actor=CLOCK, level=LEVEL, now=now + 2 * DAY)
    assert (key.expires_at, key.state_reason) == (now + DAY, "policy: over")


@pytest.mark.parametrize(
    ("exit_", "state"),
    [(OwnerExit.TRANSFER, "suspended"), (OwnerExit.SUSPEND, "suspended"), (OwnerExit.REVOKE, "revoked")],
)
def test_an_owner_who_leaves_leaves_no_active_key(
    session: Session, key: Key, now: datetime, exit_: OwnerExit, state: str
) -> None:
    leave(session, key, exit_, level=LEVEL, now=now)
    assert key.state == state
    leave(session, key, OwnerExit.REVOKE, level=LEVEL, now=now)
    assert key.state == state


def test_only_what_policy_suspended_is_released(session: Session, key: Key, now: datetime) -> None:
    release(session, key, level=LEVEL, now=now)
    assert story(session, key.id)[1:] == []
    key.state, key.state_reason = "suspended", "leak?"
    release(session, key, level=LEVEL, now=now)
    assert key.state == "suspended"
    assert not is_held_by_policy("suspended", None)
    key.state_reason = BY_POLICY + "over"
    release(session, key, level=LEVEL, now=now)
    assert key.state == "active"


def test_standings_are_written_read_and_written_over(session: Session, counter: Counter, now: datetime) -> None:
    keys = sorted(counter.issue(name=name).key_id for name in ("a", "b"))
    revision = counter.in_force.revision
    write_standings(session, {}, revision, now)
    assert stood(session, keys) == {}
    how = misfit(due=now + DAY)
    write_standings(session, {key_id: how for key_id in keys}, revision, now)  # noqa: C420 - a mapping, not keys.
    assert stood(session, keys) == {keys[0]: how, keys[1]: how}
    again = replace(how, acted_at=now)
    write_standings(session, {keys[0]: again}, revision, now)
    assert stood(session, keys) == {keys[0]: again, keys[1]: how}
    note_checked(session, (), revision, now + DAY)
    note_checked(session, keys[:1], revision, now + DAY)
    looked_at = session.execute(select(KeyStanding.key_id, KeyStanding.checked_at).order_by(KeyStanding.key_id))
    assert [tuple(row) for row in looked_at] == [(keys[0], now + DAY), (keys[1], now)]


def test_owners_see_which_keys_do_not_fit_until_when_and_what_mends_it(
    session: Session, counter: Counter, now: datetime
) -> None:
    first, second, fits = (counter.issue(name=name).key_id for name in ("first", "second", "third"))
    standings = {
        second: misfit(due=now + 2 * DAY, action=ViolationAction.REVOKE),
        first: misfit("NO_RULE", due=now + DAY),
        fits: Stood(Verdict.EXEMPT),
    }
    write_standings(session, standings, counter.in_force.revision, now)
    found = flagged_keys(session, MINE, now, most=5)
    assert [(each.id, each.due_at, each.action) for each in found] == [
        (first, now + DAY, ViolationAction.SUSPEND),
        (second, now + 2 * DAY, ViolationAction.REVOKE),
    ]
    assert found[1].remedy == "Replace it with a key that lives shorter."
    assert (found[0].remedy[:17], found[0].by_rotation) == ("Ask for a new key", False)
    assert [each.id for each in flagged_keys(session, MINE, now, most=1)] == [first]
    assert flagged_keys(session, frozenset({"user:ben"}), now, most=5) == ()
    assert flag_of(session, first, now) == found[0]
    assert flag_of(session, fits, now) is None


def test_a_key_without_evidence_is_mended_by_a_rotation(session: Session, key: Key, now: datetime) -> None:
    how = replace(misfit("FACT_UNKNOWN", due=now), verdict=Verdict.UNKNOWN, action=None)
    write_standings(session, {key.id: how}, key.revision_id, now)
    found = flag_of(session, key.id, now)
    assert found is not None
    assert (found.by_rotation, found.action, found.verdict) == (True, None, Verdict.UNKNOWN)
