"""The nouns of policy as frozen values, names resolved and numbers in base units: what `decide` reads.

`compile.py` builds a `Policy` from loaded documents; nothing else makes one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network
FactValue = str | int | bool | tuple[str, ...]


class OwnerKind(StrEnum):
    """Who a key can belong to."""

    SERVICE_ACCOUNT = "service_account"
    USER = "user"


class Risk(StrEnum):
    """How much harm a scope can do, from least to most."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Tier(StrEnum):
    """Which class an environment belongs to."""

    NONPROD = "nonprod"
    PROD = "prod"


class PortalPermission(StrEnum):
    """What a role lets a person do in the portal itself, beside asking for keys."""

    ADMIN = "admin"
    AUDITOR = "auditor"
    REVIEWER = "reviewer"


class TokenForm(StrEnum):
    """The form in which a key is presented: a JWT, or an opaque string that only the server understands."""

    JWT = "jwt"
    OPAQUE = "opaque"


class Enforcement(StrEnum):
    """What a guardrail does when it is hit: refuse, refuse nothing but say so, or only record."""

    AUDIT = "audit"
    ENFORCE = "enforce"
    WARN = "warn"


class ViolationAction(StrEnum):
    """What happens to a live key that no longer fits, once its grace period is over."""

    EXPIRE = "expire"
    FLAG = "flag"
    REVOKE = "revoke"
    SUSPEND = "suspend"


class OwnerExit(StrEnum):
    """What happens to a person's keys when the person leaves."""

    REVOKE = "revoke"
    SUSPEND = "suspend"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where something is written: path below the policy folder, line and column, both from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Environment:
    """One deployment stage that keys are bound to."""

    name: str
    tier: Tier


@dataclass(frozen=True, slots=True)
class Scope:
    """A permission on one service."""

    name: str
    risk: Risk
    description: str


@dataclass(frozen=True, slots=True)
class Service:
    """An API that accepts keys; its name is the JWT audience."""

    name: str
    owner: str
    title: str
    description: str
    environments: tuple[str, ...]
    scopes: Mapping[str, Scope]
    source: Source


@dataclass(frozen=True, slots=True)
class Team:
    """A group of people; `members` are sign-in names, `idp_groups` immutable ids of the identity provider."""

    name: str
    title: str
    members: frozenset[str]
    idp_groups: frozenset[str]
    source: Source


@dataclass(frozen=True, slots=True)
class Role:
    """What a person is, bound by team, identity-provider group or name."""

    name: str
    title: str
    members: frozenset[str]
    teams: frozenset[str]
    idp_groups: frozenset[str]
    portal: frozenset[PortalPermission]
    source: Source


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
class Condition:
    """One fact compared with a value; `operator` is equals, in, not_in, at_most, at_least or matches."""

    fact: str
    operator: str
    value: FactValue
    source: Source


@dataclass(frozen=True, slots=True)
class ExistingKeys:
    """What a re-evaluation may do to a live key that no longer fits."""

    on_violation: ViolationAction
    grace_seconds: int


@dataclass(frozen=True, slots=True)
class Rule:
    """An issuance rule, wildcards and bundles expanded; it only widens.

    `marks` maps dotted field paths such as `spec.limits.max_ttl` to the place they are written.
    """

    name: str
    owner: str
    description: str
    roles: frozenset[str]
    teams: frozenset[str]
    owner_kinds: frozenset[OwnerKind]
    service: str
    environments: frozenset[str]
    scopes: frozenset[str]
    limits: Limits
    approval: ApprovalPolicy
    conditions: tuple[Condition, ...]
    existing_keys: ExistingKeys
    on_owner_exit: OwnerExit
    source: Source
    marks: Mapping[str, Source]


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A ceiling or a denial; it only narrows. An empty selector set selects everything."""

    name: str
    owner: str
    description: str
    enforcement: Enforcement
    services: frozenset[str]
    environments: frozenset[str]
    tiers: frozenset[Tier]
    teams: frozenset[str]
    owner_kinds: frozenset[OwnerKind]
    risks: frozenset[Risk]
    scopes: frozenset[str]
    max_ttl_seconds: int | None
    rotate_every_seconds: int | None
    max_keys_per_owner: int | None
    cidrs_required: bool
    approval_steps_min: int
    forbidden_cidrs: tuple[Network, ...]
    deny_reason: str | None
    waivable: bool
    existing_keys: ExistingKeys
    source: Source
    marks: Mapping[str, Source]


@dataclass(frozen=True, slots=True)
class Waiver:
    """A named, expiring exception from one waivable guardrail for one owner; `expires_at` is Unix seconds."""

    name: str
    guardrail: str
    owner: str
    service: str
    environments: frozenset[str]
    expires_at: int
    source: Source


@dataclass(frozen=True, slots=True)
class Policy:
    """One whole policy set. `digest` is `sha256:…` over what decides, not over comments or layout.

    `existing_keys` is the set's default: what follows for a live key that no rule or guardrail of its own speaks of.
    """

    name: str
    digest: str
    environments: Mapping[str, Environment]
    teams: Mapping[str, Team]
    roles: Mapping[str, Role]
    services: Mapping[str, Service]
    approvals: Mapping[str, ApprovalPolicy]
    rules: Mapping[str, Rule]
    guardrails: Mapping[str, Guardrail]
    waivers: Mapping[str, Waiver]
    rules_by_target: Mapping[tuple[str, str], tuple[Rule, ...]]
    existing_keys: ExistingKeys = ExistingKeys(ViolationAction.FLAG, 14 * 86_400)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who a key would belong to: `id` is `user:ana` or `svc:pay-ci`; teams and roles by name."""

    id: str
    kind: OwnerKind
    teams: frozenset[str]
    roles: frozenset[str] = frozenset()
    active: bool = True


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `ttl_seconds` None takes the rule's default; `cidrs` are as typed."""

    service: str
    environment: str
    scopes: frozenset[str]
    ttl_seconds: int | None = None
    cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known only now and stored with the key.

    `facts` holds `issuance.mfa`, `issuance.source_ip`, `issuance.reason`, `issuance.ticket`…; a fact that is
    missing is unknown, never a pass. `keys_held` counts the owner's live keys for the same service and environment.
    """

    facts: Mapping[str, FactValue]
    keys_held: int = 0


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy that decides now: which revision it is and which commit it came from."""

    policy: Policy
    revision: int
    commit: str | None
