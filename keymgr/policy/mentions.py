"""Every name that a document mentions, with its place: what has to exist for the document to make sense."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from keymgr.policy.documents import AnyDocument
from keymgr.policy.documents_approvals import NO_APPROVAL, ApprovalPolicyDocument
from keymgr.policy.documents_guardrails import GuardrailDocument, WaiverDocument
from keymgr.policy.documents_people import RoleDocument
from keymgr.policy.documents_rules import EVERY_SCOPE, IssuanceRuleDocument
from keymgr.policy.documents_services import ScopeBundleDocument, ServiceDocument
from keymgr.policy.documents_tests import HoldersPart, PolicyTestDocument

Path = tuple[str | int, ...]


class Noun(StrEnum):
    """What is mentioned; kinds are written as in documents."""

    APPROVAL_POLICY = "ApprovalPolicy"
    ENVIRONMENT = "environment"
    FIXTURE_OWNER = "owner"
    FIXTURE_REQUEST = "request"
    GUARDRAIL = "Guardrail"
    ROLE = "Role"
    SCOPE = "scope"
    SCOPE_BUNDLE = "ScopeBundle"
    SERVICE = "Service"
    TEAM = "Team"


@dataclass(frozen=True, slots=True)
class Mention:
    """One name that has to lead somewhere. `service` is the service it belongs to, None where it stands alone."""

    noun: Noun
    name: str
    path: Path
    service: str | None = None


def mentions(model: AnyDocument) -> Iterator[Mention]:
    """Yield every name that the document mentions."""
    if model.metadata.owner is not None:
        yield Mention(Noun.TEAM, model.metadata.owner, ("metadata", "owner"))
    mention = _MENTIONS.get(type(model))
    if mention is not None:
        yield from mention(model)


def _each(noun: Noun, names: Iterable[str], path: Path, service: str | None = None) -> Iterator[Mention]:
    return (Mention(noun, name, (*path, number), service) for number, name in enumerate(names))


def _role(model: RoleDocument) -> Iterator[Mention]:
    yield from _each(Noun.TEAM, model.spec.teams, ("spec", "teams"))


def _service(model: ServiceDocument) -> Iterator[Mention]:
    yield from _each(Noun.ENVIRONMENT, model.spec.environments, ("spec", "environments"))


def _bundle(model: ScopeBundleDocument) -> Iterator[Mention]:
    yield Mention(Noun.SERVICE, model.spec.service, ("spec", "service"))
    yield from _each(Noun.SCOPE, model.spec.scopes, ("spec", "scopes"), model.spec.service)


def _approval(model: ApprovalPolicyDocument) -> Iterator[Mention]:
    for number, step in enumerate(model.spec.steps):
        yield from _each(Noun.TEAM, step.people.teams, ("spec", "steps", number, "from", "teams"))
        yield from _each(Noun.ROLE, step.people.roles, ("spec", "steps", number, "from", "roles"))


def _rule(model: IssuanceRuleDocument) -> Iterator[Mention]:
    spec = model.spec
    yield from _each(Noun.TEAM, spec.subjects.teams, ("spec", "subjects", "teams"))
    yield from _each(Noun.ROLE, spec.subjects.roles, ("spec", "subjects", "roles"))
    if spec.approval != NO_APPROVAL:
        yield Mention(Noun.APPROVAL_POLICY, spec.approval, ("spec", "approval"))
    if spec.grants.bundle is not None:
        # Its environments are looked up in the bundle's service, once that is known.
        yield Mention(Noun.SCOPE_BUNDLE, spec.grants.bundle, ("spec", "grants", "bundle"))
    if spec.grants.service is not None:
        yield Mention(Noun.SERVICE, spec.grants.service, ("spec", "grants", "service"))
        named = [scope for scope in spec.grants.scopes if scope != EVERY_SCOPE]
        yield from _each(Noun.SCOPE, named, ("spec", "grants", "scopes"), spec.grants.service)
        yield from _each(Noun.SCOPE, spec.grants.excluded, ("spec", "grants", "except"), spec.grants.service)


def _guardrail(model: GuardrailDocument) -> Iterator[Mention]:
    looked_at = model.spec.applies_to
    yield from _each(Noun.SERVICE, looked_at.services, ("spec", "applies_to", "services"))
    yield from _each(Noun.ENVIRONMENT, looked_at.environments, ("spec", "applies_to", "environments"))
    yield from _each(Noun.TEAM, looked_at.teams, ("spec", "applies_to", "teams"))
    yield from _each(Noun.SCOPE, looked_at.scopes, ("spec", "applies_to", "scopes"))


def _waiver(model: WaiverDocument) -> Iterator[Mention]:
    subject = model.spec.subject
    yield Mention(Noun.GUARDRAIL, model.spec.guardrail, ("spec", "guardrail"))
    yield Mention(Noun.SERVICE, subject.service, ("spec", "subject", "service"))
    path = ("spec", "subject", "environments")
    yield from _each(Noun.ENVIRONMENT, subject.environments, path, subject.service)


def _tests(model: PolicyTestDocument) -> Iterator[Mention]:
    spec = model.spec
    for name, owner in spec.fixtures.owners.items():
        fixture: Path = ("spec", "fixtures", "owners", name)
        yield from _each(Noun.TEAM, owner.teams, (*fixture, "teams"))
        yield from _each(Noun.ROLE, owner.roles, (*fixture, "roles"))
    for number, case in enumerate(spec.cases):
        yield Mention(Noun.FIXTURE_OWNER, case.owner, ("spec", "cases", number, "owner"))
        yield Mention(Noun.FIXTURE_REQUEST, case.request, ("spec", "cases", number, "request"))
    for number, live in enumerate(spec.existing_keys):
        yield Mention(Noun.FIXTURE_OWNER, live.key.owner, ("spec", "existing_keys", number, "key", "owner"))
    for number, invariant in enumerate(spec.invariants):
        path: Path = ("spec", "invariants", number)
        yield Mention(Noun.SERVICE, invariant.service, (*path, "service"))
        yield from _each(Noun.ENVIRONMENT, invariant.environments, (*path, "environments"), invariant.service)
        yield from _each(Noun.SCOPE, invariant.scopes, (*path, "scopes"), invariant.service)
        only = invariant.only or HoldersPart()
        yield from _each(Noun.TEAM, only.teams, (*path, "only", "teams"))
        yield from _each(Noun.ROLE, only.roles, (*path, "only", "roles"))


_MENTIONS: Mapping[type[AnyDocument], Callable[[Any], Iterator[Mention]]] = MappingProxyType(
    {
        ApprovalPolicyDocument: _approval,
        GuardrailDocument: _guardrail,
        IssuanceRuleDocument: _rule,
        PolicyTestDocument: _tests,
        RoleDocument: _role,
        ScopeBundleDocument: _bundle,
        ServiceDocument: _service,
        WaiverDocument: _waiver,
    }
)
