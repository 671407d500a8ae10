"""Wrap a credential in a token that any service can verify, and unwrap what is presented."""

from collections.abc import Mapping
from typing import Final

from keymgr.tokens.claims import LEEWAY_SECONDS, Claims, check_dates, from_payload, to_payload
from keymgr.tokens.front import MAX_TOKEN_LENGTH
from keymgr.tokens.rejected import Rejected, Rejection
from keymgr.tokens.signed import check, sign
from keymgr.tokens.signing import SigningKey, VerifyingKey

TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - the name of a media type (RFC 9068), not a password.


def wrap(claims: Claims, key: SigningKey) -> str:
    """Sign claims as an access token (RFC 9068).

    Raises ValueError for claims that `unwrap` would not give back: nobody is handed a token that no one accepts.
    """
    payload = to_payload(claims)
    if from_payload(payload) != claims:
        raise ValueError(
            "These claims cannot be wrapped: a name is empty or not text, a date is no whole number, scopes are "
            "missing, or one of them has a space."
        )
    token = sign(payload, typ=TOKEN_TYPE, key=key)
    if len(token) > MAX_TOKEN_LENGTH:
        raise ValueError(f"The token would be longer than {MAX_TOKEN_LENGTH} characters; ask for fewer scopes.")
    return token


def unwrap(
    token: str,
    verifying_keys: Mapping[str, VerifyingKey],
    *,
    issuer: str,
    now: int,
    leeway_seconds: int = LEEWAY_SECONDS,
) -> Claims | Rejected:
    """Check form, type, key, signature, claims, issuer and dates of a token, in this order, and give its claims.

    The audience is the caller's to check: a wrong one has its own verdict. Never raises on what was presented.
    """
    payload = check(token, verifying_keys, typ=TOKEN_TYPE)
    if isinstance(payload, Rejected):
        return payload
    claims = from_payload(payload)
    if isinstance(claims, Rejected):
        return claims
    if claims.issuer != issuer:
        return Rejected(Rejection.WRONG_ISSUER, "The token comes from another issuer than the one trusted here.")
    return check_dates(claims, now=now, leeway_seconds=leeway_seconds) or claims
