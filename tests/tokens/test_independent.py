"""Somebody else's library verifies our tokens with nothing but what we publish."""

import json

import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from keymgr.tokens.claims import Claims, to_payload
from keymgr.tokens.keyring import jwks
from keymgr.tokens.signing import Algorithm, SigningKey, generate, public_jwk
from keymgr.tokens.status_list import encode, wrap_status_list
from keymgr.tokens.wrap import wrap

Keys = dict[Algorithm, SigningKey]


@pytest.fixture(scope="module")
def published(keys: Keys) -> KeySet:
    text = json.dumps(jwks(public_jwk(key) for key in keys.values()))
    return KeySet.import_key_set(json.loads(text))


# RFC 9864 renames EdDSA to Ed25519; PyJWT does not know that name yet, and joserfc warns of the old one.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.RS256, Algorithm.EDDSA])
def test_joserfc_verifies_our_tokens_from_the_published_set_alone(
    algorithm: Algorithm, keys: Keys, published: KeySet, claims: Claims
) -> None:
    token = joserfc_jwt.decode(wrap(claims, keys[algorithm]), published, algorithms=[algorithm.value])
    assert token.header == {"alg": algorithm, "kid": keys[algorithm].kid, "typ": "at+jwt"}
    assert token.claims == to_payload(claims)
    rules = joserfc_jwt.JWTClaimsRegistry(
        now=claims.issued_at,
        iss={"essential": True, "value": claims.issuer},
        aud={"essential": True, "value": claims.audience},
        exp={"essential": True},
    )
    rules.validate(token.claims)


def test_joserfc_refuses_a_token_of_a_key_that_only_borrows_a_published_kid(
    keys: Keys, published: KeySet, claims: Claims
) -> None:
    stranger = SigningKey(keys[Algorithm.ES256].kid, Algorithm.ES256, generate(Algorithm.ES256).private)
    with pytest.raises(BadSignatureError):
        joserfc_jwt.decode(wrap(claims, stranger), published, algorithms=["ES256"])


def test_joserfc_verifies_our_status_list(keys: Keys, published: KeySet) -> None:
    text = wrap_status_list(
        encode(16, [3]),
        keys[Algorithm.ES256],
        issuer="https://keys.example.com",
        uri="https://keys.example.com/status/1",
        issued_at=1,
        expires_at=2,
        ttl_seconds=1,
    )
    token = joserfc_jwt.decode(text, published, algorithms=["ES256"])
    assert token.header["typ"] == "statuslist+jwt"
    assert token.claims == {
        "iss": "https://keys.example.com",
        "sub": "https://keys.example.com/status/1",
        "iat": 1,
        "exp": 2,
        "ttl": 1,
        "status_list": {"bits": 1, "lst": encode(16, [3])},
    }
