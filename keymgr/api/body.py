"""Reading a JSON body: bounded, UTF-8, no duplicate members, nothing that two readers might understand differently."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from keymgr.api.problem import Problem, ProblemCode

SINGLE_BYTES_MAX = 16 * 1024
BATCH_BYTES_MAX = 1024 * 1024
_JSON_TYPES = frozenset({"application/json", "application/json; charset=utf-8"})

Environ = Mapping[str, Any]


def read_object(environ: Environ) -> dict[str, Any] | Problem:
    """Read the JSON object that a request carries; only a batch (`questions`) may be larger than 16 KiB."""
    if str(environ.get("CONTENT_TYPE", "")).casefold().strip() not in _JSON_TYPES:
        return Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body with Content-Type: application/json.")
    raw = _read(environ)
    if isinstance(raw, Problem):
        return raw
    try:
        value = _STRICT.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return Problem(ProblemCode.BAD_REQUEST, "The body is not one strict JSON object in UTF-8.")
    if not isinstance(value, dict):
        return Problem(ProblemCode.BAD_REQUEST, "The body must be a JSON object, not another JSON value.")
    if len(raw) > SINGLE_BYTES_MAX and "questions" not in value:
        return _too_large(SINGLE_BYTES_MAX)
    return value


def _read(environ: Environ) -> bytes | Problem:
    """Read to the announced length, or to the end where the server marks it (a chunked body)."""
    announced = str(environ.get("CONTENT_LENGTH") or "")
    if not announced and not environ.get("wsgi.input_terminated"):
        return b""
    length = int(announced) if announced.isdecimal() else BATCH_BYTES_MAX + 1
    if announced and length > BATCH_BYTES_MAX:
        return _too_large(BATCH_BYTES_MAX)
    try:
        raw: bytes = environ["wsgi.input"].read(length)
    except Exception:  # noqa: BLE001 - servers raise errors of their own for chunks they cannot read; all are the client's.
        return Problem(ProblemCode.BAD_REQUEST, "The body could not be read to its end; send it again.")
    if len(raw) > BATCH_BYTES_MAX:
        return _too_large(BATCH_BYTES_MAX)
    if announced and len(raw) < length:
        return Problem(ProblemCode.BAD_REQUEST, "The body ended before its announced length; send it again.")
    return raw


def _too_large(limit: int) -> Problem:
    return Problem(ProblemCode.BODY_TOO_LARGE, f"The body may have at most {limit} bytes.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_such_number(text: str) -> NoReturn:
    raise ValueError(f"not a whole number: {text[:20]}")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_no_such_number, parse_constant=_no_such_number)
