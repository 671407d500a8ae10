"""The document that proves the others: `PolicyTest`, with fixtures, cases, live keys and invariants."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from keymgr.policy.decision import Reason
from keymgr.policy.documents_base import PolicyDocument, UnownedMetadata
from keymgr.policy.facts import OwnerStatus
from keymgr.policy.fields import (
    ConditionValue,
    Duration,
    FactName,
    Line,
    Listed,
    ListedOrNone,
    Name,
    Part,
    PersonName,
    ScopeName,
    Timestamp,
    wrong,
)
from keymgr.policy.model import OwnerKind

Facts = dict[FactName, ConditionValue]


class OwnerFixture(Part):
    """An owner as a test sees one."""

    kind: OwnerKind = Field(description="What the owner is.")
    teams: ListedOrNone[Name] = Field(default=(), description="The owner's teams.")
    roles: ListedOrNone[Name] = Field(default=(), description="The owner's roles.")
    status: OwnerStatus = Field(default=OwnerStatus.ACTIVE, description="Whether the owner may hold keys.")


class RequestFixture(Part):
    """A wish as a test makes one; names and networks are not checked, so that refusals can be tested."""

    service: Line = Field(description="The service asked for.")
    environment: Line = Field(description="The environment asked for.")
    scopes: ListedOrNone[Line] = Field(description="The scopes asked for.")
    ttl: Duration | None = Field(default=None, description="The lifetime asked for; the rule's default when left out.")
    cidrs: ListedOrNone[Line] = Field(default=(), description="The networks asked for.")
    facts: Facts = Field(default_factory=dict, description="What is known about the wish, such as issuance.mfa.")
    keys_held: int = Field(default=0, ge=0, le=1_000_000, description="Live keys the owner has there already.")


class ChangedRequest(Part):
    """The fields of a request that a case replaces, each as a whole."""

    service: Line | None = Field(default=None, description="Another service.")
    environment: Line | None = Field(default=None, description="Another environment.")
    scopes: ListedOrNone[Line] | None = Field(default=None, description="Other scopes.")
    ttl: Duration | None = Field(default=None, description="Another lifetime.")
    cidrs: ListedOrNone[Line] | None = Field(default=None, description="Other networks.")
    facts: Facts | None = Field(default=None, description="Other facts.")
    keys_held: int | None = Field(default=None, ge=0, le=1_000_000, description="Another number of live keys.")


class FixturesPart(Part):
    """What cases are made of."""

    owners: dict[PersonName, OwnerFixture] = Field(default_factory=dict, description="Owners by name.")
    requests: dict[Name, RequestFixture] = Field(default_factory=dict, description="Requests by name.")


class ExpectedDecision(Part):
    """What a case expects; a bare refusal proves nothing, so a rule or a reason is named."""

    decision: Literal["allow", "needs_approval", "deny"] = Field(description="The decision.")
    rule: Name | None = Field(default=None, description="The rule that grants.")
    approval_steps: int | None = Field(default=None, ge=0, le=20, description="How many steps have to be met.")
    reason: Reason | None = Field(default=None, description="The first reason of a refusal, or one of them.")
    near_miss: Name | None = Field(default=None, description="The rule that came nearest.")
    guardrail: Name | None = Field(default=None, description="A guardrail that objects.")

    @model_validator(mode="after")
    def _says_why(self) -> "ExpectedDecision":
        if self.decision == "deny" and self.reason is None:
            raise wrong("E219", "a bare deny proves nothing", "name the reason, such as RULE_TEAM")
        if self.decision != "deny" and self.rule is None:
            raise wrong("E219", "a bare grant proves nothing", "name the rule that grants")
        return self


class CasePart(Part):
    """One wish of one owner with the decision it must get."""

    name: Line = Field(description="What the case shows, as a sentence.")
    owner: PersonName = Field(description="An owner of the fixtures.")
    request: Name = Field(description="A request of the fixtures.")
    changed: ChangedRequest = Field(
        default=ChangedRequest(), alias="with", description="Fields of the request that this case replaces."
    )
    expect: ExpectedDecision = Field(description="The decision it must get.")


class KeyFixture(Part):
    """A live key as a test sees one."""

    owner: PersonName = Field(description="An owner of the fixtures.")
    service: Line = Field(description="The key's service.")
    environment: Line = Field(description="The key's environment.")
    scopes: Listed[Line] = Field(description="The key's scopes.")
    cidrs: ListedOrNone[Line] = Field(default=(), description="The key's networks.")
    issued_at: Timestamp = Field(description="When it was issued.")
    expires_at: Timestamp = Field(description="When it expires.")
    last_used_at: Timestamp | None = Field(default=None, description="When it was last used; never when left out.")
    rule: Name | None = Field(default=None, description="The rule it was issued by.")
    facts: Facts = Field(default_factory=dict, description="The evidence that was stored with it.")


class ExpectedVerdict(Part):
    """How a live key must stand."""

    verdict: Literal["exempt", "ok", "ok_by_another_rule", "unknown", "violates"] = Field(description="The verdict.")
    reason: Reason | None = Field(default=None, description="The first reason, or one of them.")
    action: Literal["flag", "suspend", "expire", "revoke"] | None = Field(
        default=None, description="What happens once the grace period is over."
    )
    rule: Name | None = Field(default=None, description="The rule that carries the key.")

    @model_validator(mode="after")
    def _says_why(self) -> "ExpectedVerdict":
        if self.verdict in ("unknown", "violates") and self.reason is None:
            raise wrong("E219", f"a bare {self.verdict} proves nothing", "name the reason, such as LIMIT_TTL")
        return self


class LiveKeyCase(Part):
    """One live key with the verdict it must get."""

    name: Line = Field(description="What the case shows, as a sentence.")
    key: KeyFixture = Field(description="The key.")
    expect: ExpectedVerdict = Field(description="How it must stand.")


class HoldersPart(Part):
    """The only owners that may hold something; each field that is written has to be met."""

    teams: Listed[Name] = Field(default=(), description="Owners in one of these teams.")
    roles: Listed[Name] = Field(default=(), description="Owners with one of these roles.")
    owner_kinds: Listed[OwnerKind] = Field(default=(), description="Owners of one of these kinds.")


class InvariantPart(Part):
    """Something that must hold for everybody, checked against all that the rules can grant."""

    name: Line = Field(description="What must hold, as a sentence.")
    service: Name = Field(description="The service.")
    scopes: Listed[ScopeName] = Field(description="The scopes that are protected.")
    environments: Listed[Name] = Field(description="The environments in which they are protected.")
    only: HoldersPart | None = Field(default=None, description="Who alone may hold them; nobody when left out.")


class PolicyTestSpec(Part):
    """A frozen moment, fixtures, and what must come out."""

    now: Timestamp = Field(description="The moment at which the cases are judged; tests never read the clock.")
    fixtures: FixturesPart = Field(default_factory=FixturesPart, description="Owners and requests that cases name.")
    cases: Listed[CasePart] = Field(default=(), description="Wishes with the decisions they must get.")
    existing_keys: Listed[LiveKeyCase] = Field(default=(), description="Live keys with the verdicts they must get.")
    invariants: Listed[InvariantPart] = Field(default=(), description="What must hold for everybody.")


class PolicyTestDocument(PolicyDocument):
    """Proof that the other documents mean what they should."""

    kind: Literal["PolicyTest"] = Field(description="Always PolicyTest.")
    metadata: Annotated[UnownedMetadata, Field(description="Who the object is.")]
    spec: PolicyTestSpec = Field(description="Fixtures, cases, live keys and invariants.")
