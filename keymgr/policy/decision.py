"""What `decide` and `explain` answer: values that carry their reason and its place to the screen and the audit."""

from dataclasses import dataclass
from enum import StrEnum

from keymgr.policy.model import Enforcement, Limits, Network, Risk, Rule, Source


class Reason(StrEnum):
    """Why a wish was refused, or which condition of a rule is unmet. Stable: tests, audit and API use these words."""

    BAD_REQUEST = "BAD_REQUEST"
    FACT_MISMATCH = "FACT_MISMATCH"
    FACT_UNKNOWN = "FACT_UNKNOWN"
    GUARDRAIL_CEILING = "GUARDRAIL_CEILING"
    GUARDRAIL_CIDR = "GUARDRAIL_CIDR"
    GUARDRAIL_DENY = "GUARDRAIL_DENY"
    GUARDRAIL_REQUIRE = "GUARDRAIL_REQUIRE"
    LIMIT_CIDR = "LIMIT_CIDR"
    LIMIT_KEYS = "LIMIT_KEYS"
    LIMIT_TTL = "LIMIT_TTL"
    NO_RULE = "NO_RULE"
    OWNER_INACTIVE = "OWNER_INACTIVE"
    RULE_ENVIRONMENT = "RULE_ENVIRONMENT"
    RULE_OWNER_KIND = "RULE_OWNER_KIND"
    RULE_ROLE = "RULE_ROLE"
    RULE_SCOPE = "RULE_SCOPE"
    RULE_TEAM = "RULE_TEAM"
    UNKNOWN_NAME = "UNKNOWN_NAME"


@dataclass(frozen=True, slots=True)
class Unmet:
    """One condition that is not met: a whole sentence for a person, and where the condition is written."""

    reason: Reason
    sentence: str
    source: Source | None


@dataclass(frozen=True, slots=True)
class Near:
    """A rule that did not accept the wish, with everything it misses."""

    rule: Rule
    unmet: tuple[Unmet, ...]


@dataclass(frozen=True, slots=True)
class GuardrailHit:
    """A guardrail that objects. Only `enforce` refuses; `warn` and `audit` are shown and recorded."""

    guardrail: str
    enforcement: Enforcement
    unmet: Unmet


@dataclass(frozen=True, slots=True)
class Terms:
    """What the key would get: the exact numbers that are shown before submit and stored with the key.

    `max_ttl_seconds` is the highest lifetime that could have been asked for; `ttl_seconds` what this wish gets.
    """

    ttl_seconds: int
    max_ttl_seconds: int
    cidrs: tuple[Network, ...]
    limits: Limits


@dataclass(frozen=True, slots=True)
class Allowed:
    """The wish is granted at once by `rule`."""

    rule: Rule
    terms: Terms
    hits: tuple[GuardrailHit, ...] = ()
    waived: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """The wish is granted by `rule` once its approval policy is met."""

    rule: Rule
    terms: Terms
    hits: tuple[GuardrailHit, ...] = ()
    waived: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """The wish is refused. `reasons` is never empty; its first entry is the one to show first.

    `nearest` is the rule with the fewest unmet conditions, None when no rule speaks of the service at all.
    `considered` holds every rule of that service, nearest first.
    """

    reasons: tuple[Unmet, ...]
    hits: tuple[GuardrailHit, ...] = ()
    nearest: Near | None = None
    considered: tuple[Near, ...] = ()


Decision = Allowed | NeedsApproval | Denied


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """One scope's own answer, as if it had been asked for alone with the same service, environment and lifetime."""

    scope: str
    risk: Risk | None
    description: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to a whole wish beside the answer for each of its scopes, in the order they were declared."""

    whole: Decision
    lines: tuple[ScopeLine, ...]
