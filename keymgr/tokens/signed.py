"""One way to sign and one way to check a signature, for every kind of token; the only module that runs PyJWT."""

import json
from collections.abc import Mapping
from typing import Any, Final

import jwt

from keymgr.tokens.front import inspect
from keymgr.tokens.rejected import Rejected, Rejection
from keymgr.tokens.signing import Algorithm, SigningKey, VerifyingKey

# Signatures only: PyJWT's own claim checks read the clock and are kinder than ours, so they stay out of the way.
_JWS: Final = jwt.PyJWS([algorithm.value for algorithm in Algorithm], {"enforce_minimum_key_length": True})


def sign(payload: Mapping[str, Any], *, typ: str, key: SigningKey) -> str:
    """Sign a payload as a compact JWS with the header `alg, kid, typ`, in that order: all our tokens begin alike.

    Raises ValueError for text that is not valid Unicode.
    """
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
    return _JWS.encode(body, key.private, algorithm=key.algorithm.value, headers={"kid": key.kid, "typ": typ})


def check(token: str, verifying_keys: Mapping[str, VerifyingKey], *, typ: str) -> Mapping[str, Any] | Rejected:
    """Check form, type, key and signature of a token; gives its payload, in which every claim is still to be judged.

    The key is found by exact kid in our own registry and used with its own algorithm: the header only has to agree.
    """
    presented = inspect(token, typ=typ)
    if isinstance(presented, Rejected):
        return presented
    key = verifying_keys.get(presented.kid)
    if key is None:
        return Rejected(Rejection.UNKNOWN_KEY, "The token is signed with a key that is not, or no longer, one of ours.")
    if presented.algorithm != key.algorithm.value:
        return Rejected(Rejection.WRONG_ALGORITHM, "The token names another algorithm than its key is for.")
    return presented.payload if _signature_fits(token, key) else _BAD_SIGNATURE


_BAD_SIGNATURE: Final = Rejected(
    Rejection.BAD_SIGNATURE, "The token's signature does not fit; it was changed or forged."
)


def _signature_fits(token: str, key: VerifyingKey) -> bool:
    try:
        _JWS.decode_complete(token, key.public, algorithms=[key.algorithm.value])
    except jwt.InvalidTokenError:
        return False
    return True
