"""The Token Status List: one bit per credential, compressed and signed, that tells offline verifiers of revocations."""

import base64
import zlib
from collections.abc import Iterable
from typing import Final

from keymgr.tokens.signed import sign
from keymgr.tokens.signing import SigningKey

STATUS_LIST_TYPE: Final = "statuslist+jwt"


def encode(size: int, revoked: Iterable[int]) -> str:
    """Write a list of `size` credentials in which those at the indexes `revoked` are invalid: zlib, then base64url.

    The lowest index is the lowest bit of the first byte. Raises ValueError for an index outside the list.
    """
    bits = bytearray((size + 7) // 8)
    for index in revoked:
        if not 0 <= index < size:
            raise ValueError(f"The status index {index} is outside a list of {size}.")
        bits[index >> 3] |= 1 << (index & 7)
    return base64.urlsafe_b64encode(zlib.compress(bytes(bits), 9)).decode("ascii").rstrip("=")


def wrap_status_list(
    encoded: str,
    key: SigningKey,
    *,
    issuer: str,
    uri: str,
    issued_at: int,
    expires_at: int,
    ttl_seconds: int,
) -> str:
    """Sign an encoded list as a status list token; `uri` is its own address, the one that tokens refer to."""
    payload = {
        "iss": issuer,
        "sub": uri,
        "iat": issued_at,
        "exp": expires_at,
        "ttl": ttl_seconds,
        "status_list": {"bits": 1, "lst": encoded},
    }
    return sign(payload, typ=STATUS_LIST_TYPE, key=key)
