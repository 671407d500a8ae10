"""Signing keys: made once, sealed, published before use, replaced without breaking a token."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.due import tick
from keymgr.keys.issuer import Issuer
from keymgr.keys.outcomes import NotNow, NotYours
from keymgr.keys.signing_key_list import list_signing_keys
from keymgr.keys.signing_keys import Retired, ensure_active, load_keyring, public_jwks, retire, roll
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.base import EPOCH
from keymgr.store.changes import Change, ChangeKind
from keymgr.store.keys import Credential, Key, SigningKey
from keymgr.tokens.claims import Claims
from keymgr.tokens.signing import Algorithm
from keymgr.tokens.vault import Vault, VaultError
from keymgr.tokens.wrap import unwrap
from tests.keys.house import ISSUER, LEVEL, Counter, dump

OPERATOR = Actor("cli:root")


def states(session: Session) -> dict[str, str]:
    return {kid: state for kid, state in session.execute(select(SigningKey.kid, SigningKey.state))}  # noqa: C416 - a Row is no pair to the type checker.


def good(session: Session, token: str, issuer: Issuer, now: datetime) -> bool:
    keyring = load_keyring(session, issuer)
    assert keyring is not None
    seconds = int((now - EPOCH).total_seconds())
    return isinstance(unwrap(token, keyring.verifying, issuer=issuer.url, now=seconds), Claims)


def test_before_the_first_key_there_is_nothing_to_load_or_publish(session: Session) -> None:
    assert load_keyring(session, ISSUER) is None
    assert public_jwks(session) == []


def test_the_first_key_and_the_one_that_comes_next_are_published_and_told(session: Session, now: datetime) -> None:
    kid = ensure_active(session, ISSUER, now).kid

    assert sorted(states(session).values()) == ["active", "next"]
    assert states(session)[kid] == "active"
    assert {jwk["kid"] for jwk in public_jwks(session)} == set(states(session))
    assert all("d" not in jwk for jwk in public_jwks(session))
    actions = session.scalars(select(AuditEvent.action).where(AuditEvent.object_kind == "signing_key"))
    assert sorted(actions) == ["signing_key.active", "signing_key.next"]
    announced = session.scalars(select(Change.object_id).where(Change.kind == ChangeKind.SIGNING_KEY))
    assert set(announced) == set(states(session))
    assert ensure_active(session, ISSUER, now).kid == kid


def test_private_parts_rest_sealed_and_bound_to_their_row(session: Session, now: datetime) -> None:
    kid = ensure_active(session, ISSUER, now).kid
    other = next(name for name in states(session) if name != kid)
    active, following = session.get_one(SigningKey, kid), session.get_one(SigningKey, other)
    active.sealed, following.sealed = following.sealed, active.sealed
    session.flush()
    with pytest.raises(VaultError):
        load_keyring(session, ISSUER)
    with pytest.raises(VaultError):
        ensure_active(session, replace(ISSUER, vault=Vault({"first": b"w" * 32}, "first")), now)


def test_rolling_lets_the_published_one_sign_and_old_tokens_stay_good(session: Session, counter: Counter) -> None:
    old = counter.issue()
    before = states(session)

    rolled = roll(session, ISSUER, actor=OPERATOR, now=counter.now)
    session.commit()

    assert before[rolled.active] == "next"
    assert before[rolled.retiring] == "active"
    assert states(session) == {rolled.active: "active", rolled.retiring: "retiring", rolled.following: "next"}
    new = counter.issue()
    assert session.get_one(Credential, new.credential_id).signing_kid == rolled.active
    assert good(session, old.token, ISSUER, counter.now)
    assert good(session, new.token, ISSUER, counter.now)
    assert {jwk["kid"] for jwk in public_jwks(session)} == set(states(session))


def test_rolling_an_empty_install_makes_a_key_first(session: Session, now: datetime) -> None:
    rolled = roll(session, ISSUER, actor=OPERATOR, now=now)
    assert states(session) == {rolled.active: "active", rolled.retiring: "retiring", rolled.following: "next"}


@pytest.mark.parametrize("algorithm", [Algorithm.EDDSA, Algorithm.RS256, Algorithm.HS256])
def test_another_algorithm_signs_from_the_next_use_on(session: Session, counter: Counter, algorithm: Algorithm) -> None:
    old = counter.issue()
    other = replace(counter, issuer=replace(ISSUER, algorithm=algorithm))

    new = other.issue()

    assert good(session, old.token, other.issuer, counter.now)
    assert good(session, new.token, other.issuer, counter.now)
    assert sorted(states(session).values()) == ["active", "next", "retired", "retiring"]
    signed_by = session.get_one(Credential, new.credential_id).signing_kid
    assert session.get_one(SigningKey, signed_by).algorithm == algorithm


def test_shared_secrets_are_never_published_and_never_in_clear(session: Session, now: datetime) -> None:
    issuer = replace(ISSUER, algorithm=Algorithm.HS512)
    key = ensure_active(session, issuer, now)
    assert public_jwks(session) == []
    assert isinstance(key.private, bytes)
    assert key.private.hex() not in dump(session)


def test_a_retired_key_verifies_nothing(session: Session, counter: Counter) -> None:
    issued = counter.issue()
    kid = session.get_one(Credential, issued.credential_id).signing_kid
    roll(session, ISSUER, actor=OPERATOR, now=counter.now + timedelta(days=1))
    session.get_one(SigningKey, kid).state = "retired"
    session.flush()
    assert not good(session, issued.token, ISSUER, counter.now)
    assert kid not in {jwk["kid"] for jwk in public_jwks(session)}


HOUR = timedelta(hours=1)


def rolled_away(session: Session, counter: Counter) -> tuple[str, str]:
    """A key whose secret the old signing key signed, and that signing key, which only verifies now."""
    issued = counter.issue()
    kid = roll(session, ISSUER, actor=OPERATOR, now=counter.now).retiring
    session.commit()
    return issued.key_id, kid


def test_a_key_that_live_secrets_need_is_not_retired(session: Session, counter: Counter) -> None:
    _, kid = rolled_away(session, counter)
    later = counter.now + HOUR

    outcome = retire(session, kid=kid, actor=OPERATOR, level=LEVEL, now=later)

    assert isinstance(outcome, NotNow)
    assert "Live keys are still signed" in outcome.sentence
    (listed,) = [each for each in list_signing_keys(session, later) if each.kid == kid]
    assert (listed.secrets, listed.may_retire(later), listed.needed_until is None) == (1, False, False)
    assert tick(session, later, level=LEVEL).signing_keys == 0
    assert states(session)[kid] == "retiring"


@pytest.mark.parametrize("ended_by", ["revoked", "expired", "retired"])
def test_the_clock_retires_what_no_live_secret_needs_and_tells(
    session: Session, counter: Counter, ended_by: str
) -> None:
    key_id, kid = rolled_away(session, counter)
    credential = session.scalars(select(Credential).where(Credential.key_id == key_id)).one()
    later = credential.expires_at + HOUR if ended_by == "expired" else counter.now + HOUR
    if ended_by == "revoked":
        key = session.get_one(Key, key_id)
        key.state, key.revoked_at = "revoked", counter.now
    if ended_by == "retired":
        credential.state = "retired"
    session.flush()
    assert [each.may_retire(later) for each in list_signing_keys(session, later) if each.kid == kid] == [True]

    assert tick(session, later, level=LEVEL).signing_keys == 1

    assert states(session)[kid] == "retired"
    assert session.get_one(SigningKey, kid).retired_at == later
    assert kid not in {jwk["kid"] for jwk in public_jwks(session)}
    told = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    assert (told.action, told.object_id, told.actor) == ("signing_key.retired", kid, "clock")
    assert session.scalars(select(Change.object_id).order_by(Change.id.desc()).limit(1)).one() == kid
    assert tick(session, later, level=LEVEL).signing_keys == 0


def test_a_key_that_signed_until_just_now_stays_for_what_is_on_its_way(session: Session, now: datetime) -> None:
    kid = roll(session, ISSUER, actor=OPERATOR, now=now).retiring
    just_before = now + HOUR - timedelta(seconds=1)
    outcome = retire(session, kid=kid, actor=OPERATOR, level=LEVEL, now=just_before)
    assert isinstance(outcome, NotNow)
    assert "less than an hour ago" in outcome.sentence
    assert tick(session, just_before, level=LEVEL).signing_keys == 0
    assert retire(session, kid=kid, actor=OPERATOR, level=LEVEL, now=now + HOUR) == Retired(kid)


def test_only_a_retiring_key_that_is_there_can_be_retired(session: Session, now: datetime) -> None:
    active = ensure_active(session, ISSUER, now).kid
    later = now + timedelta(days=9)
    assert retire(session, kid="none", actor=OPERATOR, level=LEVEL, now=later) == NotYours()
    for kid in states(session):
        assert isinstance(retire(session, kid=kid, actor=OPERATOR, level=LEVEL, now=later), NotNow)
    assert states(session)[active] == "active"


def test_signing_keys_are_listed_in_the_order_of_their_lives(session: Session, now: datetime) -> None:
    assert list_signing_keys(session, now) == ()
    first = roll(session, ISSUER, actor=OPERATOR, now=now)
    second = roll(session, ISSUER, actor=OPERATOR, now=now + HOUR)
    retire(session, kid=first.retiring, actor=OPERATOR, level=LEVEL, now=now + 2 * HOUR)
    listed = list_signing_keys(session, now + 2 * HOUR)
    assert [(each.kid, each.state) for each in listed] == [
        (second.following, "next"),
        (second.active, "active"),
        (second.retiring, "retiring"),
        (first.retiring, "retired"),
    ]
