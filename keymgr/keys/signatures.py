"""Proof that a presented text is one of our tokens. A signature that was good is remembered for the exact bytes.

The memory is keyed by the SHA-256 of the token, kid included, and holds with it the very set of keys that checked it:
it ends with the token's `exp`, with any change of the signing keys, and when room is needed. State is never looked up
by token text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keymgr.policy.model import TokenForm
from keymgr.store.generations import Generations
from keymgr.tokens.claims import Claims, check_dates
from keymgr.tokens.front import MAX_TOKEN_LENGTH
from keymgr.tokens.opaque import recognise
from keymgr.tokens.rejected import Rejected, Rejection
from keymgr.tokens.secret import digest, token_digest
from keymgr.tokens.signing import VerifyingKey
from keymgr.tokens.wrap import unwrap

CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class Proof:
    """What a text proves by itself: which credential it is, and for a JWT what was signed.

    `secret_digest` is None where a JWT wraps no secret; `claims` is None for an opaque key, which signs nothing.
    """

    credential_id: str
    form: TokenForm
    environment: str
    secret_digest: bytes | None = field(repr=False)
    claims: Claims | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """A token whose signature was good under one of `keys`, as they were at that moment."""

    keys: Mapping[str, VerifyingKey]
    proof: Proof


class Signatures:
    """Checks presented texts for one issuer; threads may share it."""

    def __init__(self, *, issuer: str, pepper: bytes, leeway_seconds: int, capacity: int = CAPACITY) -> None:
        self._issuer = issuer
        self._pepper = pepper
        self._leeway_seconds = leeway_seconds
        self._checked: Generations[bytes, _Checked] = Generations(capacity)

    def prove(self, text: str, keys: Mapping[str, VerifyingKey], now: int) -> Proof | Rejected:
        """Check an opaque key's checksum, or a JWT's form, signature, issuer and dates against these signing keys."""
        if len(text) > MAX_TOKEN_LENGTH:
            return Rejected(Rejection.MALFORMED, f"The token is longer than {MAX_TOKEN_LENGTH} characters.")
        if text.startswith("km_"):
            return self._opaque(text)
        name = token_digest(text)
        checked = self._checked.get(name)
        if checked is not None and checked.keys is keys:
            return self._again(checked.proof, now)
        return self._first_time(name, text, keys, now)

    def _opaque(self, text: str) -> Proof | Rejected:
        opaque = recognise(text)
        if opaque is None:
            return Rejected(Rejection.MALFORMED, "The key's checksum is wrong; present it exactly as issued.")
        secret_digest = digest(opaque.secret, self._pepper)
        return Proof(opaque.credential_id, TokenForm.OPAQUE, opaque.environment, secret_digest)

    def _again(self, proof: Proof, now: int) -> Proof | Rejected:
        assert proof.claims is not None  # noqa: S101 - only JWTs are remembered.
        return check_dates(proof.claims, now=now, leeway_seconds=self._leeway_seconds) or proof

    def _first_time(self, name: bytes, text: str, keys: Mapping[str, VerifyingKey], now: int) -> Proof | Rejected:
        claims = unwrap(text, keys, issuer=self._issuer, now=now, leeway_seconds=self._leeway_seconds)
        if isinstance(claims, Rejected):
            return claims
        secret_digest = None if claims.secret is None else digest(claims.secret, self._pepper)
        bare = replace(claims, secret=None)
        proof = Proof(claims.credential_id, TokenForm.JWT, claims.environment, secret_digest, bare)
        self._checked.put(name, _Checked(keys, proof))
        return proof
