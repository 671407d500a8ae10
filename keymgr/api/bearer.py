"""What stands in an Authorization header: RFC 6750, read strictly."""

import re
from dataclasses import dataclass, field

# Exactly one space, and a token without space or comma: two headers joined by a server look like `a,Bearer b`.
_BEARER = re.compile(r"(?i:bearer) ([A-Za-z0-9._~+/=-]+)")


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token was presented."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NoBearer:
    """Nothing was presented, or another scheme than Bearer."""


@dataclass(frozen=True, slots=True)
class BadBearer:
    """Something was presented that cannot be one token."""


def read_bearer(header: str | None) -> Bearer | NoBearer | BadBearer:
    """Read the value of an Authorization header, None when there is none."""
    if header is None or not header.strip():
        return NoBearer()
    match = _BEARER.fullmatch(header)
    if match is not None:
        return Bearer(match[1])
    scheme = header.split(maxsplit=1)[0].casefold()
    return BadBearer() if scheme.startswith("bearer") or "," in header else NoBearer()
