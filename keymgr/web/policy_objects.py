"""One service, rule or role: who has it, what mentions it, which live keys there are, and where it is written."""

from dataclasses import dataclass

from flask import abort, render_template
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.people.whois import Visitor
from keymgr.policy.matrix_subjects import least_subjects, named_people
from keymgr.policy.model import Guardrail, InForce, OwnerKind, Policy, Role, Rule, Service
from keymgr.policy.plan_words import condition
from keymgr.policy.wording import all_of
from keymgr.store.keys import Key
from keymgr.web.explanation_lines import Point
from keymgr.web.forge import Forge, forge_of
from keymgr.web.policy_keys import live_keys_where, oversees
from keymgr.web.policy_words import (
    Entry,
    guardrail_entry,
    is_for,
    limits_of_rule,
    rule_entry,
    rule_sentence,
    subjects_of_rule,
)
from keymgr.web.portal import desk, now, portal
from keymgr.web.visiting import in_force, visitor


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One scope of a service, with the rules that give it; none means that nobody can hold it."""

    name: str
    risk: str
    about: str
    rules: tuple[str, ...]


@portal.get("/policy/services/<service>")
def policy_service(service: str) -> ResponseReturnValue:
    """Show one service."""
    opened, forge = _opened()
    found = opened.policy.services.get(service)
    if found is None:
        abort(404)
    rules = [rule for rule in opened.policy.rules.values() if rule.service == service]
    return render_template(
        "policy/service.html",
        service=found,
        place=forge.place(found.source),
        scopes=[_scope(found, name, rules) for name in found.scopes],
        rules=[rule_entry(rule, forge) for rule in rules],
        guardrails=[guardrail_entry(each, forge) for each in _guarding(opened.policy, service)],
        keys=live_keys_where(db.session(), visitor(), now(), Key.service == service),
        oversees=oversees(visitor()),
        now=now(),
    )


@portal.get("/policy/rules/<rule>")
def policy_rule(rule: str) -> ResponseReturnValue:
    """Show one rule."""
    opened, forge = _opened()
    found = opened.policy.rules.get(rule)
    if found is None:
        abort(404)
    return render_template(
        "policy/rule.html",
        rule=found,
        sentence=rule_sentence(found),
        who=subjects_of_rule(found),
        people=_people(found, opened.policy, visitor()),
        mine=is_for(found, visitor().asker),
        place=forge.place(found.source),
        limits=limits_of_rule(found),
        conditions=[Point(condition(each), forge.place(each.source)) for each in found.conditions],
        guardrails=[guardrail_entry(each, forge) for each in _guarding(opened.policy, found.service)],
        keys=live_keys_where(db.session(), visitor(), now(), Key.rule == rule),
        oversees=oversees(visitor()),
        now=now(),
    )


@portal.get("/policy/roles/<role>")
def policy_role(role: str) -> ResponseReturnValue:
    """Show one role; people are named to overseers only."""
    opened, forge = _opened()
    found = opened.policy.roles.get(role)
    if found is None:
        abort(404)
    policy = opened.policy
    approvals = [each for each in policy.approvals.values() if any(role in step.roles for step in each.steps)]
    return render_template(
        "policy/role.html",
        role=found,
        place=forge.place(found.source),
        people=_members(found, policy) if oversees(visitor()) else (),
        mine=role in visitor().asker.roles,
        rules=[rule_entry(rule, forge) for rule in policy.rules.values() if role in rule.roles],
        approvals=[
            Entry(each.name, "", _approval_sentence(policy, each.name), forge.place(each.source or found.source))
            for each in approvals
        ],
        oversees=oversees(visitor()),
    )


def _opened() -> tuple[InForce, Forge]:
    """Return the policy in force and its forge; without one nothing is there."""
    opened = in_force()
    if opened is None:
        abort(404, "No policy is in force yet, so there is nothing to show.")
    return opened, forge_of(opened, desk().forge_url, desk().policy_folder)


def _scope(service: Service, name: str, rules: list[Rule]) -> ScopeRow:
    scope = service.scopes[name]
    giving = tuple(rule.name for rule in rules if name in rule.scopes)
    return ScopeRow(name, scope.risk.value, scope.description, giving)


def _guarding(policy: Policy, service: str) -> list[Guardrail]:
    """Return the guardrails that may apply to the service."""
    return [each for each in policy.guardrails.values() if not each.services or service in each.services]


def _people(rule: Rule, policy: Policy, who: Visitor) -> tuple[str, ...]:
    """Name the people the policy itself lists for the rule, to overseers."""
    if OwnerKind.USER not in rule.owner_kinds or not oversees(who):
        return ()
    return tuple(sorted({name for subject in least_subjects(rule) for name in named_people(subject, policy)}))


def _members(role: Role, policy: Policy) -> tuple[str, ...]:
    """Return everybody the policy names for the role, by name or by team."""
    teams = [policy.teams[name].members for name in role.teams if name in policy.teams]
    return tuple(sorted(role.members.union(*teams)))


def _approval_sentence(policy: Policy, approval: str) -> str:
    rules = sorted(rule.name for rule in policy.rules.values() if rule.approval.name == approval)
    return f"Whoever has this role may approve what these rules ask for: {all_of(rules) or 'none yet'}."
