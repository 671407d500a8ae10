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
    raw = read_json_text(environ, BATCH_BYTES_MAX)
    if isinstance(raw, Problem):
        return raw
    value = parse_object(raw)
    if isinstance(value, dict) and len(raw) > SINGLE_BYTES_MAX and "questions" not in value:
        return _too_large(SINGLE_BYTES_MAX)
    return value


def read_json_text(environ: Environ, bytes_max: int) -> bytes | Problem:
    """Read a body that is announced as JSON and not longer than `bytes_max`."""
    if str(environ.get("CONTENT_TYPE", "")).casefold().strip() not in _JSON_TYPES:
        return Problem(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Send the body with Content-Type: application/json.")
    return read_bytes(environ, bytes_max)


def parse_object(raw: bytes) -> dict[str, Any] | Problem:
    """Read bytes as one strict JSON object."""
    try:
        value = _STRICT.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return Problem(ProblemCode.BAD_REQUEST, "The body is not one strict JSON object in UTF-8.")
    if not isinstance(value, dict):
        return Problem(ProblemCode.BAD_REQUEST, "The body must be a JSON object, not another JSON value.")
    return value


def read_bytes(environ: Environ, bytes_max: int) -> bytes | Problem:
    """Read to the announced length, or to the end where the server marks it (a chunked body)."""
    announced = str(environ.get("CONTENT_LENGTH") or "")
    if not announced and not environ.get("wsgi.input_terminated"):
        return b""
    length = int(announced) if announced.isdecimal() else bytes_max + 1
    if announced and length > bytes_max:
        return _too_large(bytes_max)
    try:
        raw: bytes = environ["wsgi.input"].read(length)
    except Exception:  # noqa: BLE001 - servers raise errors of their own for chunks they cannot read; all are the client's.
        return Problem(ProblemCode.BAD_REQUEST, "The body could not be read to its end; send it again.")
    if len(raw) > bytes_max:
        return _too_large(bytes_max)
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
