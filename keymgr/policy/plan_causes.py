"""Which object, and which line of it, makes a cell change hands: the decision of the other side says it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keymgr.policy.capability import Cell, Way
from keymgr.policy.decide import decide
from keymgr.policy.decision import Denied, Reason, Unmet
from keymgr.policy.documents import Document
from keymgr.policy.guardrails import refusing
from keymgr.policy.model import Policy, Rule
from keymgr.policy.places import place
from keymgr.policy.plan_objects import Action, Identity, ObjectChange
from keymgr.policy.words import Source

_FIELDS = {
    Reason.FACT_MISMATCH: "spec.conditions",
    Reason.FACT_UNKNOWN: "spec.conditions",
    Reason.GUARDRAIL_REQUIRE: "spec.approval",
    Reason.LIMIT_CIDR: "spec.limits.allowed_cidrs",
    Reason.LIMIT_TTL: "spec.limits.max_ttl",
    Reason.RULE_ENVIRONMENT: "spec.grants.environments",
    Reason.RULE_OWNER_KIND: "spec.subjects.owner_kinds",
    Reason.RULE_ROLE: "spec.subjects.roles",
    Reason.RULE_SCOPE: "spec.grants.scopes",
    Reason.RULE_TEAM: "spec.subjects.teams",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """The object that brings a change about and where; a removed one has its place in the base."""

    kind: str
    name: str
    source: Source
    removed: bool = False

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Move:
    """Both sides of a change, with what is needed to find out why something else follows from it."""

    base: Policy | None
    head: Policy
    head_documents: Mapping[Identity, Document]
    changes: Mapping[Identity, ObjectChange]
    now: int

    def former(self, kind: str, name: str) -> str:
        """Return what the object was called before."""
        change = self.changes.get((kind, name))
        return (change.previous_name if change else None) or name

    @property
    def renamed_rules(self) -> dict[str, str]:
        """Map former names of rules to their new ones."""
        return {
            change.previous_name: change.name
            for change in self.changes.values()
            if change.kind == "IssuanceRule" and change.previous_name
        }


def cause_of_gain(move: Move, cell: Cell, way: Way) -> Cause:
    """Return why somebody can hold the cell now."""
    rule = way.rule
    unmet, guardrail, near = _refusal(move.base, move, cell, way, move.former("IssuanceRule", rule.name))
    if guardrail is not None:
        return _of_guardrail(move, guardrail, cell)
    if near is None or unmet is None:
        return _traced(move, rule, rule.source)
    return _traced(move, rule, place(rule, _FIELDS.get(unmet.reason, "spec")))


def cause_of_loss(move: Move, cell: Cell, way: Way) -> Cause:
    """Return why nobody can hold the cell any more."""
    name = move.renamed_rules.get(way.rule.name, way.rule.name)
    unmet, guardrail, near = _refusal(move.head, move, cell, way, name)
    if guardrail is not None and unmet is not None:
        return _of_guardrail(move, guardrail, cell)
    if near is not None and unmet is not None:
        return _traced(move, near, unmet.source or near.source)
    if name in move.head.rules:
        return _traced(move, move.head.rules[name], move.head.rules[name].source)
    return Cause("IssuanceRule", way.rule.name, way.rule.source, removed=True)


def cause_of_limits(move: Move, way: Way, path: str) -> Cause:
    """Return why a term of the way is another one now; `path` is its place below `spec` of a rule."""
    rule, change = way.rule, move.changes.get(("IssuanceRule", way.rule.name))
    field = f"spec.{path}"
    if change is not None and any(_under(each.path, field) and each.via is None for each in change.changes):
        return Cause("IssuanceRule", rule.name, place(rule, field))
    guardrail = next((each for each in move.changes.values() if each.kind == "Guardrail" and _decides(each)), None)
    traced = _traced(move, rule, place(rule, field))
    if guardrail is not None and (traced.kind, traced.name) == ("IssuanceRule", rule.name):
        return Cause("Guardrail", guardrail.name, guardrail.source, removed=guardrail.action is Action.REMOVED)
    return traced


def _decides(change: ObjectChange) -> bool:
    return change.action is not Action.TOUCHED


def _under(path: str, field: str) -> bool:
    return path == field or path.startswith(f"{field}.") or field.startswith(f"{path}.")


def _refusal(
    policy: Policy | None, move: Move, cell: Cell, way: Way, name: str
) -> tuple[Unmet | None, str | None, Rule | None]:
    """Return why the other side refuses: what is unmet, with the guardrail that objects or the rule that misses."""
    decision = None
    if policy is not None:
        decision = decide(policy, cell.subject.asker(cell.kind, policy), way.wish(cell), way.evidence, move.now)
    if not isinstance(decision, Denied):
        return None, None, None
    if refusing(decision.hits):
        hit = next(each for each in decision.hits if each.unmet is refusing(decision.hits)[0])
        return hit.unmet, hit.guardrail, None
    near = next((each for each in decision.considered if each.rule.name == name), None)
    return (near.unmet[0], None, near.rule) if near else (decision.reasons[0], None, None)


def _of_guardrail(move: Move, name: str, cell: Cell) -> Cause:
    """Return the guardrail that came, went or changed, or the waiver that opened or ended."""
    for change in move.changes.values():
        is_it = change.kind == "Guardrail" and name in (change.name, change.previous_name)
        if is_it or (change.kind == "Waiver" and cell.subject.owner is not None):
            return Cause(change.kind, change.name, change.source, removed=change.action is Action.REMOVED)
    told = (each for each in (move.head, move.base) if each is not None and name in each.guardrails)
    policy = next(told)
    other = _other(move, cell.service)
    return other or Cause("Guardrail", name, policy.guardrails[name].source, removed=policy is move.base)


def _traced(move: Move, rule: Rule, source: Source) -> Cause:
    """Return the rule, or what it refers to where the rule itself stays as it is."""
    change = move.changes.get(("IssuanceRule", rule.name))
    if change is not None and change.action is not Action.TOUCHED:
        return Cause("IssuanceRule", rule.name, source)
    document = move.head_documents.get(("IssuanceRule", rule.name))
    bundle = document.data["spec"]["grants"].get("bundle", "") if document else ""
    for kind, name in (("ScopeBundle", bundle), ("Service", rule.service), ("ApprovalPolicy", rule.approval.name)):
        referred = move.changes.get((kind, name))
        if referred is not None:
            return Cause(kind, name, referred.source)
    return _other(move, rule.service) or Cause("IssuanceRule", rule.name, source)


def _other(move: Move, service: str) -> Cause | None:
    """Return a change of something that reaches every rule: the set, a role, or the service."""
    wanted: Iterator[ObjectChange] = (
        change
        for change in move.changes.values()
        if change.kind in {"PolicySet", "Role"} or (change.kind, change.name) == ("Service", service)
    )
    change = next(wanted, None)
    removed = change is not None and change.action is Action.REMOVED
    return Cause(change.kind, change.name, change.source, removed=removed) if change else None
