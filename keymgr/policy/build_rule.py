"""Turns an issuance rule into a value: bundles and `*` written out, defaults filled in, conditions in base units."""

from keymgr.policy.build import GRANTED_AT_ONCE, approval, existing_keys
from keymgr.policy.documents_conditions import ConditionPart, comparable
from keymgr.policy.documents_rules import EVERY_SCOPE, GrantsPart, IssuanceRuleDocument
from keymgr.policy.documents_set import PolicySetSpec
from keymgr.policy.facts import FACTS
from keymgr.policy.index import Index, Written
from keymgr.policy.limits import limits_of, merge
from keymgr.policy.model import Condition, Rule


def rule(written: Written[IssuanceRuleDocument], index: Index, defaults: PolicySetSpec) -> Rule:
    """Return a rule all of whose names are known to lead somewhere."""
    metadata, spec = written.model.metadata, written.model.spec
    service, scopes = _granted(spec.grants, index)
    steps = index.approvals.get(spec.approval)
    return Rule(
        name=written.name,
        owner=metadata.owner,
        description=metadata.description or "",
        roles=frozenset(spec.subjects.roles),
        teams=frozenset(spec.subjects.teams),
        owner_kinds=frozenset(spec.subjects.owner_kinds),
        service=service,
        environments=frozenset(spec.grants.environments),
        scopes=scopes,
        limits=limits_of(merge(spec.limits, defaults.defaults)),
        approval=approval(steps) if steps else GRANTED_AT_ONCE,
        conditions=_conditions(written),
        existing_keys=existing_keys(spec.existing_keys, existing_keys(defaults.existing_keys)),
        on_owner_exit=spec.on_owner_exit or defaults.on_owner_exit,
        source=written.document.source,
        marks=written.document.marks,
    )


def _granted(grants: GrantsPart, index: Index) -> tuple[str, frozenset[str]]:
    if grants.bundle is not None:
        bundle = index.bundles[grants.bundle].model.spec
        return bundle.service, frozenset(bundle.scopes)
    service = index.services[grants.service or ""]
    if EVERY_SCOPE in grants.scopes:
        every = (scope.name for scope in service.model.spec.scopes)
        return service.name, frozenset(every).difference(grants.excluded)
    return service.name, frozenset(grants.scopes)


def _conditions(written: Written[IssuanceRuleDocument]) -> tuple[Condition, ...]:
    """Return the conditions in one order, whatever the order they are written in, because all of them have to hold."""
    conditions = [_condition(written, number, part) for number, part in enumerate(written.model.spec.conditions)]
    return tuple(sorted(conditions, key=lambda each: (each.fact, each.operator, str(each.value))))


def _condition(written: Written[IssuanceRuleDocument], number: int, part: ConditionPart) -> Condition:
    operator, value = part.comparisons[0]
    found = comparable(FACTS[part.fact], operator, value)
    ordered = tuple(sorted(found)) if isinstance(found, tuple) else found
    return Condition(part.fact, operator.value, ordered, written.place("spec", "conditions", number))
