"""What is said in HTTP header fields: the presented key (RFC 6750), the challenge, and how the limits stand."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from keymgr.tokens.verdicts import HTTP_MEANINGS, VerdictCode
from keymgr.verifier.key import Limit

REALM: Final = "keymgr"

_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] ([!-+\--~]+)")
_NOT_QUOTABLE: Final = re.compile(r"[^ !#-\[\]-~]")


@dataclass(frozen=True, slots=True)
class Bearer:
    """The one key that a call presented."""

    token: str = field(repr=False)


def bearer_token(authorization: str | None) -> Bearer | VerdictCode:
    """Read the key out of an Authorization header: `Bearer`, one space, the key.

    KEY_MISSING when there is no header or it speaks another scheme. KEY_INVALID for a second space or a comma: servers
    join two Authorization headers that way, and which of the two counts must never be a guess.
    """
    if not authorization or authorization.split(" ", 1)[0].lower() != "bearer":
        return VerdictCode.KEY_MISSING
    match = _BEARER.fullmatch(authorization)
    return VerdictCode.KEY_INVALID if match is None else Bearer(match[1])


def www_authenticate(code: VerdictCode, message: str, scopes: Iterable[str] = ()) -> str | None:
    """Write the WWW-Authenticate field (RFC 6750 section 3); None where the verdict calls for none.

    `scopes` are those that the call needs; they are named only when one of them is missing.
    """
    meaning = HTTP_MEANINGS[code]
    if not meaning.challenge:
        return None
    parts = [("realm", REALM)]
    if meaning.error is not None:
        parts += [("error", meaning.error), ("error_description", message)]
    if code is VerdictCode.SCOPE_MISSING:
        parts.append(("scope", " ".join(sorted(scopes))))
    return "Bearer " + ", ".join(f"{name}={_quoted(value)}" for name, value in parts)


def rate_limit_fields(limits: Sequence[Limit]) -> tuple[tuple[str, str], ...]:
    """Write the RateLimit-Policy and RateLimit fields (draft-ietf-httpapi-ratelimit-headers-11), if any."""
    if not limits:
        return ()
    policies = (f"{_quoted(one.name)};q={one.limit}{_window(one.window_seconds)}" for one in limits)
    states = (f"{_quoted(one.name)};r={one.remaining};t={one.resets_in_seconds}" for one in limits)
    return ("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(states))


def _window(seconds: int | None) -> str:
    return "" if seconds is None else f";w={seconds}"


def _quoted(text: str) -> str:
    """Quote text for a header field; what neither RFC 6750 nor RFC 9651 allows there becomes an apostrophe."""
    return '"' + _NOT_QUOTABLE.sub("'", text) + '"'
