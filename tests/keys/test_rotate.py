"""Rotating: the same key with a new secret, judged like a new ask."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, Closed, Issued, NotNow, NotYours, Refused, RotateOutcome
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rights import Rights
from keymgr.keys.rotate import rotate
from keymgr.keys.signing_keys import load_keyring
from keymgr.keys.suspend import suspend
from keymgr.policy.model import Asker, Evidence, Policy
from keymgr.store.base import EPOCH
from keymgr.store.keys import Credential, Key
from keymgr.tokens.claims import Claims
from keymgr.tokens.wrap import unwrap
from tests.keys.house import (
    ADMINS,
    ANA,
    ANAS,
    ANAS_BROWSER,
    BEN,
    CI,
    ISSUER,
    LEVEL,
    OPAQUE,
    POLICY,
    STAGING,
    Counter,
    changes,
    dump,
    last_event,
    put_in_force,
    story,
)
from tests.policy.builders import LIMITS, a_policy, a_rule, steps

DAY = timedelta(days=1)


def rotated(
    counter: Counter,
    key_id: str,
    *,
    asker: Asker = ANA,
    rights: Rights = ANAS,
    overlap: timedelta | None = None,
    nonce: str | None = None,
    after: timedelta = timedelta(),
) -> RotateOutcome:
    outcome = rotate(
        counter.session,
        counter.in_force,
        key_id=key_id,
        asker=asker,
        actor=ANAS_BROWSER,
        rights=rights,
        evidence=Evidence({"issuance.mfa": False}),
        overlap_seconds=None if overlap is None else int(overlap.total_seconds()),
        submit=None if nonce is None else Submit(nonce, "usr_ana"),
        issuer=counter.issuer,
        now=counter.now + after,
    )
    counter.session.commit()
    return outcome


def generations(session: Session, key_id: str) -> list[tuple[str, datetime | None, datetime | None]]:
    columns = (Credential.state, Credential.retires_at, Credential.retired_at)
    statement = select(*columns).where(Credential.key_id == key_id).order_by(Credential.generation)
    return [(state, until, at) for state, until, at in session.execute(statement)]


def under(counter: Counter, policy: Policy) -> Counter:
    return replace(counter, in_force=put_in_force(counter.session, policy, counter.now))


def test_the_key_stays_and_both_tokens_are_good_for_the_overlap(session: Session, counter: Counter) -> None:
    old = counter.issue(STAGING)
    new = rotated(counter, old.key_id, after=9 * DAY)

    assert isinstance(new, Issued)
    assert (new.key_id, new.name, new.scopes, new.expires_at) == (old.key_id, old.name, old.scopes, old.expires_at)
    assert new.credential_id != old.credential_id
    assert generations(session, old.key_id) == [
        ("retiring", counter.now + 11 * DAY, None),
        ("current", None, None),
    ]
    assert (new.rotate_by, new.token_expires_at) == (counter.now + 19 * DAY, counter.now + 21 * DAY)
    keyring = load_keyring(session, ISSUER)
    assert keyring is not None
    at = int((counter.now + 10 * DAY - EPOCH).total_seconds())
    for token, credential_id in ((old.token, old.credential_id), (new.token, new.credential_id)):
        claims = unwrap(token, keyring.verifying, issuer=ISSUER.url, now=at)
        assert isinstance(claims, Claims)
        assert (claims.client_id, claims.credential_id) == (old.key_id, credential_id)


def test_it_is_told_and_announced_and_the_new_evidence_is_kept(session: Session, counter: Counter) -> None:
    old = counter.issue(STAGING)
    new = rotated(counter, old.key_id, after=DAY)

    assert isinstance(new, Issued)
    assert story(session, old.key_id) == [("key.issued", "done"), ("key.rotated", "done")]
    detail = last_event(session).detail
    assert (detail["credential"], detail["replaces"]) == (new.credential_id, old.credential_id)
    assert detail["old_good_until"] == "2026-11-25T10:00:00+00:00"
    assert changes(session) == [("key", old.key_id)] * 2
    assert session.get_one(Key, old.key_id).evidence == {"facts": {"issuance.mfa": False}, "keys_held": 0}


def test_no_overlap_retires_the_old_credential_at_once(session: Session, counter: Counter) -> None:
    key_id = counter.issue(STAGING).key_id
    rotated(counter, key_id, overlap=timedelta(), after=DAY)
    assert generations(session, key_id) == [("retired", None, counter.now + DAY), ("current", None, None)]
    assert last_event(session).detail["old_good_until"] is None


def test_a_credential_that_has_run_out_already_does_not_retire_slowly(session: Session, counter: Counter) -> None:
    key_id = counter.issue(STAGING).key_id
    assert isinstance(rotated(counter, key_id, after=13 * DAY), Issued)
    assert generations(session, key_id)[0] == ("retired", None, counter.now + 13 * DAY)


def test_the_overlap_ends_with_the_old_token_at_the_latest(session: Session, counter: Counter) -> None:
    key_id = counter.issue(STAGING).key_id
    rotated(counter, key_id, after=11 * DAY)
    assert generations(session, key_id)[0] == ("retiring", counter.now + 12 * DAY, None)


def test_a_second_rotation_retires_the_older_generation_at_once(session: Session, counter: Counter) -> None:
    key_id = counter.issue(STAGING).key_id
    rotated(counter, key_id)
    rotated(counter, key_id, after=DAY, overlap=timedelta(hours=1))
    assert generations(session, key_id) == [
        ("retired", counter.now + 2 * DAY, counter.now + DAY),
        ("retiring", counter.now + DAY + timedelta(hours=1), None),
        ("current", None, None),
    ]


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), 2 * DAY + timedelta(seconds=1)])
def test_an_overlap_beyond_the_rule_is_refused_in_words(session: Session, counter: Counter, overlap: timedelta) -> None:
    key_id = counter.issue(STAGING).key_id
    before = dump(session)
    outcome = rotated(counter, key_id, overlap=overlap, nonce="n")
    assert isinstance(outcome, NotNow)
    assert "0 to 172800 seconds" in outcome.sentence
    assert dump(session) == before
    assert isinstance(rotated(counter, key_id, overlap=2 * DAY, nonce="n"), Issued)


def test_a_second_submit_mints_nothing(session: Session, counter: Counter) -> None:
    key_id = counter.issue(STAGING).key_id
    rotated(counter, key_id, nonce="n")
    assert rotated(counter, key_id, nonce="n", after=DAY) == AlreadyDone(key_id, counter.now)
    assert len(generations(session, key_id)) == 2


def test_foreign_and_unknown_keys_look_the_same_and_admins_get_no_secrets(session: Session, counter: Counter) -> None:
    key_id = counter.issue(STAGING).key_id
    before = dump(session)
    bens = Rights(frozenset({BEN.id}))
    assert rotated(counter, "key_unknown") == NotYours()
    assert rotated(counter, key_id, asker=BEN, rights=bens) == NotYours()
    assert rotated(counter, key_id, rights=ADMINS) == NotYours()
    assert rotated(counter, key_id, asker=CI) == NotYours()
    assert dump(session) == before


def test_revoked_suspended_and_expired_keys_are_not_rotated(session: Session, counter: Counter) -> None:
    revoked, suspended, expired = (counter.issue(name=name).key_id for name in "abc")
    common = {"actor": ANAS_BROWSER, "rights": ADMINS, "submit": None, "level": LEVEL, "now": counter.now}
    revoke(session, key_id=revoked, reason=RevokeReason.OTHER, **common)  # type: ignore[arg-type]  # the dict has each by its name.
    suspend(session, key_id=suspended, note="", **common)  # type: ignore[arg-type]  # as above.
    for key_id, after, word in (
        (revoked, timedelta(), "revoked"),
        (suspended, timedelta(), "suspended"),
        (expired, 30 * DAY, "expired"),
    ):
        outcome = rotated(counter, key_id, after=after)
        assert isinstance(outcome, NotNow)
        assert word in outcome.sentence


def test_the_policy_in_force_judges_like_a_new_ask(session: Session, counter: Counter) -> None:
    key_id = counter.issue().key_id
    moved = under(counter, a_policy(a_rule("other", scopes=["charges:read"], teams=["security"])))
    before = generations(session, key_id)

    outcome = rotated(moved, key_id)

    assert isinstance(outcome, Refused)
    assert generations(session, key_id) == before
    assert story(session, key_id)[-1] == ("key.rotated", "refused")
    assert last_event(session).detail["reasons"] == ["NO_RULE"]


def test_what_is_granted_anew_replaces_the_terms(session: Session, counter: Counter) -> None:
    key_id = counter.issue().key_id
    limits = replace(LIMITS, rotate_every_seconds=86_400, rotation_overlap_seconds=3600)
    moved = under(counter, a_policy(a_rule("newer", limits=limits)))

    outcome = rotated(moved, key_id)

    assert isinstance(outcome, Issued)
    key = session.get_one(Key, key_id)
    assert (key.rule, key.revision_id) == ("newer", moved.in_force.revision)
    assert key.terms["rotate_every_seconds"] == 86_400
    assert outcome.rotate_by == counter.now + DAY


def test_a_full_count_does_not_stop_a_rotation(counter: Counter) -> None:
    keys = [counter.issue(name=name).key_id for name in "abc"]
    assert isinstance(rotated(counter, keys[0]), Issued)


def test_a_policy_that_now_wants_approval_says_so(counter: Counter) -> None:
    key_id = counter.issue().key_id
    outcome = rotated(under(counter, a_policy(a_rule("strict", approval=steps(1)))), key_id)
    assert isinstance(outcome, NotNow)
    assert "only after approval (rule strict)" in outcome.sentence


def test_closed_is_closed_for_rotations_too(counter: Counter) -> None:
    key_id = counter.issue().key_id
    put_in_force(counter.session, POLICY, counter.now)
    assert isinstance(rotated(counter, key_id), Closed)


def test_an_opaque_key_is_rotated_as_opaque(session: Session, counter: Counter) -> None:
    key_id = counter.issue(OPAQUE).key_id
    outcome = rotated(counter, key_id)
    assert isinstance(outcome, Issued)
    assert outcome.token.startswith("km_staging_")
    assert session.get_one(Credential, outcome.credential_id).generation == 2
