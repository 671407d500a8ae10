"""The policy page: how policy stands on both axes, and what it says in names and places."""

from flask import render_template
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.overrides import active_overrides
from keymgr.policy.model import Policy
from keymgr.web.forge import forge_of
from keymgr.web.policy_keys import SHOWN_MAX, misfits, oversees
from keymgr.web.policy_state import has_failed, read_state, result_words
from keymgr.web.policy_words import guardrail_entry, role_entry, rule_entry, service_entry
from keymgr.web.portal import desk, now, portal
from keymgr.web.visiting import in_force, visitor


@portal.get("/policy")
def policy_page() -> ResponseReturnValue:
    """Show how policy stands and what is in force."""
    session, opened = db.session(), in_force()
    if opened is None:
        return render_template("policy/none.html", state=read_state(session, now()), now=now())
    forge = forge_of(opened, desk().forge_url, desk().policy_folder)
    policy = opened.policy
    state = read_state(session, now())
    used, reachable = _roles_in_use(policy), {rule.service for rule in policy.rules.values()}
    return render_template(
        "policy/show.html",
        state=state,
        applied=state.status.applied,
        attempted=state.status.attempted,
        failed=has_failed(state.status.attempted),
        result=result_words(state.status.attempted.result_code if state.status.attempted else None),
        oversees=oversees(visitor()),
        misfits=misfits(session, visitor(), now()),
        shown_max=SHOWN_MAX,
        overrides=active_overrides(session, now()),
        services=[
            service_entry(service, forge, is_reachable=service.name in reachable)
            for service in policy.services.values()
        ],
        rules=[rule_entry(rule, forge) for rule in policy.rules.values()],
        guardrails=[guardrail_entry(guardrail, forge) for guardrail in policy.guardrails.values()],
        roles=[
            role_entry(role, forge, is_used=role.name in used or bool(role.portal)) for role in policy.roles.values()
        ],
        now=now(),
    )


def _roles_in_use(policy: Policy) -> frozenset[str]:
    """Return the roles that a rule or an approval step names."""
    by_rules = (rule.roles for rule in policy.rules.values())
    by_steps = (step.roles for approval in policy.approvals.values() for step in approval.steps)
    return frozenset().union(*by_rules, *by_steps)
