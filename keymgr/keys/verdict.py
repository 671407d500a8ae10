"""The question a service asks about what was presented to it, and the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from keymgr.keys.known import Known
from keymgr.keys.limiting import COST_MAX, WindowState
from keymgr.tokens.verdicts import VerdictCode


@dataclass(frozen=True, slots=True)
class Question:
    """May this token do that here? `audience` is the service that asks; None for environment or address: not told.

    Raises ValueError for a cost that is not a whole number from 1 to 1000.
    """

    token: str = field(repr=False)
    audience: str
    scopes: frozenset[str] = frozenset()
    environment: str | None = None
    address: str | None = None
    cost: int = 1

    def __post_init__(self) -> None:
        if type(self.cost) is not int or not 1 <= self.cost <= COST_MAX:
            raise ValueError(f"A call costs a whole number from 1 to {COST_MAX}.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. `known` and `scopes` are set only where the asker may know whose key it is; `limits` where counted.

    `missing` lists the scopes that were asked for and are not held. `retry_after_seconds` goes with limits and with
    `verifier_unavailable`.
    """

    code: VerdictCode
    message: str
    known: Known | None = None
    scopes: frozenset[str] = frozenset()
    limits: tuple[WindowState, ...] = ()
    missing: frozenset[str] = frozenset()
    retry_after_seconds: int | None = None

    @property
    def valid(self) -> bool:
        """Whether the call may go ahead."""
        return self.code is VerdictCode.OK


MESSAGES: Mapping[VerdictCode, str] = MappingProxyType(
    {
        VerdictCode.OK: "The key is good for this call.",
        VerdictCode.KEY_MISSING: "No key was presented; send it as Authorization: Bearer KEY.",
        VerdictCode.KEY_INVALID: "This is not a key of ours; present it exactly as it was issued.",
        VerdictCode.KEY_EXPIRED: "The key has expired; ask for a new one, or rotate it if it is only this token.",
        VerdictCode.KEY_REVOKED: "The key was revoked; ask for a new one.",
        VerdictCode.KEY_SUPERSEDED: "The key was rotated and this token's time is over; use the newer one.",
        VerdictCode.KEY_SUSPENDED: "The key, or the account that owns it, is suspended; ask an administrator.",
        VerdictCode.KEY_WRONG_AUDIENCE: "The key is for another service; use one that was issued for this one.",
        VerdictCode.SCOPE_MISSING: "The key does not hold every scope this call needs; ask for a key that does.",
        VerdictCode.CONTEXT_DENIED: "The key may not be used in this environment or from this address.",
        VerdictCode.RATE_LIMITED: "The key has been used too often; wait and try again.",
        VerdictCode.QUOTA_EXCEEDED: "The key's quota is used up; wait until it is refilled.",
        VerdictCode.VERIFIER_UNAVAILABLE: "It cannot be decided now whether the key is good; try again soon.",
    },
)


def refused(code: VerdictCode, known: Known | None = None, scopes: frozenset[str] = frozenset()) -> Verdict:
    """Make a verdict with the code's own message."""
    return Verdict(code, MESSAGES[code], known, scopes)
