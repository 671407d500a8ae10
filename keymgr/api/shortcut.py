"""The way round Flask: the two calls that stand before every request of a service (docs/decisions/0011)."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keymgr.api.answer import Answer
from keymgr.api.body import Environ
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
    answer: Callable[[Desk, Environ, datetime, str], Answer]


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
            return self._problem(problem, new_request_id()).send(start_response)
        path = environ.get("PATH_INFO", "")
        road = ROADS.get(path)
        if road is not None:
            return self._answer(road, environ).send(start_response)
        if path not in _ANY_HOST and not self._host_is_allowed(environ):
            problem = Problem(
                ProblemCode.HOST_NOT_ALLOWED, "Use the portal's own address; KEYMGR_ALLOWED_HOSTS names it."
            )
            request_id = new_request_id()
            return self._problem(problem, request_id).send(start_response)
        return self._app(environ, start_response)

    def _answer(self, road: _Road, environ: Environ) -> Answer:
        now = datetime.now(UTC)
        request_id = new_request_id()
        if environ["REQUEST_METHOD"] not in road.methods:
            allow = ", ".join(road.methods)
            detail = f"Use {' or '.join(road.methods)} here."
            return self._problem(
                Problem(ProblemCode.METHOD_NOT_ALLOWED, detail, headers=(("Allow", allow),)), request_id
            )
        try:
            return road.answer(self._desk, environ, now, request_id).with_headers(("X-Request-Id", request_id))
        except Exception:  # noqa: BLE001 - a surprise must not become a yes, nor a page of HTML.
            _log.exception("A verdict failed unexpectedly; request=%s", request_id)
            problem = Problem(ProblemCode.UNAVAILABLE, "It cannot be decided now.", headers=(("Retry-After", "2"),))
            return self._problem(problem, request_id)

    def _problem(self, problem: Problem, request_id: str) -> Answer:
        answer = problem.answer(self._desk.public_url, request_id)
        return answer.with_headers(("X-Request-Id", request_id))

    def _host_is_allowed(self, environ: Environ) -> bool:
        if not self._desk.allowed_hosts:
            return True
        host = environ.get("HTTP_HOST", "").casefold()
        name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
        return name in self._desk.allowed_hosts
