"""Which keys are in use: the one that signs, all that verify, and the set that is published."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keymgr.tokens.signing import SigningKey, VerifyingKey, verifying_key


@dataclass(frozen=True, slots=True)
class Keyring:
    """The active signing key, and by kid every key whose tokens are still accepted, the active one among them.

    Raises ValueError when the active key could not verify what it signs, or a key stands under another's kid.
    """

    active: SigningKey
    verifying: Mapping[str, VerifyingKey] = field(repr=False)

    def __post_init__(self) -> None:
        if self.verifying.get(self.active.kid) != verifying_key(self.active):
            raise ValueError(f"The active signing key {self.active.kid} is missing among the keys that verify.")
        if any(kid != key.kid for kid, key in self.verifying.items()):
            raise ValueError("A verifying key stands under a kid that is not its own.")


def keyring(active: SigningKey, others: Iterable[VerifyingKey] = ()) -> Keyring:
    """Build a keyring from the key that signs and the next and retiring ones beside it."""
    return Keyring(active, {key.kid: key for key in (*others, verifying_key(active))})


def jwks(public_jwks: Iterable[Mapping[str, Any] | None]) -> dict[str, list[dict[str, Any]]]:
    """Build the published JWK Set, leaving out None (an HS* key has no public part).

    Raises ValueError for a private member or for two keys of one kid: such a set must never leave the house.
    """
    keys = [dict(jwk) for jwk in public_jwks if jwk is not None]
    if any(name in jwk for jwk in keys for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")):
        raise ValueError("A key to be published has private members; publish only what public_jwk returns.")
    if len({jwk["kid"] for jwk in keys}) != len(keys):
        raise ValueError("Two keys to be published share one kid.")
    return {"keys": keys}
