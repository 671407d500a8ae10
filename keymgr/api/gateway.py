"""GET|POST /gateway/check: forward-auth. The gateway asks before it passes a request on; the answer is in the headers.

Only Authorization and the query are read: identity headers and addresses of others' making are ignored, and so is the
body. The answer has no body, or nginx would drop the connection every time.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from urllib.parse import parse_qsl

from keymgr.api.answer import Answer
from keymgr.api.bearer import BadBearer, Bearer, NoBearer, read_bearer
from keymgr.api.call import Call
from keymgr.api.desk import Desk
from keymgr.api.problem import Fault, Problem, ProblemCode
from keymgr.api.questions import SCOPES_MAX, is_word
from keymgr.api.ratelimit_fields import limit_fields
from keymgr.api.refusals import log_refusal
from keymgr.keys.verdict import Question, Verdict, refused
from keymgr.people.address import client_address
from keymgr.tokens.verdicts import HTTP_MEANINGS, VerdictCode

_PARAMETERS = ("aud", "scope", "env", "proxy")
_PASSED_BY_NGINX = frozenset({204, 401, 403})


@dataclass(frozen=True, slots=True)
class Wish:
    """What the gateway's configuration asks for: written by an operator, the same for every request of a location."""

    audience: str
    scopes: frozenset[str]
    environment: str | None
    for_nginx: bool


def answer_check(desk: Desk, call: Call, now: datetime, request_id: str) -> Answer:
    """Answer 204, 401, 403, 429 or 503; with proxy=nginx only what auth_request passes on."""
    wish = read_query(call.query)
    if isinstance(wish, Wish) and not desk.services.knows(wish.audience):
        detail = "The policy in force has no service of this name; correct aud in the gateway's configuration."
        return _for(wish, Problem(ProblemCode.UNKNOWN_SERVICE, detail).answer(desk.public_url, request_id))
    if isinstance(wish, Problem):
        return wish.answer(desk.public_url, request_id)
    address = client_address(call.peer, call.forwarded_for, desk.trusted_proxies)
    verdict = _verdict(desk, wish, call.authorization, address, now)
    log_refusal(verdict, audience=wish.audience, address=address, request_id=request_id)
    return _for(wish, _answer(verdict, now))


@lru_cache(maxsize=256)
def read_query(query: str) -> Wish | Problem:
    """Read the parameters strictly: a misspelt `scopes=` must not let every key pass."""
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), errors="strict", max_num_fields=200
        )
    except ValueError:
        return Problem(ProblemCode.BAD_REQUEST, "The query cannot be read; write aud=SERVICE&scope=SCOPE&env=NAME.")
    faults = _query_faults(pairs)
    if faults:
        return Problem(ProblemCode.BAD_REQUEST, "The gateway's query is not well formed; errors lists why.", faults)
    given = {name: value for name, value in pairs if name != "scope"}
    scopes = frozenset(value for name, value in pairs if name == "scope")
    return Wish(given["aud"], scopes, given.get("env"), for_nginx="proxy" in given)


def _query_faults(pairs: list[tuple[str, str]]) -> list[Fault]:
    counts = Counter(name for name, _ in pairs)
    faults = [
        Fault(name[:100], f"There is no such parameter; there are {', '.join(_PARAMETERS)}.")
        for name in counts
        if name not in _PARAMETERS
    ]
    if "aud" not in counts:
        faults.append(Fault("aud", "Name the service whose keys are accepted here."))
    faults += [Fault(name, "Give this once.") for name in ("aud", "env", "proxy") if counts[name] > 1]
    if counts["scope"] > SCOPES_MAX:
        faults.append(Fault("scope", f"Give at most {SCOPES_MAX} scopes."))
    for name, value in pairs:
        if name in _PARAMETERS and not is_word(value):
            faults.append(Fault(name, "This must be one word; repeat scope= for several scopes."))
        if name == "proxy" and value != "nginx":
            faults.append(Fault(name, "Only nginx needs to be named."))
    return faults


def _verdict(desk: Desk, wish: Wish, header: str | None, address: str, now: datetime) -> Verdict:
    match read_bearer(header):
        case NoBearer():
            return refused(VerdictCode.KEY_MISSING)
        case BadBearer():
            return refused(VerdictCode.KEY_INVALID)
        case Bearer(token):
            question = Question(token, wish.audience, wish.scopes, wish.environment, address)
            return desk.verifier.verify(question, now)


def _answer(verdict: Verdict, now: datetime) -> Answer:
    meaning = HTTP_MEANINGS[verdict.code]
    status = 204 if verdict.valid else meaning.status
    headers = [("Cache-Control", "no-store"), ("X-KM-Code", verdict.code.value), *_identity(verdict, now)]
    if meaning.challenge:
        headers.append(("WWW-Authenticate", _challenge(verdict, meaning.error)))
    return Answer(status, (*headers, *limit_fields(verdict)))


def _identity(verdict: Verdict, now: datetime) -> list[tuple[str, str]]:
    """Say whose key it is; always every header, empty ones too, so that none of the client's survives a gateway."""
    known = verdict.known if verdict.valid else None
    facts = known and known.facts
    return [
        ("X-Key-Id", facts.key_id if facts else ""),
        ("X-Key-Owner", facts.owner if facts else ""),
        ("X-Key-Service", facts.service if facts else ""),
        ("X-Key-Environment", facts.environment if facts else ""),
        ("X-Key-Scopes", " ".join(sorted(verdict.scopes)) if facts else ""),
        ("X-Key-Expires-In", str(known.ends_at - int(now.timestamp())) if known else ""),
    ]


def _challenge(verdict: Verdict, error: str | None) -> str:
    """Write the RFC 6750 challenge; bare when nothing was presented."""
    parts = ['Bearer realm="keymgr"']
    if error is not None:
        parts.append(f'error="{error}"')
        parts.append(f'error_description="{_ascii(verdict.message)}"')
    if verdict.missing:
        parts.append(f'scope="{" ".join(sorted(verdict.missing))}"')
    return ", ".join(parts)


def _ascii(text: str) -> str:
    return "".join(character if " " <= character <= "~" and character not in '"\\' else "'" for character in text)


def _for(wish: Wish, answer: Answer) -> Answer:
    """Say a status that auth_request does not pass on as 403, and the real one in a header, to be mapped back."""
    if not wish.for_nginx or answer.status in _PASSED_BY_NGINX:
        return answer
    headers = tuple((name, value) for name, value in answer.headers if name != "Content-Type")
    return Answer(403, (*headers, ("X-KM-Status", str(answer.status))))
