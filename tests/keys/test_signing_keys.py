"""Signing keys: made once, sealed, published before use, replaced without breaking a token."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.issuer import Issuer
from keymgr.keys.signing_keys import ensure_active, load_keyring, public_jwks, roll
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.base import EPOCH
from keymgr.store.changes import Change, ChangeKind
from keymgr.store.keys import Credential, SigningKey
from keymgr.tokens.claims import Claims
from keymgr.tokens.signing import Algorithm
from keymgr.tokens.vault import Vault, VaultError
from keymgr.tokens.wrap import unwrap
from tests.keys.house import ISSUER, Counter, dump

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
