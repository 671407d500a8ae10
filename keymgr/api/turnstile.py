"""How often somebody may call what costs us much: counted over all processes of the node, closed without counters."""

import math
from datetime import datetime

from limits import RateLimitItem
from limits.errors import StorageError
from limits.strategies import RateLimiter

from keymgr.api.problem import Problem, ProblemCode

_RETRY_SECONDS = 10


def pass_turnstile(limiter: RateLimiter, item: RateLimitItem, who: str, now: datetime) -> Problem | None:
    """Count one call of `who`; None lets it pass."""
    try:
        if limiter.hit(item, who):
            return None
        seconds = math.ceil(limiter.get_window_stats(item, who).reset_time - now.timestamp())
    except _failures(limiter):
        detail = "Calls cannot be counted now, so none is let in. Try again in a few seconds."
        return Problem(ProblemCode.UNAVAILABLE, detail, headers=(("Retry-After", str(_RETRY_SECONDS)),))
    wait = min(max(seconds, 1), item.get_expiry())
    detail = f"At most {item.amount} calls in {item.get_expiry()} seconds. Try again in {wait} seconds."
    return Problem(ProblemCode.TOO_MANY_REQUESTS, detail, headers=(("Retry-After", str(wait)),))


def _failures(limiter: RateLimiter) -> tuple[type[Exception], ...]:
    """Name what the storage raises when it fails: its own errors, or `limits` around them."""
    errors = limiter.storage.base_exceptions
    return (StorageError, *(errors if isinstance(errors, tuple) else (errors,)))
