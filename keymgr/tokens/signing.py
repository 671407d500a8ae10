"""Keys that sign and verify tokens: each bound to exactly one algorithm and named by its own thumbprint."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey | bytes
PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey | bytes

RSA_BITS: Final = 3072


class Algorithm(StrEnum):
    """How a token is signed, by its JOSE name. HS* is for verifying online only: its keys are never published."""

    ES256 = "ES256"
    EDDSA = "EdDSA"
    RS256 = "RS256"
    HS256 = "HS256"
    HS384 = "HS384"
    HS512 = "HS512"


_HASH_BYTES: Final[Mapping[Algorithm, int]] = {Algorithm.HS256: 32, Algorithm.HS384: 48, Algorithm.HS512: 64}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class BadKeyError(ValueError):
    """Key material that does not fit its algorithm, its curve, its size or its name."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, or for HS* the shared secret. Raises BadKeyError when it does not fit the algorithm."""

    kid: str
    algorithm: Algorithm
    private: PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        _check(self.algorithm, _public_half(self.private))


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key, or for HS* the shared secret. Raises BadKeyError when it does not fit the algorithm."""

    kid: str
    algorithm: Algorithm
    public: PublicKey = field(repr=False)

    def __post_init__(self) -> None:
        _check(self.algorithm, self.public)


def generate(algorithm: Algorithm) -> SigningKey:
    """Make a new key: P-256, Ed25519, RSA of 3072 bits, or a random secret as long as the hash."""
    match algorithm:
        case Algorithm.ES256:
            return _named(algorithm, generate_private_key(SECP256R1()))
        case Algorithm.EDDSA:
            return _named(algorithm, Ed25519PrivateKey.generate())
        case Algorithm.RS256:
            return _named(algorithm, generate_rsa_key(public_exponent=65537, key_size=RSA_BITS))
        case _:
            return _named(algorithm, secrets.token_bytes(_HASH_BYTES[algorithm]))


def to_bytes(key: SigningKey) -> bytes:
    """Write the private part as PKCS #8 DER, or the raw secret of an HS* key; seal it before it is stored."""
    if isinstance(key.private, bytes):
        return key.private
    return key.private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def from_bytes(algorithm: Algorithm, data: bytes) -> SigningKey:
    """Read what `to_bytes` wrote; the kid follows from the key. Raises BadKeyError when it does not fit."""
    if algorithm in _HASH_BYTES:
        return _named(algorithm, data)
    try:
        private = serialization.load_der_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadKeyError(f"These bytes are not a private {algorithm} key in PKCS #8 DER form.") from error
    if not isinstance(private, EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey):
        raise BadKeyError(f"This private key is of a kind that does not sign {algorithm}.")
    return _named(algorithm, private)


def verifying_key(key: SigningKey) -> VerifyingKey:
    """Give the half of a key that checks signatures."""
    return VerifyingKey(key.kid, key.algorithm, _public_half(key.private))


def public_jwk(key: SigningKey | VerifyingKey) -> dict[str, str] | None:
    """Write the public key as a JWK with `kid`, `use` and `alg`; None for HS*, which has no public part."""
    public = _public_half(key.private) if isinstance(key, SigningKey) else key.public
    if isinstance(public, bytes):
        return None
    return {**_members(public), "kid": key.kid, "use": "sig", "alg": key.algorithm.value}


def from_public_jwk(jwk: Mapping[str, Any]) -> VerifyingKey:
    """Read what `public_jwk` wrote. Raises BadKeyError unless it is public and named by its own thumbprint."""
    if not all(isinstance(value, str) for value in jwk.values()) or not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise BadKeyError("A published key must hold text members only and nothing private.")
    if jwk.get("use") != "sig" or jwk.get("alg") not in (Algorithm.ES256, Algorithm.EDDSA, Algorithm.RS256):
        raise BadKeyError("A published key must say use=sig and an algorithm among ES256, EdDSA and RS256.")
    algorithm = Algorithm(jwk["alg"])
    try:
        key = VerifyingKey(jwk.get("kid", ""), algorithm, jwt.PyJWK(dict(jwk), algorithm.value).key)
    except (jwt.PyJWTError, ValueError, KeyError) as error:
        raise BadKeyError(f"The published key is not a usable {algorithm} key.") from error
    if key.kid != _kid(key.public):
        raise BadKeyError("The published key is not named by its own thumbprint.")
    return key


def _named(algorithm: Algorithm, private: PrivateKey) -> SigningKey:
    return SigningKey(_kid(_public_half(private)), algorithm, private)


def _kid(public: PublicKey) -> str:
    """Name a key: `km-` and its RFC 7638 thumbprint.

    A shared secret has no thumbprint that may be shown (RFC 7638 section 7), so an HMAC of a constant stands in for it.
    The constant has no dot: nobody can pass that HMAC off as the signature of a token.
    """
    if isinstance(public, bytes):
        raw = hmac.digest(public, b"keymgr signing key id", "sha256")
    else:
        members = json.dumps(_members(public), separators=(",", ":"), sort_keys=True)
        raw = hashlib.sha256(members.encode("ascii")).digest()
    return "km-" + base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _members(public: EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey) -> dict[str, str]:
    """Give the members of a public key that RFC 7638 requires, which are also all that it needs."""
    match public:
        case EllipticCurvePublicKey():
            jwk = ECAlgorithm.to_jwk(public, as_dict=True)
        case RSAPublicKey():
            jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
        case _:
            jwk = OKPAlgorithm.to_jwk(public, as_dict=True)
    return {name: jwk[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in jwk}


def _public_half(private: PrivateKey) -> PublicKey:
    return private if isinstance(private, bytes) else private.public_key()


def _check(algorithm: Algorithm, public: PublicKey) -> None:
    """Refuse a key that is not exactly what its algorithm asks for: kind, curve and size."""
    match public:
        case EllipticCurvePublicKey():
            fits = algorithm is Algorithm.ES256 and isinstance(public.curve, SECP256R1)
        case RSAPublicKey():
            fits = algorithm is Algorithm.RS256 and public.key_size >= RSA_BITS
        case bytes():
            fits = len(public) == _HASH_BYTES.get(algorithm)
        case _:
            fits = algorithm is Algorithm.EDDSA and isinstance(public, Ed25519PublicKey)
    if not fits:
        raise BadKeyError(
            f"This key does not fit {algorithm}: ES256 needs P-256, EdDSA needs Ed25519, RS256 needs RSA of at least "
            f"{RSA_BITS} bits, and HS256, HS384 and HS512 need a secret of exactly 32, 48 and 64 bytes.",
        )
