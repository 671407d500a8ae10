"""What should make an approver look twice at a wish, each as one sentence with its figures in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from keymgr.keys.holdings import Holding
from keymgr.policy.model import Policy, Risk, Rule, Tier, Wish
from keymgr.policy.wording import all_of, count, span

RISKY = frozenset({Risk.HIGH, Risk.CRITICAL})
NEW_HERE = timedelta(days=30)
UNUSED_AFTER = timedelta(days=7)
_MANY_TIMES = 3
_RANK = {risk: rank for rank, risk in enumerate(Risk)}
_UNUSED_KEYS_MIN = 2
_UNUSED_SHARE = 0.5


class Flag(StrEnum):
    """What a flag is about."""

    PRODUCTION = "production"
    RISK = "risk"
    FIRST = "first"
    NETWORK = "network"
    LIFETIME = "lifetime"
    MANY_SCOPES = "many_scopes"
    REFUSED_BEFORE = "refused_before"
    NEW_PERSON = "new_person"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class RiskFlag:
    """One flag in words."""

    flag: Flag
    sentence: str


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the flags are worked out from. `mates` are the live keys of the owner's team mates for the same service.

    `refused_at` is when the same wish was last refused, `joined_at` when the requester came, None where not known.
    """

    policy: Policy
    wish: Wish
    rule: Rule | None
    owner: str
    requester: str
    held: Sequence[Holding]
    mates: Sequence[Holding]
    refused_at: datetime | None
    joined_at: datetime | None
    now: datetime


def highest_risk(policy: Policy, service: str, scopes: Sequence[str] | frozenset[str]) -> Risk | None:
    """Return the highest risk of these scopes; None where none of them is declared any more."""
    declared = policy.services[service].scopes if service in policy.services else {}
    risks = (declared[scope].risk for scope in scopes if scope in declared)
    return max(risks, key=_RANK.__getitem__, default=None)


def is_production(policy: Policy, environment: str) -> bool:
    """Tell whether the environment is of the production tier; one that is not declared any more counts as such."""
    found = policy.environments.get(environment)
    return found is None or found.tier is Tier.PROD


def is_risky(policy: Policy, wish: Wish) -> bool:
    """Tell whether the wish comes first in a list: for production, or with a scope that can do much harm."""
    risk = highest_risk(policy, wish.service, wish.scopes)
    return is_production(policy, wish.environment) or risk in RISKY


def flags_of(weighed: Weighed) -> tuple[RiskFlag, ...]:
    """List what to look at, the gravest kind first."""
    return tuple(
        RiskFlag(flag, sentence)
        for flag, sentence in (
            (Flag.PRODUCTION, _production(weighed)),
            (Flag.RISK, _risk(weighed)),
            (Flag.FIRST, _first(weighed)),
            (Flag.REFUSED_BEFORE, _refused_before(weighed)),
            (Flag.NEW_PERSON, _new_person(weighed)),
            (Flag.MANY_SCOPES, _many_scopes(weighed)),
            (Flag.LIFETIME, _lifetime(weighed)),
            (Flag.NETWORK, _network(weighed)),
            (Flag.UNUSED, _unused(weighed)),
        )
        if sentence
    )


def _production(weighed: Weighed) -> str:
    environment = weighed.wish.environment
    return f"It is for production: {environment}." if is_production(weighed.policy, environment) else ""


def _risk(weighed: Weighed) -> str:
    risk = highest_risk(weighed.policy, weighed.wish.service, weighed.wish.scopes)
    if risk is None or risk not in RISKY:
        return ""
    declared = weighed.policy.services[weighed.wish.service].scopes
    names = (name for name in declared if name in weighed.wish.scopes and declared[name].risk is risk)
    return f"Its highest risk is {risk.value}: {all_of(names)}."


def _first(weighed: Weighed) -> str:
    """Say that nothing the owner ever held could do as much."""
    risk = highest_risk(weighed.policy, weighed.wish.service, weighed.wish.scopes)
    if risk is None or risk not in RISKY or any(_had(weighed, key) in RISKY for key in weighed.held):
        return ""
    return f"It would be the first key of {name_of(weighed.owner)} with a scope of high or critical risk."


def _had(weighed: Weighed, key: Holding) -> Risk | None:
    return highest_risk(weighed.policy, key.service, key.scopes)


def _refused_before(weighed: Weighed) -> str:
    if weighed.refused_at is None:
        return ""
    return f"The same was refused on {weighed.refused_at.day} {weighed.refused_at:%b %Y}."


def _new_person(weighed: Weighed) -> str:
    if weighed.joined_at is None or weighed.joined_at <= weighed.now - NEW_HERE:
        return ""
    days = (weighed.now - weighed.joined_at).days
    ago = f"{count(days, 'day')} ago" if days else "today"
    return f"{name_of(weighed.requester)} joined {ago}."


def _many_scopes(weighed: Weighed) -> str:
    if not weighed.mates:
        return ""
    usual = median(len(key.scopes) for key in weighed.mates)
    asked = len(weighed.wish.scopes)
    if asked < _MANY_TIMES * usual:
        return ""
    return f"It asks for {count(asked, 'scope')}; team mates usually have {usual:g} per key."


def _lifetime(weighed: Weighed) -> str:
    seconds = weighed.wish.ttl_seconds
    if weighed.rule is None or seconds is None or seconds < weighed.rule.limits.max_ttl_seconds:
        return ""
    return f"It asks for the longest life that the rule allows, {span(seconds)}."


def _network(weighed: Weighed) -> str:
    return "" if weighed.wish.cidrs else "It would work from any network."


def _unused(weighed: Weighed) -> str:
    grown = [key for key in weighed.held if key.created_at <= weighed.now - UNUSED_AFTER]
    unused = sum(key.last_used_at is None for key in grown)
    if unused < _UNUSED_KEYS_MIN or unused < _UNUSED_SHARE * len(grown):
        return ""
    return f"{name_of(weighed.owner)} has never used {unused} of {len(grown)} keys."


def name_of(person: str) -> str:
    """Return the name in an id such as `user:ana`."""
    return person.partition(":")[2] or person
