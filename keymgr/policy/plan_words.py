"""How a plan writes limits: short, in the units of policy files, as a reviewer knows them."""

from collections.abc import Iterable

from keymgr.policy.durations import write_duration
from keymgr.policy.granting import ApprovalStep, CidrRule, Network, RateLimit
from keymgr.policy.model import Condition, Guardrail

NOTHING = "none"


def duration(seconds: int | None) -> str:
    """Write a length of time, `none` where there is no limit."""
    return NOTHING if not seconds else write_duration(seconds)


def number(value: int) -> str:
    """Write a number."""
    return str(value)


def yes_or_no(value: object) -> str:
    """Write whether something is so."""
    return "yes" if value else "no"


def text(value: object) -> str:
    """Write a word or text, `none` where there is none."""
    return NOTHING if value is None else str(value)


def networks(within: Iterable[Network]) -> str:
    """Write networks; none at all means any."""
    return ", ".join(str(network) for network in within) or "any"


def forbidden(listed: Iterable[Network]) -> str:
    """Write networks that may not be covered."""
    return ", ".join(str(network) for network in listed) or NOTHING


def windows(limits: tuple[RateLimit, ...]) -> str:
    """Write rate limits, such as `burst 100/10s`."""
    return ", ".join(f"{each.name} {each.requests}/{duration(each.per_seconds)}" for each in limits) or NOTHING


def window(limit: RateLimit | None) -> str:
    """Write one rate limit or quota."""
    return NOTHING if limit is None else f"{limit.requests}/{duration(limit.per_seconds)}"


def steps(listed: tuple[ApprovalStep, ...]) -> str:
    """Write who approves, step by step."""
    return " then ".join(_step(step) for step in listed) or NOTHING


def conditions(listed: Iterable[Condition]) -> str:
    """Write conditions, such as `issuance.mfa equals yes`."""
    return ", ".join(condition(each) for each in listed) or NOTHING


def condition(each: Condition) -> str:
    """Write one condition."""
    value = each.value
    if isinstance(value, tuple):
        return f"{each.fact} {each.operator} [{', '.join(value)}]"
    return f"{each.fact} {each.operator} {yes_or_no(value) if isinstance(value, bool) else value}"


def cidr_rule(rule: CidrRule) -> str:
    """Write which networks a key may or must name."""
    must = "required" if rule.required else "optional"
    return f"{must}, within {networks(rule.within)}, at most {rule.entries_max}"


def wall(guardrail: Guardrail) -> str:
    """Write what a guardrail does to members of certain teams."""
    return f"{guardrail.name} for {names(guardrail.teams)}: {'; '.join(demands(guardrail))}"


def demands(guardrail: Guardrail) -> list[str]:
    """Write everything a guardrail demands."""
    said = (
        ("denies", guardrail.deny_reason is not None),
        (f"max_ttl {duration(guardrail.max_ttl_seconds)}", guardrail.max_ttl_seconds is not None),
        (f"rotate_every {duration(guardrail.rotate_every_seconds)}", guardrail.rotate_every_seconds is not None),
        (f"max_keys_per_owner {guardrail.max_keys_per_owner}", guardrail.max_keys_per_owner is not None),
        ("allowed_cidrs required", guardrail.cidrs_required),
        (f"approval_steps {guardrail.approval_steps_min}", guardrail.approval_steps_min > 0),
        (f"forbid_cidrs {forbidden(guardrail.forbidden_cidrs)}", bool(guardrail.forbidden_cidrs)),
    )
    return [words for words, holds in said if holds]


def names(listed: Iterable[str]) -> str:
    """Write names in one order."""
    return ", ".join(sorted(listed)) or NOTHING


def _step(step: ApprovalStep) -> str:
    people = " or ".join([*sorted(step.teams), *(f"role {role}" for role in sorted(step.roles))])
    return f"{step.count} of {people}"
