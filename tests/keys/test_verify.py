"""The whole verdict table: each case once on both databases, and what may be said in each."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from keymgr.keys.signing_keys import ensure_active
from keymgr.keys.verdict import Question, Verdict
from keymgr.keys.verify import Verifier
from keymgr.store.changes import ChangeKind
from keymgr.store.keys import CredentialState, Key, KeyState, SigningKey
from keymgr.store.people import Person, PersonState, ServiceAccount
from keymgr.tokens.opaque import render
from keymgr.tokens.signing import Algorithm, generate
from keymgr.tokens.vault import Vault
from keymgr.tokens.verdicts import VerdictCode
from keymgr.tokens.wrap import wrap
from tests.keys.house import ISSUER
from tests.keys.verifying import HOUR, Given, Shop, Verifying, add_credential, asked, open_counters, open_shop

CODE = VerdictCode


@pytest.fixture
def shop(session: Session, now: datetime) -> Shop:
    return open_shop(session, now)


@pytest.fixture
def verifying(engine: Engine, now: datetime, tmp_path: Path) -> Iterator[Verifying]:
    counters = open_counters(tmp_path / "counters.db")
    yield Verifying(engine, now, counters)
    counters.close()


@pytest.fixture
def verifier(verifying: Verifying) -> Verifier:
    return verifying.open()


@pytest.fixture
def given(shop: Shop) -> Given:
    return shop.key()


def tells_nothing(verdict: Verdict) -> bool:
    return verdict.known is None and not verdict.scopes and not verdict.limits


def test_a_good_key_is_accepted_with_its_facts(verifier: Verifier, given: Given, now: datetime) -> None:
    verdict = verifier.verify(asked(given, scopes=frozenset({"charges:read"}), environment="prod"), now)
    assert verdict.valid
    assert verdict.known is not None
    facts = verdict.known.facts
    assert (facts.key_id, facts.owner, facts.service) == (given.key_id, "user:ana", "payments-api")
    assert (facts.environment, facts.rule, facts.policy_digest) == ("prod", "payments-prod", "sha256:abc")
    assert verdict.scopes == {"charges:read", "charges:write"}
    assert verdict.known.ends_at == int((now + 24 * HOUR).timestamp())


def test_a_service_accounts_key_is_accepted(verifier: Verifier, shop: Shop, now: datetime) -> None:
    assert verifier.verify(asked(shop.key(owner="svc:pay-ci")), now).valid


def test_an_opaque_key_comes_through_the_same_door(verifier: Verifier, shop: Shop, now: datetime) -> None:
    opaque = shop.key(form="opaque", environment="eu-prod")
    assert opaque.token.startswith("km_eu_prod_")
    assert verifier.verify(asked(opaque, environment="eu-prod"), now).valid


def test_nothing_presented_is_key_missing(verifier: Verifier, now: datetime) -> None:
    assert verifier.verify(asked(""), now).code is CODE.KEY_MISSING


@pytest.mark.parametrize("junk", ["junk", "a.b.c", "km_prod_x_y", "é" * 10, "x" * 9000, "km-eyJ", "\ud800"])
@pytest.mark.usefixtures("given")
def test_junk_is_key_invalid_and_tells_nothing(verifier: Verifier, now: datetime, junk: str) -> None:
    verdict = verifier.verify(asked(junk), now)
    assert verdict.code is CODE.KEY_INVALID
    assert tells_nothing(verdict)


def test_a_changed_character_is_key_invalid(verifier: Verifier, given: Given, now: datetime) -> None:
    assert verifier.verify(asked(given), now).valid
    header, payload, signature = given.token.split(".")
    swapped = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
    assert verifier.verify(asked(f"{header}.{payload}.{swapped}"), now).code is CODE.KEY_INVALID


def test_a_token_of_a_foreign_signing_key_is_key_invalid(verifier: Verifier, given: Given, now: datetime) -> None:
    forged = wrap(given.claims, generate(Algorithm.ES256))
    assert verifier.verify(asked(forged), now).code is CODE.KEY_INVALID


def test_another_issuer_is_key_invalid(verifier: Verifier, shop: Shop, given: Given, now: datetime) -> None:
    token = shop.resigned(given, subject="user:ana")
    assert verifier.verify(asked(token), now).valid
    other = wrap(
        replace(given.claims, issuer="https://keys.example.org.evil"), ensure_active(shop.session, ISSUER, now)
    )
    assert verifier.verify(asked(other), now).code is CODE.KEY_INVALID


@pytest.mark.parametrize(
    "lie",
    [
        {"client_id": "key_00000000000000000000000000"},
        {"subject": "user:ben"},
        {"environment": "dev"},
        {"credential_id": "crd_00000000000000000000000000"},
        {"secret": None},
        {"secret": "A" * 43},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_a_stolen_signing_key_alone_makes_no_token_that_passes(
    verifier: Verifier, shop: Shop, given: Given, now: datetime, lie: dict[str, object]
) -> None:
    verdict = verifier.verify(asked(shop.resigned(given, **lie)), now)
    assert verdict.code is CODE.KEY_INVALID
    assert tells_nothing(verdict)


def test_a_stateless_deployment_trusts_signature_and_state(
    verifying: Verifying, shop: Shop, given: Given, now: datetime
) -> None:
    verifying.issuer = replace(ISSUER, bound=False)
    verifier = verifying.open()
    bare = shop.resigned(given, secret=None)
    assert verifier.verify(asked(bare), now).valid
    shop.change_key(given, state=KeyState.REVOKED, revoked_at=now)
    assert verifier.verify(asked(bare), now).code is CODE.KEY_REVOKED


def test_an_opaque_key_with_another_secret_tells_nothing_of_the_key(
    verifier: Verifier, shop: Shop, now: datetime
) -> None:
    one, two = (shop.key(form="opaque") for _ in range(2))
    shop.change_key(one, state=KeyState.REVOKED, revoked_at=now)
    for mixed in (render("prod", one.credential_id, two.secret), render("dev", two.credential_id, two.secret)):
        verdict = verifier.verify(asked(mixed), now)
        assert verdict.code is CODE.KEY_INVALID
        assert tells_nothing(verdict)


def test_a_jwts_secret_is_no_opaque_key(verifier: Verifier, given: Given, now: datetime) -> None:
    assert verifier.verify(asked(render("prod", given.credential_id, given.secret)), now).code is CODE.KEY_INVALID


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_the_key_expires_to_the_second(verifier: Verifier, shop: Shop, now: datetime, form: str) -> None:
    given = shop.key(form=form, expires_in=HOUR)
    assert verifier.verify(asked(given), now + timedelta(minutes=59, seconds=59)).valid
    assert verifier.verify(asked(given), now + HOUR).code is CODE.KEY_EXPIRED
    assert verifier.verify(asked(given), now + 2 * HOUR).code is CODE.KEY_EXPIRED


def test_a_credential_that_ends_before_its_key_is_key_expired(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(expires_in=48 * HOUR, credential_expires_in=HOUR)
    assert verifier.verify(asked(given), now + timedelta(minutes=59)).valid
    assert verifier.verify(asked(given), now + HOUR).code is CODE.KEY_EXPIRED


def test_a_token_from_the_future_is_key_invalid_beyond_the_leeway(
    verifier: Verifier, given: Given, now: datetime
) -> None:
    assert verifier.verify(asked(given), now - timedelta(seconds=30)).valid
    assert verifier.verify(asked(given), now - timedelta(seconds=31)).code is CODE.KEY_INVALID


def test_a_revoked_key_is_key_revoked(verifier: Verifier, shop: Shop, given: Given, now: datetime) -> None:
    shop.change_key(given, state=KeyState.REVOKED, revoked_at=now)
    verdict = verifier.verify(asked(given), now)
    assert verdict.code is CODE.KEY_REVOKED
    assert verdict.known is not None


def test_a_retiring_credential_is_good_until_its_time(
    verifier: Verifier, shop: Shop, given: Given, now: datetime
) -> None:
    shop.change_credential(given, state=CredentialState.RETIRING, retires_at=now + HOUR)
    assert verifier.verify(asked(given), now + timedelta(minutes=59, seconds=59)).valid
    assert verifier.verify(asked(given), now + HOUR).code is CODE.KEY_SUPERSEDED


def test_after_a_rotation_the_new_credential_is_good_and_the_retired_one_is_not(
    verifier: Verifier, shop: Shop, given: Given, now: datetime
) -> None:
    shop.change_credential(given, state=CredentialState.RETIRED, retired_at=now)
    key = shop.session.get(Key, given.key_id)
    assert key is not None
    newer = add_credential(shop.session, key, now, generation=2, expires_at=now + HOUR)
    shop.session.commit()
    assert verifier.verify(asked(given), now).code is CODE.KEY_SUPERSEDED
    assert verifier.verify(asked(newer), now).valid


def test_a_suspended_key_is_key_suspended_until_it_is_resumed(
    verifier: Verifier, shop: Shop, given: Given, now: datetime
) -> None:
    shop.change_key(given, state=KeyState.SUSPENDED)
    assert verifier.verify(asked(given), now).code is CODE.KEY_SUSPENDED
    shop.change_key(given, state=KeyState.ACTIVE)
    assert verifier.verify(asked(given), now).valid


@pytest.mark.parametrize("state", [PersonState.SUSPENDED, PersonState.LEFT])
@pytest.mark.parametrize("owner", ["user:ana", "svc:pay-ci"])
def test_an_owner_who_is_suspended_or_has_left_takes_the_keys_along(
    verifier: Verifier, shop: Shop, now: datetime, owner: str, state: PersonState
) -> None:
    given = shop.key(owner=owner)
    assert verifier.verify(asked(given), now).valid
    table = Person if owner.startswith("user:") else ServiceAccount
    shop.session.execute(update(table).values(state=state))
    shop.announce(ChangeKind.OWNER, owner)
    assert verifier.verify(asked(given), now).code is CODE.KEY_SUSPENDED


def test_a_key_whose_owner_is_not_known_is_key_suspended(verifier: Verifier, shop: Shop, now: datetime) -> None:
    assert verifier.verify(asked(shop.key(owner="user:ghost")), now).code is CODE.KEY_SUSPENDED


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_a_key_of_another_service_tells_nothing(verifier: Verifier, shop: Shop, now: datetime, form: str) -> None:
    given = shop.key(form=form, rate_limits=[("burst", 1, 60)])
    for _ in range(2):
        verdict = verifier.verify(asked(given, audience="ledger"), now)
        assert verdict.code is CODE.KEY_WRONG_AUDIENCE
        assert tells_nothing(verdict)
    assert verifier.verify(asked(given), now).valid, "a foreign service's question must not use up the limit"


def test_a_token_whose_audience_was_changed_is_no_way_in(
    verifier: Verifier, shop: Shop, given: Given, now: datetime
) -> None:
    moved = shop.resigned(given, audience="ledger")
    assert verifier.verify(asked(moved, audience="ledger"), now).code is CODE.KEY_WRONG_AUDIENCE


def test_all_scopes_asked_for_must_be_held(verifier: Verifier, given: Given, now: datetime) -> None:
    both = frozenset({"charges:read", "charges:write"})
    assert verifier.verify(asked(given, scopes=both), now).valid
    verdict = verifier.verify(asked(given, scopes=both | {"refunds:write"}), now)
    assert verdict.code is CODE.SCOPE_MISSING
    assert verdict.missing == {"refunds:write"}
    assert "refunds:write" in verdict.message


def test_scopes_narrowed_in_either_place_are_not_held(
    verifier: Verifier, shop: Shop, given: Given, now: datetime
) -> None:
    write = frozenset({"charges:write"})
    shrunk = shop.resigned(given, scopes=frozenset({"charges:read"}))
    assert verifier.verify(asked(shrunk, scopes=write), now).code is CODE.SCOPE_MISSING
    assert verifier.verify(asked(given, scopes=write), now).valid
    shop.change_key(given, scopes=["charges:read"])
    assert verifier.verify(asked(given, scopes=write), now).code is CODE.SCOPE_MISSING


def test_another_environment_is_context_denied(verifier: Verifier, given: Given, now: datetime) -> None:
    assert verifier.verify(asked(given, environment="dev"), now).code is CODE.CONTEXT_DENIED
    assert verifier.verify(asked(given, environment=None), now).valid


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("10.20.3.4", True),
        ("::ffff:10.20.3.4", True),
        ("2001:db8:20::1", True),
        ("192.0.2.7", True),
        ("10.21.0.0", False),
        ("10.19.255.255", False),
        ("192.0.2.8", False),
        ("2001:db8:21::1", False),
        ("::10.20.3.4", False),
        ("fe80::1%eth0", False),
        ("not an address", False),
        ("", False),
        (None, False),
    ],
)
def test_the_address_must_lie_in_the_keys_networks(
    verifier: Verifier,
    shop: Shop,
    now: datetime,
    address: str | None,
    good: bool,  # noqa: FBT001 - the table's column.
) -> None:
    given = shop.key(cidrs=["10.20.0.0/16", "2001:db8:20::/48", "192.0.2.7/32"])
    verdict = verifier.verify(asked(given, address=address), now)
    assert verdict.code is (CODE.OK if good else CODE.CONTEXT_DENIED)


def test_a_retired_signing_key_takes_its_tokens_along_at_once(
    verifier: Verifier, shop: Shop, given: Given, now: datetime
) -> None:
    assert verifier.verify(asked(given), now).valid
    kid = shop.session.scalar(
        update(SigningKey).where(SigningKey.state == "active").values(state="retired").returning(SigningKey.kid)
    )
    assert kid is not None
    shop.announce(ChangeKind.SIGNING_KEY, kid)
    assert verifier.verify(asked(given), now).code is CODE.KEY_INVALID


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_signing_algorithm_verifies(
    verifying: Verifying, shop: Shop, now: datetime, algorithm: Algorithm
) -> None:
    verifying.issuer = replace(ISSUER, algorithm=algorithm)
    given = shop.key(issuer=verifying.issuer)
    assert verifying.open().verify(asked(given), now).valid


def test_a_remembered_signature_ends_with_its_dates(verifier: Verifier, shop: Shop, now: datetime) -> None:
    given = shop.key(expires_in=HOUR)
    assert verifier.verify(asked(given), now).valid
    assert verifier.verify(asked(given), now - timedelta(seconds=31)).code is CODE.KEY_INVALID
    assert verifier.verify(asked(given), now + 2 * HOUR).code is CODE.KEY_EXPIRED


@pytest.mark.parametrize("cost", [0, -1, 1001, True, 1.5])
def test_a_cost_that_is_no_small_whole_number_is_no_question(cost: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        Question("t", "payments-api", cost=cost)  # type: ignore[arg-type]


def test_every_refusal_is_counted_under_its_code_and_a_strangers_is_not(
    verifying: Verifying, given: Given, now: datetime
) -> None:
    verifier = verifying.open()
    questions = (
        asked(given, address="192.0.2.1"),
        asked(given, address="192.0.2.9"),
        asked(given, environment="dev"),
        asked(given, audience="ledger"),
        asked("junk"),
        asked(""),
    )
    for question in questions:
        verifier.verify(question, now)
    verifier.usage.flush()
    counted = {(calls.key_id, calls.code): calls.calls for calls in verifying.written}
    assert counted == {(given.key_id, CODE.OK): 2, (given.key_id, CODE.CONTEXT_DENIED): 1}
    last = next(calls for calls in verifying.written if calls.code is CODE.OK)
    assert (last.address, last.last_at, last.credential_id) == ("192.0.2.9", now, given.credential_id)


def test_a_shared_secret_that_cannot_be_unsealed_is_doubt(verifying: Verifying, shop: Shop, now: datetime) -> None:
    verifying.issuer = replace(ISSUER, algorithm=Algorithm.HS256)
    given = shop.key(issuer=verifying.issuer)
    verifying.issuer = replace(verifying.issuer, vault=Vault({"other": b"o" * 32}, "other"))
    assert verifying.open().verify(asked(given), now).code is CODE.VERIFIER_UNAVAILABLE
