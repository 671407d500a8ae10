"""What a fact is in one case: looked up in the policy and the asker, or taken from the evidence; never guessed."""

from collections.abc import Callable, Mapping

from keymgr.policy.case import BY_RISK, Case
from keymgr.policy.facts import OwnerStatus
from keymgr.policy.model import FactValue

_KNOWN: Mapping[str, Callable[[Case], FactValue]] = {
    "environment.tier": lambda case: case.environment.tier.value,
    "key.cidrs": lambda case: tuple(str(network) for network in case.networks),
    "owner.kind": lambda case: case.asker.kind.value,
    "owner.status": lambda case: OwnerStatus.ACTIVE.value if case.asker.active else OwnerStatus.INACTIVE.value,
    "owner.teams": lambda case: tuple(sorted(case.asker.teams)),
    "scope.risk": lambda case: max((scope.risk for scope in case.scopes), key=BY_RISK.index).value,
    "service.status": lambda _: "active",
}
_OF_A_NEW_KEY: Mapping[str, FactValue] = {"key.age": 0, "key.last_used_days": 0}


def value_of(fact: str, case: Case, ttl_seconds: int) -> FactValue | None:
    """Return the fact's value, None when it is not known; evidence never overrides what we know ourselves.

    A service that the policy declares is in use. A key that does not exist yet has no age and counts as used today.
    """
    if fact == "key.ttl":
        return ttl_seconds
    known = _KNOWN.get(fact)
    if known is not None:
        return known(case)
    return case.evidence.facts.get(fact, _OF_A_NEW_KEY.get(fact))
