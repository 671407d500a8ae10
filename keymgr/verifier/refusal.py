"""A call that a service must not serve, with everything its HTTP answer needs."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from keymgr.tokens.verdicts import HTTP_MEANINGS, VerdictCode
from keymgr.verifier.challenge import rate_limit_fields, www_authenticate
from keymgr.verifier.key import Limit

UNAVAILABLE_RETRY_SECONDS: Final = 2

_QUOTA_TYPE: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not. `scopes` are those that the call needs; `retry_after_seconds` None: the limits say it."""

    code: VerdictCode
    message: str
    scopes: frozenset[str] = frozenset()
    limits: tuple[Limit, ...] = ()
    retry_after_seconds: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status to answer with."""
        return HTTP_MEANINGS[self.code].status

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The fields to answer with: type, no caching, challenge, when to try again, how the limits stand."""
        challenge = www_authenticate(self.code, self.message, self.scopes)
        wait_seconds = self._wait_seconds()
        return (
            ("Content-Type", "application/problem+json"),
            ("Cache-Control", "no-store"),
            *(() if challenge is None else (("WWW-Authenticate", challenge),)),
            *(() if wait_seconds is None else (("Retry-After", str(wait_seconds)),)),
            *rate_limit_fields(self.limits),
        )

    @property
    def body(self) -> bytes:
        """The problem details (RFC 9457) to answer with; `code` is the word for programs."""
        problem: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "code": self.code.value,
        }
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            problem |= {"type": _QUOTA_TYPE, "violated-policies": [limit.name for limit in self._used_up()]}
        if self.code is VerdictCode.SCOPE_MISSING:
            problem["scopes"] = sorted(self.scopes)
        return json.dumps(problem).encode("ascii")

    def _used_up(self) -> tuple[Limit, ...]:
        return tuple(limit for limit in self.limits if limit.remaining == 0)

    def _wait_seconds(self) -> int | None:
        """Say when to try again: as the server told, else when the last used-up window starts over; None for never."""
        if self.retry_after_seconds is not None:
            return self.retry_after_seconds
        match self.status:
            case HTTPStatus.TOO_MANY_REQUESTS:
                return max((limit.resets_in_seconds for limit in self._used_up()), default=1)
            case HTTPStatus.SERVICE_UNAVAILABLE:
                return UNAVAILABLE_RETRY_SECONDS
            case _:
                return None
