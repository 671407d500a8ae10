"""What a policy says of its objects, one sentence each, with the place where it is written."""

from dataclasses import dataclass

from keymgr.policy.model import Asker, Guardrail, Role, Rule, Service
from keymgr.policy.wording import all_of, count, span
from keymgr.web.explanation_lines import steps_of
from keymgr.web.forge import Forge, Place

_KINDS = {"service_account": "service accounts", "user": "people"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One object in words, and where it is written; `flag` says what is odd about it, in a few words."""

    name: str
    about: str
    sentence: str
    place: Place
    flag: str = ""


def service_entry(service: Service, forge: Forge, *, is_reachable: bool) -> Entry:
    """Say which scopes and environments a service has."""
    about = service.description or service.title
    sentence = f"{count(len(service.scopes), 'scope')}: {all_of(service.scopes)}. In {all_of(service.environments)}."
    flag = "" if is_reachable else "Unreachable: no rule gives anybody a key."
    return Entry(service.name, about, sentence, forge.place(service.source), flag)


def rule_entry(rule: Rule, forge: Forge) -> Entry:
    """Say who may hold what by a rule."""
    return Entry(rule.name, rule.description, rule_sentence(rule), forge.place(rule.source))


def rule_sentence(rule: Rule) -> str:
    """Write a rule as one sentence."""
    steps = len(rule.approval.steps)
    granted = f"after {count(steps, 'approval step')}" if steps else "at once"
    sentence = (
        f"{subjects_of_rule(rule)} may hold {all_of(sorted(rule.scopes))} on {rule.service} in "
        f"{all_of(sorted(rule.environments))}, {granted}, for at most {span(rule.limits.max_ttl_seconds)}."
    )
    return sentence[0].upper() + sentence[1:]


def subjects_of_rule(rule: Rule) -> str:
    """Say whom a rule lets in: one of the teams, with one of the roles, as one of the kinds of owner."""
    teams = all_of(f"team {name}" for name in sorted(rule.teams))
    roles = all_of(f"role {name}" for name in sorted(rule.roles))
    who = f"{teams} with {roles}" if teams and roles else teams or roles or "everybody"
    if len(rule.owner_kinds) == len(_KINDS):
        return who
    return f"{who} ({all_of(_KINDS[kind] for kind in sorted(rule.owner_kinds))} only)"


def is_for(rule: Rule, asker: Asker) -> bool:
    """Tell whether a rule speaks of somebody's teams and roles, whatever the kind of owner."""
    return (not rule.teams or bool(rule.teams & asker.teams)) and (not rule.roles or bool(rule.roles & asker.roles))


def limits_of_rule(rule: Rule) -> tuple[tuple[str, str], ...]:
    """Write the terms of a rule, each with its name."""
    limits = rule.limits
    rotates, idle = limits.rotate_every_seconds, limits.idle_expiry_seconds
    found = (
        ("Granted", steps_of(rule.approval.steps) if rule.approval.steps else "At once."),
        ("Longest lifetime", span(limits.max_ttl_seconds)),
        ("Usual lifetime", span(limits.default_ttl_seconds)),
        ("New secret", "" if rotates is None else f"every {span(rotates)}"),
        ("Keys for each owner", f"at most {limits.max_keys_per_owner}"),
        ("Ends when unused for", "" if idle is None else span(idle)),
        ("From", all_of(str(network) for network in limits.cidrs.within)),
        ("When a key no longer fits", f"{rule.existing_keys.on_violation}, after {_grace(rule)}"),
        ("When its owner leaves", rule.on_owner_exit.value),
    )
    return tuple((label, text) for label, text in found if text)


def _grace(rule: Rule) -> str:
    return span(rule.existing_keys.grace_seconds)


def guardrail_entry(guardrail: Guardrail, forge: Forge) -> Entry:
    """Say what a guardrail asks for and where."""
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


def role_entry(role: Role, forge: Forge, *, is_used: bool) -> Entry:
    """Say who has a role, without the names of people."""
    who = [*(f"team {name}" for name in sorted(role.teams))]
    named = len(role.members)
    who += ["one person by name" if named == 1 else f"{named} people by name"] if named else []
    who += [count(len(role.idp_groups), "identity-provider group")] if role.idp_groups else []
    portal = f" In the portal: {all_of(sorted(role.portal))}." if role.portal else ""
    flag = "" if is_used else "Unused: no rule and no approval step names it."
    return Entry(role.name, role.title, f"Has it: {all_of(who) or 'nobody'}.{portal}", forge.place(role.source), flag)
