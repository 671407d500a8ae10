"""The documents that narrow: `Guardrail`, and the one way around it, `Waiver`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from keymgr.policy.documents_base import Metadata, PolicyDocument
from keymgr.policy.documents_limits import ExistingKeysPart
from keymgr.policy.fields import Cidr, Duration, Line, Listed, Name, Part, Prose, ScopeName, Timestamp, wrong
from keymgr.policy.model import Enforcement, OwnerKind, Risk, Tier

OWNER = "^((user|svc):)?[a-z0-9][a-z0-9._-]{0,62}$"


class AppliesToPart(Part):
    """What a guardrail looks at. Each field that is written has to match; `{}` means everything."""

    services: Listed[Name] = Field(default=(), description="Keys for one of these services.")
    environments: Listed[Name] = Field(default=(), description="Keys in one of these environments.")
    tiers: Listed[Tier] = Field(default=(), description="Keys in an environment of one of these tiers.")
    teams: Listed[Name] = Field(default=(), description="Keys whose owner is in one of these teams.")
    owner_kinds: Listed[OwnerKind] = Field(default=(), description="Keys of owners of one of these kinds.")
    risk: Listed[Risk] = Field(default=(), description="Keys with a scope of one of these risks.")
    scopes: Listed[ScopeName] = Field(default=(), description="Keys with one of these scopes.")


class CeilingsPart(Part):
    """Limits that no rule can go beyond."""

    max_ttl: Duration | None = Field(default=None, description="The longest lifetime of any key.")
    rotate_every: Duration | None = Field(default=None, description="The longest time between rotations.")
    max_keys_per_owner: int | None = Field(
        default=None, ge=1, le=1000, description="Live keys of one owner for one service and environment."
    )


class RequirePart(Part):
    """What any key has to have."""

    allowed_cidrs: Literal[True] | None = Field(default=None, description="A key has to name source networks.")
    approval_steps: int | None = Field(default=None, ge=1, le=20, description="The fewest approval steps.")


class DenyPart(Part):
    """A plain refusal."""

    reason: Line = Field(description="Why, for the person who is refused.")


class GuardrailSpec(Part):
    """What a guardrail looks at and what it demands."""

    applies_to: AppliesToPart = Field(description="Which keys the guardrail looks at; {} means all of them.")
    enforcement: Enforcement = Field(description="Whether a hit refuses, only warns, or is only recorded.")
    ceilings: CeilingsPart | None = Field(default=None, description="Limits that no rule can go beyond.")
    require: RequirePart | None = Field(default=None, description="What any key has to have.")
    forbid_cidrs: Listed[Cidr] = Field(default=(), description="Networks that no key may cover as a whole.")
    deny: DenyPart | None = Field(default=None, description="Refuses whatever it looks at.")
    waivable: bool = Field(default=False, description="Whether a Waiver may make an exception.")
    existing_keys: ExistingKeysPart = Field(
        default=ExistingKeysPart(), description="What happens to a live key that the guardrail refuses."
    )

    @model_validator(mode="after")
    def _does_something(self) -> "GuardrailSpec":
        if not (self.ceilings or self.require or self.forbid_cidrs or self.deny):
            raise wrong("E215", "the guardrail demands nothing", "write ceilings, require, forbid_cidrs or deny")
        for name, part in (("ceilings", self.ceilings), ("require", self.require)):
            if part is not None and not part.model_fields_set:
                raise wrong("E209", f'"{name}" is empty', "write what it demands, or leave it out", path=(name,))
        return self


class GuardrailDocument(PolicyDocument):
    """A ceiling or a denial that only narrows, whatever the rules say."""

    kind: Literal["Guardrail"] = Field(description="Always Guardrail.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: GuardrailSpec = Field(description="What it looks at and what it demands.")


class WaiverSubjectPart(Part):
    """Whose keys the exception is for, and where."""

    owner: Annotated[str, Field(pattern=OWNER)] = Field(
        description="A person's sign-in name, or svc: and the name of a service account."
    )
    service: Name = Field(description="The one service the exception is for.")
    environments: Listed[Name] = Field(description="The environments the exception is for.")


class WaiverSpec(Part):
    """One exception from one guardrail, for a time."""

    guardrail: Name = Field(description="The waivable guardrail that is silenced.")
    subject: WaiverSubjectPart = Field(description="Whose keys, for what.")
    expires_at: Timestamp = Field(description="When the exception ends, at most 90 days ahead.")
    reason: Prose = Field(description="Why the exception is needed.")
    ticket: Line | None = Field(default=None, description="Where it was asked for.")


class WaiverDocument(PolicyDocument):
    """A named exception from a guardrail that ends by itself."""

    kind: Literal["Waiver"] = Field(description="Always Waiver.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: WaiverSpec = Field(description="The guardrail, the subject and the end.")
