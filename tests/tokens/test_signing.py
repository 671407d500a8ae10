import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, OKPKey, RSAKey

from keymgr.tokens.signing import (
    Algorithm,
    BadKeyError,
    PrivateKey,
    SigningKey,
    VerifyingKey,
    from_bytes,
    from_public_jwk,
    generate,
    public_jwk,
    to_bytes,
    verifying_key,
)

PUBLISHED = (Algorithm.ES256, Algorithm.EDDSA, Algorithm.RS256)
SHARED = (Algorithm.HS256, Algorithm.HS384, Algorithm.HS512)
Keys = dict[Algorithm, SigningKey]


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_key_comes_back_from_its_bytes(algorithm: Algorithm, keys: Keys) -> None:
    again = from_bytes(algorithm, to_bytes(keys[algorithm]))
    assert verifying_key(again) == verifying_key(keys[algorithm])
    assert to_bytes(again) == to_bytes(keys[algorithm])


@pytest.mark.parametrize("algorithm", PUBLISHED)
def test_a_public_key_comes_back_from_its_jwk(algorithm: Algorithm, keys: Keys) -> None:
    jwk = public_jwk(keys[algorithm])
    assert jwk is not None
    assert from_public_jwk(jwk) == verifying_key(keys[algorithm])
    assert public_jwk(verifying_key(keys[algorithm])) == jwk


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [
        (Algorithm.ES256, {"kty", "crv", "x", "y", "kid", "use", "alg"}),
        (Algorithm.EDDSA, {"kty", "crv", "x", "kid", "use", "alg"}),
        (Algorithm.RS256, {"kty", "n", "e", "kid", "use", "alg"}),
    ],
)
def test_a_jwk_has_exactly_the_public_members(algorithm: Algorithm, members: set[str], keys: Keys) -> None:
    jwk = public_jwk(keys[algorithm])
    assert jwk is not None
    assert jwk.keys() == members
    assert (jwk["use"], jwk["alg"]) == ("sig", algorithm)


@pytest.mark.parametrize("algorithm", SHARED)
def test_a_shared_secret_has_no_jwk(algorithm: Algorithm, keys: Keys) -> None:
    assert public_jwk(keys[algorithm]) is None
    assert public_jwk(verifying_key(keys[algorithm])) is None


@pytest.mark.parametrize(
    ("algorithm", "library"),
    [(Algorithm.ES256, ECKey), (Algorithm.EDDSA, OKPKey), (Algorithm.RS256, RSAKey)],
)
def test_the_kid_is_the_thumbprint_that_another_library_computes(
    algorithm: Algorithm, library: type[ECKey | OKPKey | RSAKey], keys: Keys
) -> None:
    key = keys[algorithm]
    jwk: dict[str, str | list[str]] = {**(public_jwk(key) or {})}
    assert key.kid == "km-" + library.import_key(jwk).thumbprint()


@pytest.mark.parametrize("algorithm", SHARED)
def test_the_kid_of_a_shared_secret_shows_neither_it_nor_its_thumbprint(algorithm: Algorithm, keys: Keys) -> None:
    secret = to_bytes(keys[algorithm])
    assert keys[algorithm].kid.startswith("km-")
    assert len(keys[algorithm].kid) == 46
    assert base64.urlsafe_b64encode(secret)[:20].decode() not in keys[algorithm].kid


@pytest.mark.parametrize(("algorithm", "n_bytes"), [*zip(SHARED, (32, 48, 64), strict=True)])
def test_a_shared_secret_is_as_long_as_the_hash(algorithm: Algorithm, n_bytes: int, keys: Keys) -> None:
    assert len(to_bytes(keys[algorithm])) == n_bytes
    for wrong in (b"", b"s" * (n_bytes - 1), b"s" * (n_bytes + 1)):
        with pytest.raises(BadKeyError, match=f"does not fit {algorithm}"):
            from_bytes(algorithm, wrong)


def test_rsa_keys_have_3072_bits(keys: Keys) -> None:
    private = keys[Algorithm.RS256].private
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 3072


@pytest.mark.parametrize(
    ("algorithm", "private"),
    [
        (Algorithm.ES256, ec.generate_private_key(ec.SECP384R1())),
        (Algorithm.ES256, ed25519.Ed25519PrivateKey.generate()),
        (Algorithm.EDDSA, ec.generate_private_key(ec.SECP256R1())),
        (Algorithm.RS256, rsa.generate_private_key(65537, 2048)),
        (Algorithm.RS256, b"s" * 32),
        (Algorithm.HS256, ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["P-384", "Ed25519 for ES256", "P-256 for EdDSA", "2048 bits", "secret for RS256", "P-256 for HS256"],
)
def test_a_key_that_does_not_fit_its_algorithm_cannot_be_made(algorithm: Algorithm, private: PrivateKey) -> None:
    with pytest.raises(BadKeyError, match="does not fit"):
        SigningKey("km-x", algorithm, private)
    with pytest.raises(BadKeyError, match="does not fit"):
        VerifyingKey("km-x", algorithm, private if isinstance(private, bytes) else private.public_key())


def test_bytes_that_are_no_key_are_refused() -> None:
    with pytest.raises(BadKeyError, match="PKCS #8"):
        from_bytes(Algorithm.ES256, b"junk")


def test_the_bytes_of_another_kind_of_key_are_refused() -> None:
    data = ed448.Ed448PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BadKeyError, match="of a kind that does not sign"):
        from_bytes(Algorithm.EDDSA, data)


@pytest.mark.parametrize(
    "change",
    [
        {"d": "AAAA"},
        {"k": "AAAA"},
        {"x": 5},
        {"key_ops": ["verify"]},
        {"use": "enc"},
        {"use": None},
        {"alg": "ES384"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"kty": "RSA"},
        {"kty": "oct"},
        {"crv": "P-384"},
        {"x": "AAAA"},
        {"x": "!"},
        {"y": base64.urlsafe_b64encode(b"\x01" * 32).decode().rstrip("=")},
        {"kid": "km-somebody-else"},
        {"kid": None},
        {"kty": None},
    ],
    ids=str,
)
def test_a_published_key_that_is_not_wholly_right_is_refused(change: dict[str, Any], keys: Keys) -> None:
    jwk = {**(public_jwk(keys[Algorithm.ES256]) or {}), **change}
    with pytest.raises(BadKeyError):
        from_public_jwk({name: value for name, value in jwk.items() if value is not None})


def test_private_keys_stay_out_of_the_representation() -> None:
    key = generate(Algorithm.HS256)
    assert repr(to_bytes(key)) not in repr(key)
    assert repr(to_bytes(key)) not in repr(verifying_key(key))
