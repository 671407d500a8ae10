"""What a token says, as one value, and the only place that turns it into JSON members and back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from keymgr.tokens.front import MAX_INTEGER
from keymgr.tokens.rejected import Rejected, Rejection

LEEWAY_SECONDS: Final = 30
MAX_LEEWAY_SECONDS: Final = 60

# RFC 6749 section 3.3: printable ASCII without space, quote and backslash; one space between two scopes.
_SCOPES: Final = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")
_TEXTS: Final = ("iss", "sub", "aud", "client_id", "jti", "env", "pol")
_DATES: Final = ("iat", "nbf", "exp")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Dates are seconds since 1970; `secret` is None where none is wrapped (stateless mode)."""

    issuer: str
    subject: str
    audience: str
    client_id: str
    credential_id: str
    scopes: frozenset[str]
    environment: str
    issued_at: int
    not_before: int
    expires_at: int
    status_index: int
    status_uri: str
    policy: str
    secret: str | None = field(default=None, repr=False)


def to_payload(claims: Claims) -> dict[str, Any]:
    """Write claims as the members of a token; scopes are sorted, so that the same claims give the same bytes."""
    payload: dict[str, Any] = {
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": claims.audience,
        "client_id": claims.client_id,
        "jti": claims.credential_id,
        "scope": " ".join(sorted(claims.scopes)),
        "env": claims.environment,
        "iat": claims.issued_at,
        "nbf": claims.not_before,
        "exp": claims.expires_at,
        "status": {"status_list": {"idx": claims.status_index, "uri": claims.status_uri}},
        "pol": claims.policy,
    }
    return payload if claims.secret is None else {**payload, "sec": claims.secret}


def from_payload(payload: Mapping[str, Any]) -> Claims | Rejected:
    """Read the members of a token strictly: every claim there, text where text belongs, whole numbers for dates."""
    if not all(_is_text(payload.get(name)) for name in _TEXTS):
        return _malformed("One of iss, sub, aud, client_id, jti, env and pol is missing or is not text.")
    if not all(_is_whole_number(payload.get(name)) for name in _DATES):
        return _malformed("One of iat, nbf and exp is missing or is not a whole number of seconds.")
    scope = payload.get("scope")
    if not (isinstance(scope, str) and _SCOPES.fullmatch(scope)):
        return _malformed("scope is missing or is not a list of scopes separated by single spaces.")
    status = _status(payload.get("status"))
    if status is None:
        return _malformed("status does not name a place in a status list.")
    if "sec" in payload and not _is_text(payload["sec"]):
        return _malformed("sec is not text.")
    return Claims(
        issuer=payload["iss"],
        subject=payload["sub"],
        audience=payload["aud"],
        client_id=payload["client_id"],
        credential_id=payload["jti"],
        scopes=frozenset(scope.split(" ")),
        environment=payload["env"],
        issued_at=payload["iat"],
        not_before=payload["nbf"],
        expires_at=payload["exp"],
        status_index=status[0],
        status_uri=status[1],
        policy=payload["pol"],
        secret=payload.get("sec"),
    )


def check_dates(claims: Claims, *, now: int, leeway_seconds: int = LEEWAY_SECONDS) -> Rejected | None:
    """Say whether a token is outside its dates at `now`; None when it is inside. Cheap: for claims read before, too.

    Raises ValueError for a leeway below 0 or above 60 seconds.
    """
    if not 0 <= leeway_seconds <= MAX_LEEWAY_SECONDS:
        raise ValueError(f"A leeway of {leeway_seconds} seconds is not allowed; choose 0 to {MAX_LEEWAY_SECONDS}.")
    if claims.expires_at <= now - leeway_seconds:
        return Rejected(Rejection.EXPIRED, "The token has expired; ask for a new one or rotate the key.")
    if max(claims.not_before, claims.issued_at) > now + leeway_seconds:
        return Rejected(Rejection.NOT_YET_VALID, "The token is not valid yet; check the clock of this machine.")
    return None


def _malformed(sentence: str) -> Rejected:
    return Rejected(Rejection.MALFORMED, f"The token's claims are not of our making: {sentence}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_whole_number(value: object) -> bool:
    # A bool is an int to Python, never to us.
    return type(value) is int and 0 <= value <= MAX_INTEGER


def _status(status: object) -> tuple[int, str] | None:
    """Read `{"status_list": {"idx": 7, "uri": "https://…"}}`; None for anything else."""
    match status:
        case {"status_list": {"idx": int() as index, "uri": str() as uri}} if _is_whole_number(index) and uri:
            return index, uri
        case _:
            return None
