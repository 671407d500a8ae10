"""The policy page: which revision decides now, where it came from, and what it says in names and places."""

from dataclasses import dataclass
from datetime import datetime

from flask import render_template
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.policy.model import Guardrail, InForce, Rule, Service
from keymgr.policy.wording import all_of, count, span
from keymgr.store.policies import PolicyRevision
from keymgr.web.forge import Forge, Place, forge_of
from keymgr.web.portal import desk, now, portal
from keymgr.web.visiting import in_force


@dataclass(frozen=True, slots=True)
class Applied:
    """The revision in force."""

    number: int
    digest: str
    commit: str | None
    ref: str | None
    author: str | None
    applied_at: datetime
    applied_by: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule, guardrail or service in words, and where it is written."""

    name: str
    about: str
    sentence: str
    place: Place


@portal.get("/policy")
def policy_page() -> ResponseReturnValue:
    """Show the policy in force."""
    opened = in_force()
    if opened is None:
        return render_template("policy/none.html")
    forge = forge_of(opened, desk().forge_url, desk().policy_folder)
    policy = opened.policy
    return render_template(
        "policy/show.html",
        applied=_applied(opened),
        services=[_service(service, forge) for service in policy.services.values()],
        rules=[_rule(rule, forge) for rule in policy.rules.values()],
        guardrails=[_guardrail(guardrail, forge) for guardrail in policy.guardrails.values()],
        now=now(),
    )


def _applied(opened: InForce) -> Applied | None:
    row = db.session().get(PolicyRevision, opened.revision)
    if row is None:
        return None
    return Applied(row.id, row.digest, row.commit, row.ref, row.author, row.applied_at, row.applied_by)


def _service(service: Service, forge: Forge) -> Entry:
    about = service.description or service.title
    sentence = f"{count(len(service.scopes), 'scope')}: {all_of(service.scopes)}. In {all_of(service.environments)}."
    return Entry(service.name, about, sentence, forge.place(service.source))


def _rule(rule: Rule, forge: Forge) -> Entry:
    who = [*(f"team {name}" for name in sorted(rule.teams)), *(f"role {name}" for name in sorted(rule.roles))]
    steps = len(rule.approval.steps)
    granted = f"after {count(steps, 'approval step')}" if steps else "at once"
    sentence = (
        f"{all_of(who) or 'Everybody'} may hold {all_of(sorted(rule.scopes))} on {rule.service} in "
        f"{all_of(sorted(rule.environments))}, {granted}, for at most {span(rule.limits.max_ttl_seconds)}."
    )
    return Entry(rule.name, rule.description, sentence[0].upper() + sentence[1:], forge.place(rule.source))


def _guardrail(guardrail: Guardrail, forge: Forge) -> Entry:
    asks = [
        f"at most {span(guardrail.max_ttl_seconds)} of life" if guardrail.max_ttl_seconds else "",
        f"a new secret every {span(guardrail.rotate_every_seconds)}" if guardrail.rotate_every_seconds else "",
        f"at most {count(guardrail.max_keys_per_owner, 'key')} for each owner" if guardrail.max_keys_per_owner else "",
        "named source networks" if guardrail.cidrs_required else "",
        f"at least {count(guardrail.approval_steps_min, 'approval step')}" if guardrail.approval_steps_min else "",
        f"never {all_of(map(str, guardrail.forbidden_cidrs))}" if guardrail.forbidden_cidrs else "",
        guardrail.deny_reason or "",
    ]
    where = [
        *sorted(guardrail.services),
        *sorted(guardrail.environments),
        *sorted(tier.value for tier in guardrail.tiers),
        *(f"{risk.value} risk" for risk in sorted(guardrail.risks)),
        *(f"team {team}" for team in sorted(guardrail.teams)),
    ]
    sentence = f"For {all_of(where) or 'everything'}: {all_of(ask for ask in asks if ask)}."
    return Entry(guardrail.name, guardrail.description, sentence, forge.place(guardrail.source))
