"""The parts of documents that set limits and say what happens to keys that no longer fit."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from keymgr.policy.fields import Cidr, Count, Duration, Listed, Name, Part, unique
from keymgr.policy.model import TokenForm, ViolationAction


class RateLimitPart(Part):
    """At most so many calls in any window of a length."""

    name: Name = Field(description="What the window is called in answers and headers, such as burst or daily.")
    requests: Count = Field(description="How many calls are let through.")
    per: Duration = Field(description="The length of the window.")


Windows = Annotated[tuple[RateLimitPart, ...], Field(min_length=1, max_length=8), AfterValidator(unique)]


class QuotaPart(Part):
    """A number of calls that is refilled at the end of each period."""

    requests: Count = Field(description="How many calls a period has.")
    per: Duration = Field(description="The length of the period.")


class AllowedCidrsPart(Part):
    """The source networks a key may, or must, be bound to."""

    required: bool = Field(default=False, description="Whether a key has to name at least one network.")
    within: Listed[Cidr] = Field(
        default=(), description="Each network of a key lies inside one of these; any network when left out."
    )
    max_entries: int = Field(default=16, ge=1, le=256, description="How many networks a key may name.")


class LimitsPart(Part):
    """What a key gets at most. A field that is left out takes the default of the PolicySet."""

    max_ttl: Duration | None = Field(default=None, description="The longest lifetime that may be asked for.")
    default_ttl: Duration | None = Field(default=None, description="The lifetime when none is asked for.")
    rotate_every: Duration | None = Field(default=None, description="How often the secret has to be rotated.")
    rotation_overlap: Duration | None = Field(
        default=None, description="How long the old secret still works beside the new one; shorter than rotate_every."
    )
    max_keys_per_owner: int | None = Field(
        default=None, ge=1, le=1000, description="Live keys of one owner for one service and environment."
    )
    idle_expiry: Duration | None = Field(default=None, description="How long a key may lie unused before it expires.")
    rate_limits: Windows = Field(default=(), description="Windows that are counted for each key.")
    owner_rate_limits: Windows = Field(
        default=(), description="Windows that are counted for all keys of an owner together."
    )
    quota: QuotaPart | None = Field(default=None, description="Calls per period, refilled at its end.")
    allowed_cidrs: AllowedCidrsPart | None = Field(default=None, description="Source networks of a key.")
    token: TokenForm | None = Field(default=None, description="The form in which the key is presented.")


class ExistingKeysPart(Part):
    """What a re-evaluation may do to a live key that no longer fits."""

    on_violation: ViolationAction | None = Field(
        default=None, description="What happens once the grace period is over; flag touches nothing."
    )
    grace: Duration | None = Field(default=None, description="How long the key goes on as it is.")
    notify: Listed[Literal["owner", "team", "service_owner"]] = Field(
        default=(), description="Who is told when a key no longer fits."
    )
