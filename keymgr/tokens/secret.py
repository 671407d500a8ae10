"""The secret inside a credential: how it is made, and the keyed hash that is all we keep of it."""

import hashlib
import hmac
import secrets
from typing import Final

MIN_SECRET_BYTES: Final = 32
MAX_SECRET_BYTES: Final = 64
MIN_PEPPER_BYTES: Final = 32


def mint(n_bytes: int = MIN_SECRET_BYTES) -> str:
    """Make a new secret of `n_bytes` from the system's random source, as base64url text without padding.

    Raises ValueError below 32 bytes (256 bits) and above 64.
    """
    if not MIN_SECRET_BYTES <= n_bytes <= MAX_SECRET_BYTES:
        raise ValueError(
            f"A secret of {n_bytes} bytes cannot be minted; choose a secret length from {MIN_SECRET_BYTES} bytes "
            f"(256 bits) to {MAX_SECRET_BYTES} bytes.",
        )
    return secrets.token_urlsafe(n_bytes)


def digest(secret: str, pepper: bytes) -> bytes:
    """Compute the keyed hash that is stored: HMAC-SHA256 of the secret under a pepper kept outside the database.

    Raises ValueError when the pepper is shorter than 32 bytes: a short one could be guessed from a database dump.
    """
    if len(pepper) < MIN_PEPPER_BYTES:
        raise ValueError(f"The pepper has {len(pepper)} bytes; it needs at least {MIN_PEPPER_BYTES} random bytes.")
    return hmac.digest(pepper, secret.encode("utf-8", "surrogatepass"), "sha256")


def matches(secret: str, expected: bytes, pepper: bytes) -> bool:
    """Say whether `secret` is the one whose digest is stored, in time that does not depend on where they differ."""
    return hmac.compare_digest(digest(secret, pepper), expected)


def token_digest(token: str) -> bytes:
    """Compute the SHA-256 of a presented token's exact characters: the key of a cache of checked signatures.

    State, denylists and replay checks never use it: one token can have several texts that all verify (an ECDSA
    signature has a twin), so those are keyed by credential id. Lone surrogates do not raise.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
