"""The machine's door on the Flask side: published documents, health, and errors that are never HTML."""

import logging
from contextlib import suppress

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from keymgr.api.desk import Desk
from keymgr.api.forge_hook import add_forge_hook
from keymgr.api.health import add_health
from keymgr.api.policy_plan import add_policy_plan
from keymgr.api.problem import Problem, ProblemCode
from keymgr.api.request_id import request_id
from keymgr.api.shortcut import Shortcut
from keymgr.api.wellknown import add_wellknown

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
# Whatever is below these addresses speaks JSON, also when there is nothing.
_OURS = ("/api", "/gateway", "/.well-known", "/status-lists", "/healthz", "/readyz")
_log = logging.getLogger(__name__)


def register(app: Flask, desk: Desk) -> None:
    """Add the machine's door to the application, and the short cut in front of it."""
    blueprint = Blueprint("api", __name__)
    add_wellknown(blueprint, desk)
    add_health(blueprint, desk)
    add_policy_plan(blueprint, desk)
    add_forge_hook(blueprint, desk)
    _add_errors(blueprint, desk)
    app.register_blueprint(blueprint)
    app.extensions["keymgr.api"] = desk
    app.wsgi_app = Shortcut(app.wsgi_app, desk)  # type: ignore[method-assign]  # Flask's documented place for middleware.


def _add_errors(blueprint: Blueprint, desk: Desk) -> None:
    def answer_nothing(rest: str = "") -> Response:
        """Answer for addresses that nobody has, and for methods that an address does not take."""
        del rest
        return _nothing_here().answer(desk.public_url, request_id()).to_flask()

    for start in _OURS:
        for rule in (start, f"{start}/", f"{start}/<path:rest>"):
            blueprint.add_url_rule(rule, "nothing", answer_nothing, methods=_METHODS, provide_automatic_options=False)

    @blueprint.errorhandler(Exception)
    def answer_surprise(error: Exception) -> Response:
        """Answer what went wrong without saying anything of the inside; the log has it."""
        if isinstance(error, HTTPException) and error.code is not None and error.code < 500:  # noqa: PLR2004 - HTTP's own first server error.
            problem = Problem(ProblemCode.BAD_REQUEST, "The request cannot be understood.")
        else:
            _log.exception("A machine's request failed; request=%s", request_id())
            problem = Problem(ProblemCode.UNAVAILABLE, "This cannot be answered now.", headers=(("Retry-After", "5"),))
        return problem.answer(desk.public_url, request_id()).to_flask()

    @blueprint.after_request
    def name_request(response: Response) -> Response:
        """Give every answer its request id, and keep what says nothing else out of caches."""
        response.headers["X-Request-Id"] = request_id()
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response


def _nothing_here() -> Problem:
    allowed = _allowed_methods()
    if not allowed:
        return Problem(ProblemCode.NOT_FOUND, "There is nothing at this address; check it for typing errors.")
    headers = (("Allow", ", ".join(allowed)),)
    return Problem(ProblemCode.METHOD_NOT_ALLOWED, f"Use {' or '.join(allowed)} here.", headers=headers)


def _allowed_methods() -> list[str]:
    """List the methods that another rule takes at this address; only ours takes every method everywhere."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None  # noqa: S101 - there is a request.
    allowed = []
    for method in _METHODS:
        with suppress(HTTPException):
            endpoint, _ = adapter.match(method=method)
            if endpoint != "api.nothing":
                allowed.append(method)
    return allowed
