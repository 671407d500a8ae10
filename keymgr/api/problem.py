"""Errors for machines: RFC 9457 problem details, each kind with one documented address (docs/errors)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from keymgr.api.answer import Answer, json_answer

CONTENT_TYPE = "application/problem+json"


class ProblemCode(StrEnum):
    """What went wrong with a call, as opposed to what a verdict says of a key. Stable: the last part of `type`."""

    BAD_REQUEST = "bad_request"
    BODY_TOO_LARGE = "body_too_large"
    HOST_NOT_ALLOWED = "host_not_allowed"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_FOUND = "not_found"
    STALE = "stale"
    TOO_MANY_REQUESTS = "too_many_requests"
    UNAUTHENTICATED = "unauthenticated"
    UNAVAILABLE = "unavailable"
    UNKNOWN_SERVICE = "unknown_service"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"


_MEANINGS: Mapping[ProblemCode, tuple[int, str]] = MappingProxyType(
    {
        ProblemCode.BAD_REQUEST: (400, "The request cannot be understood"),
        ProblemCode.BODY_TOO_LARGE: (413, "The request body is too large"),
        ProblemCode.HOST_NOT_ALLOWED: (400, "This host name is not served here"),
        ProblemCode.METHOD_NOT_ALLOWED: (405, "This address does not take this method"),
        ProblemCode.NOT_FOUND: (404, "There is nothing at this address"),
        ProblemCode.STALE: (409, "Another policy is in force by now"),
        ProblemCode.TOO_MANY_REQUESTS: (429, "There were too many requests"),
        ProblemCode.UNAUTHENTICATED: (401, "The caller is not known"),
        ProblemCode.UNAVAILABLE: (503, "It cannot be decided at the moment"),
        ProblemCode.UNKNOWN_SERVICE: (400, "There is no such service"),
        ProblemCode.UNSUPPORTED_MEDIA_TYPE: (415, "The request body must be JSON"),
    },
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a body or query: where (`#/scopes/0` is a JSON pointer, `aud` a parameter), and what."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem before it knows which request it belongs to. `detail` says what to do next, and nothing internal."""

    code: ProblemCode
    detail: str
    faults: Sequence[Fault] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def answer(self, public_url: str, request_id: str) -> Answer:
        """Write it out; `instance` is the request id that the log has, too."""
        status, title = _MEANINGS[self.code]
        value = {
            "type": f"{public_url}/docs/errors/{self.code}",
            "title": title,
            "status": status,
            "detail": self.detail,
            "instance": request_id,
        }
        if self.faults:
            errors = [{"pointer": fault.pointer, "detail": fault.detail} for fault in self.faults]
            return json_answer(status, {**value, "errors": errors}, content_type=CONTENT_TYPE).with_headers(
                *self.headers
            )
        return json_answer(status, value, content_type=CONTENT_TYPE).with_headers(*self.headers)
