"""What a service learns about a key that is good for a call."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Limit:
    """How one rate limit or quota stands after this call; `window_seconds` is None where the server did not tell."""

    name: str
    limit: int
    remaining: int
    resets_in_seconds: int
    window_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is good for this call. `owner` is `user:NAME` or `svc:NAME`; `key_id` outlives rotations."""

    key_id: str
    owner: str
    service: str
    environment: str
    scopes: frozenset[str]
    expires_at: datetime
    limits: tuple[Limit, ...] = ()
