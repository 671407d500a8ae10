"""The closed lists of words that policy is written in, and the place where something is written."""

from dataclasses import dataclass
from enum import StrEnum


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
