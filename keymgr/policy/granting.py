"""What a rule grants and on which terms: limits, approval, and what happens to keys later; times in seconds."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from keymgr.policy.words import Source, TokenForm, ViolationAction

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` in any window of `per_seconds`, counted under `name`."""

    name: str
    requests: int
    per_seconds: int


@dataclass(frozen=True, slots=True)
class CidrRule:
    """Which source networks a key may or must name; an empty `within` allows any network."""

    required: bool = False
    within: tuple[Network, ...] = ()
    entries_max: int = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What a rule allows a key at most, defaults of the set already filled in; times in seconds."""

    max_ttl_seconds: int
    default_ttl_seconds: int
    rotate_every_seconds: int | None
    rotation_overlap_seconds: int
    max_keys_per_owner: int
    idle_expiry_seconds: int | None = None
    rate_limits: tuple[RateLimit, ...] = ()
    owner_rate_limits: tuple[RateLimit, ...] = ()
    quota: RateLimit | None = None
    cidrs: CidrRule = CidrRule()
    token: TokenForm | None = None


@dataclass(frozen=True, slots=True)
class ApprovalStep:
    """One step: `count` people out of the named teams and roles."""

    name: str
    teams: frozenset[str]
    roles: frozenset[str]
    count: int


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """Ordered steps that must all be met; no steps means granted at once."""

    name: str
    steps: tuple[ApprovalStep, ...]
    reason_required: bool = False
    ticket_pattern: str | None = None
    request_ttl_seconds: int = 72 * 3600
    break_glass: frozenset[str] = frozenset()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class ExistingKeys:
    """What a re-evaluation may do to a live key that no longer fits; `notify` holds owner, team or service_owner."""

    on_violation: ViolationAction
    grace_seconds: int
    notify: tuple[str, ...] = ()


FLAG_FOR_TWO_WEEKS = ExistingKeys(ViolationAction.FLAG, 14 * 86_400)
