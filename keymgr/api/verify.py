"""POST /api/v1/verify: a service asks about a key that was presented to it, or about up to a hundred."""

from datetime import UTC, datetime
from typing import Any

from keymgr.api.answer import Answer, json_answer
from keymgr.api.bearer import Bearer, read_bearer
from keymgr.api.body import read_object
from keymgr.api.call import Call
from keymgr.api.desk import Desk
from keymgr.api.problem import Problem, ProblemCode
from keymgr.api.questions import read_questions
from keymgr.api.refusals import log_refusal, log_unknown_caller
from keymgr.keys.callers import Caller
from keymgr.keys.limiting import WindowState
from keymgr.keys.verdict import Question, Verdict
from keymgr.keys.verify import UNAVAILABLE_RETRY_SECONDS
from keymgr.people.address import client_address
from keymgr.store.key_states import StatesUnavailableError
from keymgr.tokens.verdicts import VerdictCode

_UNAVAILABLE = Problem(
    ProblemCode.UNAVAILABLE,
    "The state of keys or the counters cannot be asked now. Refuse the call, or ask again.",
    headers=(("Retry-After", str(UNAVAILABLE_RETRY_SECONDS)),),
)
_UNAUTHENTICATED = Problem(
    ProblemCode.UNAUTHENTICATED,
    "Present your service credential as Authorization: Bearer kms_…; an admin makes one for your service.",
    headers=(("WWW-Authenticate", 'Bearer realm="keymgr"'),),
)


def answer_verify(desk: Desk, call: Call, now: datetime, request_id: str) -> Answer:
    """Answer 200 with a verdict, or a problem where there can be none."""
    caller = _caller(desk, call, request_id)
    if isinstance(caller, Problem):
        return caller.answer(desk.public_url, request_id)
    body = read_object(call)
    asked = body if isinstance(body, Problem) else read_questions(body, caller.service)
    if isinstance(asked, Problem):
        return asked.answer(desk.public_url, request_id)
    questions = (asked,) if isinstance(asked, Question) else asked
    verdicts = [_ask(desk, question, now, request_id) for question in questions]
    if all(verdict.code is VerdictCode.VERIFIER_UNAVAILABLE for verdict in verdicts):
        return _UNAVAILABLE.answer(desk.public_url, request_id)
    if isinstance(asked, Question):
        return json_answer(200, {**verdict_record(verdicts[0]), "request_id": request_id})
    return json_answer(200, {"verdicts": [verdict_record(one) for one in verdicts], "request_id": request_id})


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """Write out a verdict: always all members, null where it is not known or not the asker's to know."""
    facts = None if verdict.known is None else verdict.known.facts
    return {
        "valid": verdict.valid,
        "code": verdict.code.value,
        "message": verdict.message,
        "key_id": facts and facts.key_id,
        "owner": facts and facts.owner,
        "service": facts and facts.service,
        "environment": facts and facts.environment,
        "scopes": facts and sorted(verdict.scopes),
        "expires_at": None if verdict.known is None else _iso(verdict.known.ends_at),
        "limits": [_limit_record(state) for state in verdict.limits],
        "retry_after": verdict.retry_after_seconds,
        "policy": facts and {"digest": facts.policy_digest, "rule": facts.rule},
    }


def _caller(desk: Desk, call: Call, request_id: str) -> Caller | Problem:
    bearer = read_bearer(call.authorization)
    try:
        caller = desk.callers.recognise(bearer.token) if isinstance(bearer, Bearer) else None
    except StatesUnavailableError:
        return _UNAVAILABLE
    if caller is None:
        log_unknown_caller(_address(desk, call), request_id)
        return _UNAUTHENTICATED
    return caller


def _address(desk: Desk, call: Call) -> str:
    return client_address(call.peer, call.forwarded_for, desk.trusted_proxies)


def _ask(desk: Desk, question: Question, now: datetime, request_id: str) -> Verdict:
    verdict = desk.verifier.verify(question, now)
    log_refusal(verdict, audience=question.audience, address=question.address, request_id=request_id)
    return verdict


def _limit_record(state: WindowState) -> dict[str, Any]:
    return {
        "name": state.window.name,
        "limit": state.window.draw.amount,
        "remaining": state.remaining,
        "resets_in": state.resets_in_seconds,
    }


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
