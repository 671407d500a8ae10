"""POST /api/v1/policy/hook: the forge says that something was pushed, and the clock fetches soon."""

from datetime import UTC, datetime

from flask import Blueprint, Response, request
from limits import RateLimitItemPerMinute
from sqlalchemy.orm import Session

from keymgr.api.answer import Answer, json_answer
from keymgr.api.call import of_environ
from keymgr.api.desk import Desk
from keymgr.api.problem import Problem, ProblemCode
from keymgr.api.refusals import log_unknown_caller
from keymgr.api.request_id import request_id
from keymgr.api.turnstile import pass_turnstile
from keymgr.people.address import client_address
from keymgr.reconcile.forge import Hook, accept, genuine

BYTES_MAX = 1024 * 1024
PER_ADDRESS = RateLimitItemPerMinute(120, 1, namespace="forge-hook")
_FORGED = Problem(
    ProblemCode.UNAUTHENTICATED,
    "The signature is not that of this delivery. Use the same secret on the forge and in KEYMGR_FORGE_WEBHOOK_SECRET.",
)


def add_forge_hook(blueprint: Blueprint, desk: Desk) -> None:
    """Add the call to the machine's door; without a secret there is no such address."""
    hook = desk.policy.hook
    if hook is None:
        return

    @blueprint.post("/api/v1/policy/hook")
    def take_delivery() -> Response:
        """Answer 202 to every genuine delivery, whatever it says, before anything is fetched."""
        answer = _answer(desk, hook, datetime.now(UTC))
        return (answer.answer(desk.public_url, request_id()) if isinstance(answer, Problem) else answer).to_flask()


def _answer(desk: Desk, hook: Hook, now: datetime) -> Answer | Problem:
    call = of_environ(request.environ)
    address = client_address(call.peer, call.forwarded_for, desk.trusted_proxies)
    body = pass_turnstile(desk.policy.limiter, PER_ADDRESS, address, now) or call.read(BYTES_MAX)
    if isinstance(body, Problem):
        return body
    names = genuine(hook, _headers(), body, now)
    if not names:
        log_unknown_caller(address, request_id())
        return _FORGED
    with Session(desk.engine) as session, session.begin():
        is_new = accept(session, names, now)
    return json_answer(202, {"status": "accepted" if is_new else "seen before", "request_id": request_id()})


def _headers() -> dict[str, str]:
    """Return the request's headers by their names in lower case."""
    return {name.casefold(): value for name, value in request.headers.items()}
