"""The documents about the set as a whole: `PolicySet` with its environments, defaults and guards, and `ChangeAck`."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from keymgr.policy.documents_base import Metadata, PolicyDocument
from keymgr.policy.documents_limits import ExistingKeysPart, LimitsPart
from keymgr.policy.fields import DIGEST, Listed, Name, Part, PersonName, Prose, Timestamp
from keymgr.policy.model import OwnerExit, Tier


class ChangeGuard(StrEnum):
    """What stops an apply until somebody has acknowledged it in the same change."""

    ADMIN_CHANGED = "admin_changed"
    GOES_TO_ZERO = "goes_to_zero"
    GUARDRAIL_LOOSENED = "guardrail_loosened"
    GUARDRAIL_REMOVED = "guardrail_removed"
    GUARDS_LOOSENED = "guards_loosened"
    MAX_KEYS_LOSING_ACCESS = "max_keys_losing_access"
    MAX_OBJECTS_PRUNED = "max_objects_pruned"
    MIN_PORTAL_ADMINS = "min_portal_admins"
    PROD_SCOPE_WIDENED = "prod_scope_widened"
    PROTECTED_OBJECT_CHANGED = "protected_object_changed"
    REQUIRED_ADMINS = "required_admins"


class EnvironmentPart(Part):
    """One deployment stage."""

    name: Name = Field(description="The name of the environment.")
    tier: Tier = Field(description="Whether it counts as production.")


class ThresholdPart(Part):
    """How many are too many; the percentage counts once there are 20 or more."""

    count: int = Field(ge=0, le=1_000_000, description="The most that may be touched without an acknowledgement.")
    percent: int = Field(default=100, ge=0, le=100, description="The same as a share of all there are.")


class GuardsPart(Part):
    """Guards against accidents: an apply that trips one stops."""

    min_portal_admins: int = Field(default=0, ge=0, le=1000, description="The fewest people with portal admin.")
    required_admins: Listed[PersonName] = Field(default=(), description="People who stay portal admins.")
    max_objects_pruned: ThresholdPart | None = Field(default=None, description="Objects that may go at once.")
    max_keys_losing_access: ThresholdPart | None = Field(
        default=None, description="Live keys that may stop fitting at once."
    )
    always_ack: Listed[ChangeGuard] = Field(default=(), description="Changes that always need a ChangeAck.")


class PolicySetSpec(Part):
    """What holds for the whole set."""

    environments: Listed[EnvironmentPart] = Field(description="Every environment there is.")
    defaults: LimitsPart = Field(
        default=LimitsPart(), description="Limits for rules that leave a field out; whole fields, never merged."
    )
    existing_keys: ExistingKeysPart = Field(
        default=ExistingKeysPart(), description="What happens to a live key that no longer fits."
    )
    on_owner_exit: OwnerExit = Field(
        default=OwnerExit.SUSPEND, description="What happens to keys when their owner leaves."
    )
    guards: GuardsPart = Field(default=GuardsPart(), description="What stops an apply until it is acknowledged.")


class PolicySetDocument(PolicyDocument):
    """The one document that holds the set together; there is exactly one."""

    kind: Literal["PolicySet"] = Field(description="Always PolicySet.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: PolicySetSpec = Field(description="Environments, defaults and guards.")


class ChangeAckSpec(Part):
    """One acknowledged change, bound to the policy it starts from."""

    guard: ChangeGuard = Field(description="The guard that would stop the apply.")
    max: int | None = Field(default=None, ge=0, le=1_000_000, description="How many may be touched.")
    base: Annotated[str, Field(pattern=DIGEST)] = Field(
        description="Digest of the applied policy the change starts from."
    )
    expires_at: Timestamp = Field(description="When the acknowledgement ends.")
    reason: Prose = Field(description="Why the change is meant.")


class ChangeAckDocument(PolicyDocument):
    """A reviewed acknowledgement of a change that a guard would stop; it works once."""

    kind: Literal["ChangeAck"] = Field(description="Always ChangeAck.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: ChangeAckSpec = Field(description="The guard and its bounds.")
