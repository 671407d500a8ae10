"""The members of a verify call, checked one by one: every fault is reported with its place, unknown ones too."""

import re
from collections.abc import Mapping
from typing import Any

from keymgr.api.problem import Fault, Problem, ProblemCode
from keymgr.keys.known import read_address
from keymgr.keys.limiting import COST_MAX
from keymgr.keys.verdict import Question

BATCH_MAX = 100
SCOPES_MAX = 100
_FIELDS = ("token", "scopes", "environment", "address", "cost")
_WORD = re.compile(r"[!#-\[\]-~]{1,200}")


def read_questions(body: Mapping[str, Any], audience: str) -> Question | tuple[Question, ...] | Problem:
    """Read one question or a batch (`{"questions": [...]}`) asked on behalf of the service `audience`."""
    if "questions" not in body:
        faults = _faults(body, "#")
        return _bad(faults) if faults else _question(body, audience)
    asked = body["questions"]
    unknown = [
        Fault(_at("#", name), "A batch has no other member than questions.") for name in body if name != "questions"
    ]
    if unknown or not isinstance(asked, list) or not 1 <= len(asked) <= BATCH_MAX:
        return _bad([*unknown, Fault("#/questions", f"This must be a list of 1 to {BATCH_MAX} questions.")])
    faults = [fault for number, one in enumerate(asked) for fault in _faults(one, f"#/questions/{number}")]
    return _bad(faults) if faults else tuple(_question(one, audience) for one in asked)


def is_word(text: object) -> bool:
    """Tell whether something is text that can be a scope or the name of a service or environment."""
    return isinstance(text, str) and _WORD.fullmatch(text) is not None


def _question(body: Mapping[str, Any], audience: str) -> Question:
    return Question(
        token=body["token"],
        audience=audience,
        scopes=frozenset(body.get("scopes", ())),
        environment=body.get("environment"),
        address=body.get("address"),
        cost=body.get("cost", 1),
    )


def _faults(body: object, place: str) -> list[Fault]:
    if not isinstance(body, dict):
        return [Fault(place, "This must be an object with at least a token.")]
    faults = [
        Fault(_at(place, name), f"There is no such member; there are {', '.join(_FIELDS)}.")
        for name in body
        if name not in _FIELDS
    ]
    if not isinstance(body.get("token"), str):
        faults.append(Fault(f"{place}/token", "This must be the presented key as text, as it came."))
    environment, address, cost = body.get("environment"), body.get("address"), body.get("cost", 1)
    if environment is not None and not is_word(environment):
        faults.append(Fault(f"{place}/environment", "This must be the name of an environment, or null."))
    if address is not None and (not isinstance(address, str) or read_address(address) is None):
        faults.append(Fault(f"{place}/address", "This must be an IP address as text, or null."))
    if type(cost) is not int or not 1 <= cost <= COST_MAX:
        faults.append(Fault(f"{place}/cost", f"This must be a whole number from 1 to {COST_MAX}."))
    return [*faults, *_scope_faults(body.get("scopes", []), f"{place}/scopes")]


def _scope_faults(scopes: object, place: str) -> list[Fault]:
    if not isinstance(scopes, list) or len(scopes) > SCOPES_MAX:
        return [Fault(place, f"This must be a list of at most {SCOPES_MAX} scopes.")]
    return [
        Fault(f"{place}/{number}", "This must be a scope: text without space.")
        for number, scope in enumerate(scopes)
        if not is_word(scope)
    ]


def _at(place: str, name: str) -> str:
    """Write a JSON pointer (RFC 6901) to a member, cut to what can be shown: no lone surrogate can be sent back."""
    shown = name[:100].encode("utf-8", "replace").decode("utf-8")
    return f"{place}/{shown.replace('~', '~0').replace('/', '~1')}"


def _bad(faults: list[Fault]) -> Problem:
    return Problem(ProblemCode.BAD_REQUEST, "The question is not well formed; errors lists every fault.", faults)
