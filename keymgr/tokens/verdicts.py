"""What a verification can answer, and what each answer means over HTTP: one table for server, gateway and verifier."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class VerdictCode(StrEnum):
    """Why a presented credential is accepted or not. Stable: answers, audit events and metrics use these words."""

    OK = "ok"
    KEY_MISSING = "key_missing"
    KEY_INVALID = "key_invalid"
    KEY_EXPIRED = "key_expired"
    KEY_REVOKED = "key_revoked"
    KEY_SUPERSEDED = "key_superseded"
    KEY_SUSPENDED = "key_suspended"
    KEY_WRONG_AUDIENCE = "key_wrong_audience"
    SCOPE_MISSING = "scope_missing"
    CONTEXT_DENIED = "context_denied"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    VERIFIER_UNAVAILABLE = "verifier_unavailable"


@dataclass(frozen=True, slots=True)
class HttpMeaning:
    """The status a service answers with, and the RFC 6750 `error` word of its challenge.

    `challenge` says whether WWW-Authenticate is sent at all; with `error` None it is bare: nothing was presented.
    """

    status: int
    challenge: bool = False
    error: str | None = None


_INVALID_TOKEN = HttpMeaning(401, challenge=True, error="invalid_token")

HTTP_MEANINGS: Mapping[VerdictCode, HttpMeaning] = MappingProxyType(
    {
        VerdictCode.OK: HttpMeaning(200),
        VerdictCode.KEY_MISSING: HttpMeaning(401, challenge=True),
        VerdictCode.KEY_INVALID: _INVALID_TOKEN,
        VerdictCode.KEY_EXPIRED: _INVALID_TOKEN,
        VerdictCode.KEY_REVOKED: _INVALID_TOKEN,
        VerdictCode.KEY_SUPERSEDED: _INVALID_TOKEN,
        VerdictCode.KEY_SUSPENDED: _INVALID_TOKEN,
        VerdictCode.KEY_WRONG_AUDIENCE: _INVALID_TOKEN,
        VerdictCode.SCOPE_MISSING: HttpMeaning(403, challenge=True, error="insufficient_scope"),
        VerdictCode.CONTEXT_DENIED: HttpMeaning(403),
        VerdictCode.RATE_LIMITED: HttpMeaning(429),
        VerdictCode.QUOTA_EXCEEDED: HttpMeaning(429),
        VerdictCode.VERIFIER_UNAVAILABLE: HttpMeaning(503),
    },
)
