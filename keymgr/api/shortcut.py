"""The way round Flask: the two calls that stand before every request of a service (docs/decisions/0011)."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keymgr.api.answer import Answer
from keymgr.api.call import Call, of_environ, of_whole
from keymgr.api.desk import Desk
from keymgr.api.gateway import answer_check
from keymgr.api.problem import Problem, ProblemCode
from keymgr.api.request_id import new_request_id
from keymgr.api.verify import answer_verify

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)
# Addresses of load balancers' health checks, which often name no host or an IP address.
_ANY_HOST = frozenset({"/healthz", "/readyz"})


@dataclass(frozen=True, slots=True)
class _Road:
    """One address that is answered here."""

    methods: tuple[str, ...]
    answer: Callable[[Desk, Call, datetime, str], Answer]


ROADS = {
    "/api/v1/verify": _Road(("POST",), answer_verify),
    "/gateway/check": _Road(("GET", "POST"), answer_check),
}


class Shortcut:
    """A WSGI application in front of Flask's: exact paths only, everything else passes through untouched."""

    def __init__(self, app: "WSGIApplication", desk: Desk) -> None:
        self._app = app
        self._desk = desk

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer the two machine calls; they never look at Host, so only the rest is held to the allowed names."""
        if environ.get("SCRIPT_NAME"):
            # We are never mounted below a prefix; a server with gunicorn's defaults takes one from any client's header.
            problem = Problem(ProblemCode.NOT_FOUND, "There is nothing at this address; check it for typing errors.")
            return _problem(self._desk, problem, new_request_id()).send(start_response)
        path = environ.get("PATH_INFO", "")
        road = ROADS.get(path)
        if road is not None:
            return _answer(self._desk, road, of_environ(environ)).send(start_response)
        if path not in _ANY_HOST and not self._host_is_allowed(environ):
            problem = Problem(
                ProblemCode.HOST_NOT_ALLOWED, "Use the portal's own address; KEYMGR_ALLOWED_HOSTS names it."
            )
            request_id = new_request_id()
            return _problem(self._desk, problem, request_id).send(start_response)
        return self._app(environ, start_response)

    def _host_is_allowed(self, environ: "WSGIEnvironment") -> bool:
        if not self._desk.allowed_hosts:
            return True
        host = environ.get("HTTP_HOST", "").casefold()
        name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
        return name in self._desk.allowed_hosts


class Quick:
    """The same calls for a server that asks without WSGI; it finds this as `keymgr.quick` among the extensions."""

    paths = frozenset(ROADS)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.blocks = desk.engine.dialect.name != "sqlite"

    def ask(
        self,
        method: str,
        path: str,
        query: str,
        *,
        peer: str,
        field: Callable[[str], str | None],
        body: bytes,
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        """Answer with status, header fields and body; `field` gives a header field by its name in lower case."""
        call = Call(
            method=method,
            query=query,
            peer=peer,
            authorization=field("authorization"),
            forwarded_for=field("x-forwarded-for"),
            content_type=field("content-type") or "",
            read=of_whole(body),
        )
        answer = _answer(self._desk, ROADS[path], call)
        return answer.status, answer.headers, answer.body


def _answer(desk: Desk, road: _Road, call: Call) -> Answer:
    now = datetime.now(UTC)
    request_id = new_request_id()
    if call.method not in road.methods:
        allow = ", ".join(road.methods)
        detail = f"Use {' or '.join(road.methods)} here."
        problem = Problem(ProblemCode.METHOD_NOT_ALLOWED, detail, headers=(("Allow", allow),))
        return _problem(desk, problem, request_id)
    try:
        return road.answer(desk, call, now, request_id).with_headers(("X-Request-Id", request_id))
    except Exception:  # noqa: BLE001 - a surprise must not become a yes, nor a page of HTML.
        _log.exception("A verdict failed unexpectedly; request=%s", request_id)
        problem = Problem(ProblemCode.UNAVAILABLE, "It cannot be decided now.", headers=(("Retry-After", "2"),))
        return _problem(desk, problem, request_id)


def _problem(desk: Desk, problem: Problem, request_id: str) -> Answer:
    return problem.answer(desk.public_url, request_id).with_headers(("X-Request-Id", request_id))
