"""Reading a JSON body: bounded, UTF-8, no duplicate members, nothing that two readers might understand differently."""

import json
from typing import Any, NoReturn

from keymgr.api.call import Call, too_large
from keymgr.api.problem import Problem, ProblemCode

SINGLE_BYTES_MAX = 16 * 1024
BATCH_BYTES_MAX = 1024 * 1024
_JSON_TYPES = frozenset({"application/json", "application/json; charset=utf-8"})


def read_object(call: Call) -> dict[str, Any] | Problem:
    """Read the JSON object that a request carries; only a batch (`questions`) may be larger than 16 KiB."""
    raw = read_json_text(call, BATCH_BYTES_MAX)
    if isinstance(raw, Problem):
        return raw
    value = parse_object(raw)
    if isinstance(value, dict) and len(raw) > SINGLE_BYTES_MAX and "questions" not in value:
        return too_large(SINGLE_BYTES_MAX)
    return value


def read_json_text(call: Call, bytes_max: int) -> bytes | Problem:
    """Read a body that is announced as JSON and not longer than `bytes_max`."""
    if call.content_type.casefold().strip() not in _JSON_TYPES:
        return Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body with Content-Type: application/json.")
    return call.read(bytes_max)


def parse_object(raw: bytes) -> dict[str, Any] | Problem:
    """Read bytes as one strict JSON object."""
    try:
        value = _STRICT.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return Problem(ProblemCode.BAD_REQUEST, "The body is not one strict JSON object in UTF-8.")
    if not isinstance(value, dict):
        return Problem(ProblemCode.BAD_REQUEST, "The body must be a JSON object, not another JSON value.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_such_number(text: str) -> NoReturn:
    raise ValueError(f"not a whole number: {text[:20]}")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_no_such_number, parse_constant=_no_such_number)
