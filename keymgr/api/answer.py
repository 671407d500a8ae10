"""An HTTP answer as a value, and the two ways it leaves the house: plain WSGI and Flask."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

JSON = "application/json"
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body; the length of the body is added when it is sent."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_headers(self, *headers: tuple[str, str]) -> "Answer":
        """Return the same answer with more headers."""
        return Answer(self.status, (*self.headers, *headers), self.body)

    def send(self, start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a WSGI request; 204 has neither body nor length (RFC 9110 section 8.6)."""
        headers = list(self.headers)
        if self.status != HTTPStatus.NO_CONTENT:
            headers.append(("Content-Length", str(len(self.body))))
        start_response(_STATUS_LINES[self.status], headers)
        return [self.body] if self.body else []

    def to_flask(self) -> Response:
        """Answer a Flask request."""
        return Response(self.body, status=self.status, headers=list(self.headers))


def json_answer(status: int, value: Mapping[str, Any], *, content_type: str = JSON) -> Answer:
    """Answer with a JSON object that no cache may keep."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    return Answer(status, (("Content-Type", content_type), ("Cache-Control", "no-store")), body)
