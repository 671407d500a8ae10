"""The nouns of policy as frozen values, names resolved and numbers in base units: what `decide` reads.

`compile.py` builds a `Policy` from loaded documents; nothing else makes one. All nouns are imported from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from keymgr.policy.asking import Asker, Evidence, FactValue, Wish
from keymgr.policy.granting import (
    FLAG_FOR_TWO_WEEKS,
    ApprovalPolicy,
    ApprovalStep,
    CidrRule,
    ExistingKeys,
    Limits,
    Network,
    RateLimit,
)
from keymgr.policy.words import (
    Enforcement,
    OwnerExit,
    OwnerKind,
    PortalPermission,
    Risk,
    Source,
    Tier,
    TokenForm,
    ViolationAction,
)

__all__ = [
    "ApprovalPolicy",
    "ApprovalStep",
    "Asker",
    "CidrRule",
    "Condition",
    "Enforcement",
    "Environment",
    "Evidence",
    "ExistingKeys",
    "FactValue",
    "Guardrail",
    "InForce",
    "Limits",
    "Network",
    "OwnerExit",
    "OwnerKind",
    "Policy",
    "PortalPermission",
    "RateLimit",
    "Risk",
    "Role",
    "Rule",
    "Scope",
    "Service",
    "Source",
    "Team",
    "Tier",
    "TokenForm",
    "ViolationAction",
    "Waiver",
    "Wish",
]


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
class Condition:
    """One fact compared with a value; `operator` is equals, in, not_in, at_most, at_least or matches."""

    fact: str
    operator: str
    value: FactValue
    source: Source


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
    existing_keys: ExistingKeys = FLAG_FOR_TWO_WEEKS


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy that decides now: which revision it is and which commit it came from."""

    policy: Policy
    revision: int
    commit: str | None
