"""Turns the documents of a set into the values that `decide` reads; names are known to lead somewhere."""

from keymgr.policy.documents_approvals import NO_APPROVAL, ApprovalPolicyDocument
from keymgr.policy.documents_guardrails import CeilingsPart, GuardrailDocument, RequirePart, WaiverDocument
from keymgr.policy.documents_limits import ExistingKeysPart
from keymgr.policy.documents_people import RoleDocument, TeamDocument
from keymgr.policy.documents_services import ServiceDocument
from keymgr.policy.documents_set import PolicySetDocument
from keymgr.policy.index import Written
from keymgr.policy.model import (
    ApprovalPolicy,
    ApprovalStep,
    Environment,
    ExistingKeys,
    Guardrail,
    Role,
    Scope,
    Service,
    Team,
    ViolationAction,
    Waiver,
)
from keymgr.policy.networks import in_order

GRACE_SECONDS = 14 * 86_400
GRANTED_AT_ONCE = ApprovalPolicy(name=NO_APPROVAL, steps=())


def environments(written: Written[PolicySetDocument]) -> dict[str, Environment]:
    """Return the environments of the set by name, in the order they are written."""
    return {each.name: Environment(each.name, each.tier) for each in written.model.spec.environments}


def existing_keys(part: ExistingKeysPart, default: ExistingKeys | None = None) -> ExistingKeys:
    """Return what follows for a live key, fields that are left out taken from `default`."""
    base = default or ExistingKeys(ViolationAction.FLAG, GRACE_SECONDS)
    return ExistingKeys(
        on_violation=base.on_violation if part.on_violation is None else part.on_violation,
        grace_seconds=base.grace_seconds if part.grace is None else part.grace,
        notify=part.notify or base.notify,
    )


def team(written: Written[TeamDocument]) -> Team:
    """Return a team."""
    spec = written.model.spec
    return Team(
        name=written.name,
        title=spec.title or written.name,
        members=frozenset(spec.members),
        idp_groups=frozenset(spec.idp_groups),
        source=written.document.source,
    )


def role(written: Written[RoleDocument]) -> Role:
    """Return a role."""
    spec = written.model.spec
    return Role(
        name=written.name,
        title=spec.title or written.name,
        members=frozenset(spec.members),
        teams=frozenset(spec.teams),
        idp_groups=frozenset(spec.idp_groups),
        portal=frozenset(spec.portal),
        source=written.document.source,
    )


def service(written: Written[ServiceDocument]) -> Service:
    """Return a service with its environments and scopes in the order they are written."""
    metadata, spec = written.model.metadata, written.model.spec
    return Service(
        name=written.name,
        owner=metadata.owner,
        title=spec.title or written.name,
        description=metadata.description or "",
        environments=spec.environments,
        scopes={scope.name: Scope(scope.name, scope.risk, scope.description) for scope in spec.scopes},
        source=written.document.source,
    )


def approval(written: Written[ApprovalPolicyDocument]) -> ApprovalPolicy:
    """Return an approval policy with its steps in order."""
    spec = written.model.spec
    steps = (
        ApprovalStep(step.name, frozenset(step.people.teams), frozenset(step.people.roles), step.count)
        for step in spec.steps
    )
    return ApprovalPolicy(
        name=written.name,
        steps=tuple(steps),
        reason_required=spec.reason == "required",
        ticket_pattern=spec.ticket_pattern,
        request_ttl_seconds=spec.request_ttl,
        break_glass=frozenset(spec.break_glass),
        source=written.document.source,
    )


def guardrail(written: Written[GuardrailDocument], default: ExistingKeys) -> Guardrail:
    """Return a guardrail; a selector that is left out is empty and selects everything."""
    metadata, spec = written.model.metadata, written.model.spec
    looked_at = spec.applies_to
    ceilings, require = spec.ceilings or CeilingsPart(), spec.require or RequirePart()
    return Guardrail(
        name=written.name,
        owner=metadata.owner,
        description=metadata.description or "",
        enforcement=spec.enforcement,
        services=frozenset(looked_at.services),
        environments=frozenset(looked_at.environments),
        tiers=frozenset(looked_at.tiers),
        teams=frozenset(looked_at.teams),
        owner_kinds=frozenset(looked_at.owner_kinds),
        risks=frozenset(looked_at.risk),
        scopes=frozenset(looked_at.scopes),
        max_ttl_seconds=ceilings.max_ttl,
        rotate_every_seconds=ceilings.rotate_every,
        max_keys_per_owner=ceilings.max_keys_per_owner,
        cidrs_required=bool(require.allowed_cidrs),
        approval_steps_min=require.approval_steps or 0,
        forbidden_cidrs=in_order(spec.forbid_cidrs),
        deny_reason=spec.deny.reason if spec.deny else None,
        waivable=spec.waivable,
        existing_keys=existing_keys(spec.existing_keys, default),
        source=written.document.source,
        marks=written.document.marks,
    )


def waiver(written: Written[WaiverDocument]) -> Waiver:
    """Return a waiver; whether it is over is for `decide` to say."""
    spec = written.model.spec
    return Waiver(
        name=written.name,
        guardrail=spec.guardrail,
        owner=spec.subject.owner,
        service=spec.subject.service,
        environments=frozenset(spec.subject.environments),
        expires_at=spec.expires_at,
        source=written.document.source,
    )
