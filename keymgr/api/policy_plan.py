"""POST /api/v1/policy/plan: a pull-request job sends its files and learns what they would do, live keys included."""

import json
import logging
import subprocess
import threading
from datetime import UTC, datetime
from typing import Any, cast

from flask import Blueprint, Response, request
from limits import RateLimitItemPerMinute

from keymgr.api.answer import Answer, json_answer
from keymgr.api.bearer import Bearer, read_bearer
from keymgr.api.body import parse_object, read_json_text
from keymgr.api.call import Call, of_environ
from keymgr.api.desk import Desk
from keymgr.api.plan_question import BYTES_MAX, PlanQuestion, read_plan_question
from keymgr.api.problem import Problem, ProblemCode
from keymgr.api.refusals import log_unknown_caller
from keymgr.api.request_id import request_id
from keymgr.api.turnstile import pass_turnstile
from keymgr.people.address import client_address
from keymgr.reconcile.plan_credentials import recognise_job

PER_CREDENTIAL = RateLimitItemPerMinute(30, 5, namespace="plan")
PLAN_SECONDS = 30
TURN_SECONDS = 10
_UNAUTHENTICATED = Problem(
    ProblemCode.UNAUTHENTICATED,
    "Present a plan credential as Authorization: Bearer kmp_…; `keymgr policy credential create NAME` makes one.",
    headers=(("WWW-Authenticate", 'Bearer realm="keymgr"'),),
)
_BUSY = Problem(ProblemCode.UNAVAILABLE, "Another plan is being made here. Try again.", headers=(("Retry-After", "5"),))
_TOO_LONG = Problem(
    ProblemCode.UNAVAILABLE,
    f"This plan takes more than {PLAN_SECONDS} seconds or too much memory. Propose less at once.",
)
_log = logging.getLogger(__name__)


def add_policy_plan(blueprint: Blueprint, desk: Desk) -> None:
    """Add the call to the machine's door; each process makes one plan at a time."""
    turn = threading.Semaphore()

    @blueprint.post("/api/v1/policy/plan")
    def make_plan() -> Response:
        """Answer 200 with a plan, also for a policy that is not valid, or a problem where there can be none."""
        answer = _answer(desk, turn, of_environ(request.environ), datetime.now(UTC))
        return (answer.answer(desk.public_url, request_id()) if isinstance(answer, Problem) else answer).to_flask()


def _answer(desk: Desk, turn: threading.Semaphore, call: Call, now: datetime) -> Answer | Problem:
    job = _job(desk, call)
    if job is None:
        _log_stranger(desk, call)
        return _UNAUTHENTICATED
    refused = pass_turnstile(desk.policy.limiter, PER_CREDENTIAL, job, now)
    raw = refused or read_json_text(call, BYTES_MAX)
    body = raw if isinstance(raw, Problem) else parse_object(raw)
    question = body if isinstance(body, Problem) else read_plan_question(body)
    if isinstance(question, Problem):
        return question
    if not turn.acquire(timeout=TURN_SECONDS):
        return _BUSY
    try:
        told = _plan_apart(desk, question)
    finally:
        turn.release()
    return told if isinstance(told, Problem) else _told(told, question, desk)


def _job(desk: Desk, call: Call) -> str | None:
    bearer = read_bearer(call.authorization)
    if not isinstance(bearer, Bearer):
        return None
    with desk.reading() as session:
        return recognise_job(session, bearer.token, desk.issuer.pepper)


def _log_stranger(desk: Desk, call: Call) -> None:
    log_unknown_caller(client_address(call.peer, call.forwarded_for, desk.trusted_proxies), request_id())


def _plan_apart(desk: Desk, question: PlanQuestion) -> dict[str, Any] | Problem:
    """Let a process of its own make the plan; the database's address goes to it by its stdin, where nobody sees it."""
    asked = {
        "database_url": desk.engine.url.render_as_string(hide_password=False),
        "files": question.files,
        "base_digest": question.base_digest,
        "folder": question.folder,
        "format": question.form,
        "replay_days": question.replay_days,
        "show_owners": question.show_owners and desk.policy.shows_owners,
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own program; the request is its stdin and nothing else.
            desk.policy.plan_command,
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=PLAN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _TOO_LONG
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:300]
        _log.error("A plan failed with exit code %d: %s; request=%s", done.returncode, last, request_id())
        return _TOO_LONG if done.returncode < 0 or "MemoryError" in last else _failed()
    return cast("dict[str, Any]", json.loads(done.stdout))


def _failed() -> Problem:
    return Problem(ProblemCode.UNAVAILABLE, "This cannot be answered now.", headers=(("Retry-After", "5"),))


def _told(told: dict[str, Any], question: PlanQuestion, desk: Desk) -> Answer | Problem:
    match told.get("hindrance"):
        case "stale":
            in_force = told["digest"] or "none"
            detail = f"The policy in force is {in_force}, not the base_digest. Bring the change up to date; plan again."
            return Problem(ProblemCode.STALE, detail)
        case "unreadable":
            detail = f"Revision {told['revision']} in force cannot be read by this version. Apply the policy again."
            return Problem(ProblemCode.UNAVAILABLE, detail)
        case _:
            hidden = question.show_owners and not desk.policy.shows_owners
            label = {"commit": question.commit, "owners": "not allowed" if hidden else "as asked"}
            return json_answer(200, {**told, **label, "request_id": request_id()})
