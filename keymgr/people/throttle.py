"""How often somebody may try to sign in: per account and per address, counted before the password is looked at."""

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError
from limits.strategies import RateLimiter

PER_ACCOUNT = RateLimitItemPerMinute(10, 15, namespace="sign-in-account")
PER_ADDRESS = RateLimitItemPerMinute(100, 15, namespace="sign-in-address")
_IPV6_HOST_BITS = 64
_RETRY_SECONDS_WITHOUT_COUNTERS = 30


@dataclass(frozen=True, slots=True)
class Throttled:
    """The attempt was not looked at, whatever the password was; `sentence` says why and what to do."""

    retry_after_seconds: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Throttle:
    """Counts attempts by a strategy and storage of the `limits` library; exact as far as the storage is.

    Every attempt counts, before its password is checked, so that attempts at the same time cannot pass the limit. A
    sign-in that succeeds gives the account its tries back; the address keeps counting.
    """

    limiter: RateLimiter
    per_account: RateLimitItem = PER_ACCOUNT
    per_address: RateLimitItem = PER_ADDRESS

    def admit(self, account: str, address: str | None, now: datetime) -> Throttled | None:
        """Count one attempt; None lets it pass. Without working counters nothing passes."""
        keys = [
            (self.per_address, _fingerprint(_site(address or "unknown"))),
            (self.per_account, _fingerprint(account)),
        ]
        try:
            for item, key in keys:
                if not self.limiter.hit(item, key):
                    return _too_many(
                        math.ceil(self.limiter.get_window_stats(item, key).reset_time - now.timestamp()), item
                    )
        except _failures(self.limiter):
            return Throttled(
                _RETRY_SECONDS_WITHOUT_COUNTERS,
                "Sign-in is closed for a moment, because attempts cannot be counted. Try again in half a minute.",
            )
        return None

    def forgive(self, account: str) -> None:
        """Give an account its tries back after a sign-in that succeeded."""
        try:
            self.limiter.clear(self.per_account, _fingerprint(account))
        except _failures(self.limiter):
            return  # The tries come back by themselves when the window is over.


def _too_many(seconds: int, item: RateLimitItem) -> Throttled:
    wait = min(max(seconds, 1), item.get_expiry())
    minutes = math.ceil(wait / 60)
    return Throttled(
        wait,
        f"There were too many attempts to sign in. Try again in {minutes} {'minute' if minutes == 1 else 'minutes'}.",
    )


def _fingerprint(identifier: str) -> str:
    """Make a text that `limits` cannot mistake for two, and that tells nothing about who tried."""
    return hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()


def _site(address: str) -> str:
    """Count an IPv6 site as one: whoever has one address there has all of them."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return IPv6Address(int(parsed) >> _IPV6_HOST_BITS << _IPV6_HOST_BITS).compressed
    return address


def _failures(limiter: RateLimiter) -> tuple[type[Exception], ...]:
    """Name what the storage raises when it fails: its own errors, or `limits` around them."""
    errors = limiter.storage.base_exceptions
    return (StorageError, *(errors if isinstance(errors, tuple) else (errors,)))
