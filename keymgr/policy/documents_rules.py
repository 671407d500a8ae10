"""The document that widens: `IssuanceRule`, who may hold which scopes where, and under which limits."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from keymgr.policy.documents_base import Metadata, PolicyDocument
from keymgr.policy.documents_conditions import ConditionPart
from keymgr.policy.documents_limits import ExistingKeysPart, LimitsPart
from keymgr.policy.fields import SCOPE_OR_ALL, Listed, Name, Part, ScopeName, wrong
from keymgr.policy.model import OwnerExit, OwnerKind

EVERY_SCOPE = "*"


class SubjectsPart(Part):
    """Who the rule is for. Each field that is written has to be met; within a field one entry is enough."""

    roles: Listed[Name] = Field(default=(), description="The owner has one of these roles.")
    teams: Listed[Name] = Field(default=(), description="The owner is in one of these teams.")
    owner_kinds: Listed[OwnerKind] = Field(
        default=tuple(OwnerKind), description="What the owner may be; both people and service accounts when left out."
    )

    @model_validator(mode="after")
    def _somebody(self) -> "SubjectsPart":
        if not (self.teams or self.roles):
            raise wrong("E215", "the rule does not say who it is for", "name teams or roles")
        return self


class GrantsPart(Part):
    """What the rule gives: scopes of one service, or a bundle, in environments."""

    service: Name | None = Field(default=None, description="The service; left out where a bundle is named.")
    environments: Listed[Name] = Field(description="The environments in which keys may be held.")
    scopes: Listed[Annotated[str, Field(pattern=SCOPE_OR_ALL)]] = Field(
        default=(), description='Scopes of the service, or "*" alone for all of them.'
    )
    excluded: Listed[ScopeName] = Field(default=(), alias="except", description='Scopes that "*" does not reach.')
    bundle: Name | None = Field(default=None, description="A ScopeBundle instead of service and scopes.")

    @model_validator(mode="after")
    def _one_way(self) -> "GrantsPart":
        if self.bundle is not None and (self.service or self.scopes):
            message = "a bundle already says which service and scopes"
            raise wrong("E215", message, "write either bundle, or service and scopes", path=("bundle",))
        if self.bundle is None and not (self.service and self.scopes):
            raise wrong("E215", "the rule does not say which scopes it gives", "write service and scopes, or bundle")
        if EVERY_SCOPE in self.scopes and len(self.scopes) > 1:
            message = '"*" already means every scope'
            raise wrong("E215", message, 'write "*" alone, or the scopes one by one', path=("scopes",))
        if self.excluded and EVERY_SCOPE not in self.scopes:
            message = '"except" only goes with "*"'
            raise wrong("E215", message, "remove the scopes from the list instead", path=("except",))
        return self


class IssuanceRuleSpec(Part):
    """Who may hold what, under which limits and approval."""

    subjects: SubjectsPart = Field(description="Who the rule is for.")
    grants: GrantsPart = Field(description="What the rule gives.")
    limits: LimitsPart = Field(default=LimitsPart(), description="What a key gets at most.")
    approval: Name = Field(description="The ApprovalPolicy that has to be met, or none.")
    conditions: Annotated[tuple[ConditionPart, ...], Field(min_length=1, max_length=50)] = Field(
        default=(), description="Facts that all have to hold."
    )
    existing_keys: ExistingKeysPart = Field(
        default=ExistingKeysPart(), description="What happens to a live key of this rule that no longer fits."
    )
    on_owner_exit: OwnerExit | None = Field(default=None, description="What happens to keys when their owner leaves.")


class IssuanceRuleDocument(PolicyDocument):
    """A rule that only widens: it accepts a whole wish on its own, or plays no part."""

    kind: Literal["IssuanceRule"] = Field(description="Always IssuanceRule.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: IssuanceRuleSpec = Field(description="Subjects, grants, limits, approval and conditions.")
