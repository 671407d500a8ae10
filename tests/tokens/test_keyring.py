import pytest

from keymgr.tokens.keyring import Keyring, jwks, keyring
from keymgr.tokens.signing import Algorithm, SigningKey, generate, public_jwk, verifying_key

Keys = dict[Algorithm, SigningKey]


def test_a_keyring_verifies_with_the_active_key_and_the_others(keys: Keys) -> None:
    active, retiring = keys[Algorithm.ES256], keys[Algorithm.EDDSA]
    ring = keyring(active, [verifying_key(retiring)])
    assert ring.active is active
    assert ring.verifying == {key.kid: verifying_key(key) for key in (active, retiring)}


def test_a_keyring_must_be_able_to_verify_what_it_signs(keys: Keys) -> None:
    with pytest.raises(ValueError, match="missing among the keys that verify"):
        Keyring(keys[Algorithm.ES256], {})
    with pytest.raises(ValueError, match="missing among the keys that verify"):
        Keyring(keys[Algorithm.ES256], {keys[Algorithm.ES256].kid: verifying_key(generate(Algorithm.ES256))})


def test_no_key_stands_under_the_kid_of_another(keys: Keys) -> None:
    active, other = keys[Algorithm.ES256], verifying_key(keys[Algorithm.EDDSA])
    with pytest.raises(ValueError, match="not its own"):
        Keyring(active, {active.kid: verifying_key(active), "km-borrowed": other})


def test_the_published_set_leaves_out_shared_secrets(keys: Keys) -> None:
    published = jwks(public_jwk(key) for key in keys.values())
    assert [jwk["alg"] for jwk in published["keys"]] == ["ES256", "EdDSA", "RS256"]


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_a_private_member_is_never_published(member: str, keys: Keys) -> None:
    with pytest.raises(ValueError, match="private members"):
        jwks([{**(public_jwk(keys[Algorithm.ES256]) or {}), member: "AAAA"}])


def test_a_kid_is_published_once(keys: Keys) -> None:
    with pytest.raises(ValueError, match="share one kid"):
        jwks([public_jwk(keys[Algorithm.ES256])] * 2)
