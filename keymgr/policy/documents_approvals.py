"""The document that says who has to agree before a key is issued: `ApprovalPolicy`."""

from typing import Literal

from pydantic import Field, model_validator

from keymgr.policy.documents_base import Metadata, PolicyDocument
from keymgr.policy.fields import Duration, Line, Listed, ListedOrNone, Name, Part, Pattern, PersonName, wrong

NO_APPROVAL = "none"


class ApproversPart(Part):
    """The people who may approve a step: everybody in one of the teams or with one of the roles."""

    teams: Listed[Name] = Field(default=(), description="Teams whose people may approve.")
    roles: Listed[Name] = Field(default=(), description="Roles whose people may approve.")

    @model_validator(mode="after")
    def _somebody(self) -> "ApproversPart":
        if not (self.teams or self.roles):
            raise wrong("E215", "nobody may approve this step", "name teams or roles")
        return self


class StepPart(Part):
    """One step of an approval."""

    name: Line = Field(description="What the step is called in the portal.")
    people: ApproversPart = Field(alias="from", description="Whose approval counts.")
    count: int = Field(default=1, ge=1, le=20, description="How many different people have to approve.")


class SeparationPart(Part):
    """Separation of duties; both fields exist to be read, neither can be switched on."""

    requester_may_approve: Literal[False] = Field(default=False, description="Nobody approves their own request.")
    same_person_in_two_steps: Literal[False] = Field(default=False, description="Nobody counts in two steps.")


class ApprovalPolicySpec(Part):
    """Steps that must all be met, in order."""

    steps: Listed[StepPart] = Field(description="The steps, in the order in which they are asked.")
    reason: Literal["required", "optional"] = Field(
        default="optional", description="Whether the person who asks has to say why."
    )
    ticket_pattern: Pattern | None = Field(
        default=None, description="The form of the ticket that has to be named; no ticket is asked when left out."
    )
    request_ttl: Duration = Field(default=72 * 3600, description="How long a request waits before it expires.")
    separation: SeparationPart = Field(
        default=SeparationPart(), description="Separation of duties, spelled out for reviewers."
    )
    break_glass: ListedOrNone[PersonName] = Field(
        default=(), description="People who may grant at once in an emergency; an empty list means nobody."
    )


class ApprovalPolicyDocument(PolicyDocument):
    """Who has to agree before a key is issued."""

    kind: Literal["ApprovalPolicy"] = Field(description="Always ApprovalPolicy.")
    metadata: Metadata = Field(description="Who the object is and who answers for it.")
    spec: ApprovalPolicySpec = Field(description="The steps and what a request has to state.")

    @model_validator(mode="after")
    def _not_none(self) -> "ApprovalPolicyDocument":
        if self.metadata.name == NO_APPROVAL:
            message = '"none" already means that no approval is needed'
            raise wrong("E215", message, "choose another name", path=("metadata", "name"))
        return self
