"""The strict front door: what a token must look like before any library sees it (docs/decisions/0004).

Only the shape that we write ourselves passes: three canonical base64url segments of at most 8 KiB in all, JSON objects
in strict UTF-8 without duplicate members, floats, huge numbers or lone surrogates, and a header of exactly `alg`, `kid`
and `typ`. So `crit`, `jku`, `x5u`, `x5c`, `jwk`, `zip`, `b64` and every future idea are refused, not understood.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from keymgr.tokens.rejected import Rejected, Rejection

MAX_TOKEN_LENGTH: Final = 8192
MAX_INTEGER: Final = 2**53 - 1

_THREE_SEGMENTS: Final = re.compile("([A-Za-z0-9_-]+)[.]([A-Za-z0-9_-]+)[.]([A-Za-z0-9_-]+)")
_HEADER_MEMBERS: Final = frozenset({"alg", "kid", "typ"})


@dataclass(frozen=True, slots=True)
class Presented:
    """A token of the right shape. Nothing in it is believed yet: its signature has not been looked at."""

    algorithm: str
    kid: str
    payload: Mapping[str, Any]


def inspect(token: str, *, typ: str) -> Presented | Rejected:
    """Check a token's form, then its header, then its payload; the signature comes later."""
    if len(token) > MAX_TOKEN_LENGTH:
        return _malformed(f"The token is longer than {MAX_TOKEN_LENGTH} characters, which no token of ours is.")
    segments = _THREE_SEGMENTS.fullmatch(token)
    if segments is None:
        return _malformed(
            "The token is not three segments of base64url separated by dots; present it exactly as issued."
        )
    header, payload, signature = (_decode(segment) for segment in segments.groups())
    if header is None or payload is None or signature is None:
        return _malformed("A segment of the token is not canonical base64url; present it exactly as issued.")
    members = _json_object(header)
    if members is None:
        return _malformed("The token's header is not a plain JSON object.")
    claims = _json_object(payload)
    if claims is None:
        return _malformed("The token's payload is not a plain JSON object.")
    return _with_header(members, claims, typ)


def _with_header(header: dict[str, Any], payload: dict[str, Any], typ: str) -> Presented | Rejected:
    if not all(isinstance(value, str) for value in header.values()) or not header.keys() <= _HEADER_MEMBERS:
        return _malformed("The token's header says something that we never write; only alg, kid and typ are allowed.")
    if header.get("typ") != typ:
        return Rejected(Rejection.WRONG_TYPE, f"This is another kind of token; a token of type {typ} is needed here.")
    if not header.keys() >= _HEADER_MEMBERS:
        return _malformed("The token's header does not name its algorithm and its key.")
    return Presented(header["alg"], header["kid"], payload)


def _malformed(sentence: str) -> Rejected:
    return Rejected(Rejection.MALFORMED, sentence)


def _decode(segment: str) -> bytes | None:
    """Decode base64url; None unless encoding the result again gives exactly the same text."""
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        return None
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=") == segment.encode("ascii") else None


def _json_object(raw: bytes) -> dict[str, Any] | None:
    """Read a strict JSON object; None for anything that two readers might understand differently."""
    try:
        value = _STRICT.decode(raw.decode("utf-8"))
        if b"\\u" in raw:
            # Only an escape can bring in a lone surrogate; writing it out again as UTF-8 finds it at any depth.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _integer(text: str) -> int:
    value = int(text)
    if abs(value) > MAX_INTEGER:
        raise ValueError("number beyond 2^53")
    return value


def _no_such_number(text: str) -> NoReturn:
    raise ValueError(f"not an integer: {text[:20]}")


_STRICT: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_integer,
    parse_float=_no_such_number,
    parse_constant=_no_such_number,
)
