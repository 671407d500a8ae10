"""A machine's call as the roads take it, whichever server read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keymgr.api.problem import Problem, ProblemCode

Environ = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `read` gives the body, at most so many bytes, or the problem with it."""

    method: str
    query: str
    peer: str
    authorization: str | None
    forwarded_for: str | None
    content_type: str
    read: Callable[[int], bytes | Problem]


def of_environ(environ: Environ) -> Call:
    """Take a call from WSGI."""
    return Call(
        method=environ["REQUEST_METHOD"],
        query=environ.get("QUERY_STRING", ""),
        peer=environ.get("REMOTE_ADDR", ""),
        authorization=environ.get("HTTP_AUTHORIZATION"),
        forwarded_for=environ.get("HTTP_X_FORWARDED_FOR"),
        content_type=environ.get("CONTENT_TYPE", ""),
        read=lambda bytes_max: _read(environ, bytes_max),
    )


def of_whole(body: bytes) -> Callable[[int], bytes | Problem]:
    """Give a body that has been read already."""
    return lambda bytes_max: body if len(body) <= bytes_max else too_large(bytes_max)


def too_large(limit: int) -> Problem:
    """Say how large a body may be."""
    return Problem(ProblemCode.BODY_TOO_LARGE, f"The body may have at most {limit} bytes.")


def _read(environ: Environ, bytes_max: int) -> bytes | Problem:
    """Read to the announced length, or to the end where the server marks it (a chunked body)."""
    announced = str(environ.get("CONTENT_LENGTH") or "")
    if not announced and not environ.get("wsgi.input_terminated"):
        return b""
    length = int(announced) if announced.isdecimal() else bytes_max + 1
    if announced and length > bytes_max:
        return too_large(bytes_max)
    try:
        raw: bytes = environ["wsgi.input"].read(length)
    except Exception:  # noqa: BLE001 - servers raise errors of their own for chunks they cannot read; all are the client's.
        return Problem(ProblemCode.BAD_REQUEST, "The body could not be read to its end; send it again.")
    if len(raw) > bytes_max:
        return too_large(bytes_max)
    if announced and len(raw) < length:
        return Problem(ProblemCode.BAD_REQUEST, "The body ended before its announced length; send it again.")
    return raw
