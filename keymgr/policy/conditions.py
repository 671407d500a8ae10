"""Whether one condition of a rule holds, and how to say that it does not."""

from collections.abc import Callable, Mapping

from keymgr.policy.case import BY_RISK, Case
from keymgr.policy.decision import Reason, Unmet
from keymgr.policy.fact_values import value_of
from keymgr.policy.facts import FACTS, FactType
from keymgr.policy.model import Condition, FactValue, Network
from keymgr.policy.networks import BadNetwork, inside, overlaps, parse_network
from keymgr.policy.patterns import fits
from keymgr.policy.wording import any_of, shown, span

_NOUNS: Mapping[str, str] = {
    "environment.tier": "the tier of the environment",
    "issuance.approvers": "an approver",
    "issuance.mfa": "the second factor at sign-in",
    "issuance.reason": "the reason",
    "issuance.source_ip": "the address you ask from",
    "issuance.ticket": "the ticket",
    "key.age": "the age of the key",
    "key.cidrs": "every network of the key",
    "key.last_used_days": "the number of days without use",
    "key.ttl": "the lifetime",
    "owner.kind": "the kind of owner",
    "owner.status": "the state of the owner",
    "owner.teams": "the team of the owner",
    "scope.risk": "the highest risk of the scopes",
    "service.status": "the state of the service",
}
_MUST: Mapping[str, str] = {
    "at_least": "at least",
    "at_most": "at most",
    "equals": "",
    "in": "one of",
    "matches": "of the form",
    "not_in": "none of",
}
_PLACED: Mapping[str, str] = {"in": "inside", "not_in": "outside"}
_NETWORK_FACTS = frozenset({"issuance.source_ip", "key.cidrs"})
_LENGTHS_OF_TIME = frozenset(fact.name for fact in FACTS.values() if fact.type is FactType.DURATION)
_SECOND_FACTOR = "issuance.mfa"


def unmet_condition(condition: Condition, case: Case, ttl_seconds: int) -> Unmet | None:
    """Return why the condition is not met, None when it is; a fact that is not known never meets one."""
    actual = value_of(condition.fact, case, ttl_seconds)
    if actual is None:
        return Unmet(Reason.FACT_UNKNOWN, _sentence(condition, "that is not known"), condition.source)
    if _holds(condition, actual):
        return None
    found = "it is not" if actual == "" else f"it is {_written(condition.fact, actual)}"
    return Unmet(Reason.FACT_MISMATCH, _sentence(condition, found), condition.source)


def _sentence(condition: Condition, found: str) -> str:
    if condition.fact == _SECOND_FACTOR and condition.value is True:
        return "It needs a sign-in with a second factor; sign in again with one."
    noun = _NOUNS.get(condition.fact, condition.fact)
    must = (_PLACED if condition.fact in _NETWORK_FACTS else _MUST).get(condition.operator, condition.operator)
    wanted = f"{must} {_written(condition.fact, condition.value)}".strip()
    return f"{noun[0].upper()}{noun[1:]} has to be {wanted}; {found}."


def _written(fact: str, value: FactValue) -> str:
    if isinstance(value, tuple):
        return any_of(shown(entry) for entry in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return span(value) if fact in _LENGTHS_OF_TIME else str(value)
    return shown(value).replace("_", " ")


def _holds(condition: Condition, actual: FactValue) -> bool:
    holds = _OPERATORS.get(condition.operator)
    return holds is not None and holds(condition.fact, actual, condition.value)


def _equals(_fact: str, actual: FactValue, wanted: FactValue) -> bool:
    return type(actual) is type(wanted) and actual == wanted


def _at_most(fact: str, actual: FactValue, wanted: FactValue) -> bool:
    return _compared(fact, actual, wanted, lambda left, right: left <= right)


def _at_least(fact: str, actual: FactValue, wanted: FactValue) -> bool:
    return _compared(fact, actual, wanted, lambda left, right: left >= right)


def _in(fact: str, actual: FactValue, wanted: FactValue) -> bool:
    if fact in _NETWORK_FACTS:
        found, listed = _networks(actual), _networks(wanted)
        return bool(found) and listed is not None and all(inside(network, listed) for network in found or ())
    return not _texts(actual).isdisjoint(_texts(wanted))


def _not_in(fact: str, actual: FactValue, wanted: FactValue) -> bool:
    if fact in _NETWORK_FACTS:
        found, listed = _networks(actual), _networks(wanted)
        return bool(found) and listed is not None and not any(overlaps(network, listed) for network in found or ())
    return _texts(actual).isdisjoint(_texts(wanted))


def _matches(_fact: str, actual: FactValue, wanted: FactValue) -> bool:
    return isinstance(actual, str) and isinstance(wanted, str) and fits(wanted, actual)


_OPERATORS: Mapping[str, Callable[[str, FactValue, FactValue], bool]] = {
    "at_least": _at_least,
    "at_most": _at_most,
    "equals": _equals,
    "in": _in,
    "matches": _matches,
    "not_in": _not_in,
}


def _compared(fact: str, actual: FactValue, wanted: FactValue, holds: Callable[[int, int], bool]) -> bool:
    left, right = _number(fact, actual), _number(fact, wanted)
    return left is not None and right is not None and holds(left, right)


def _number(fact: str, value: FactValue) -> int | None:
    if fact == "scope.risk":
        return BY_RISK.index(value) if value in BY_RISK else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: FactValue) -> frozenset[str]:
    return frozenset(str(entry) for entry in value) if isinstance(value, tuple) else frozenset({str(value)})


def _networks(value: FactValue) -> tuple[Network, ...] | None:
    """Read the networks of a fact or condition; None, which accepts nothing, when one of them is not a network."""
    read = [parse_network(text) for text in sorted(_texts(value))]
    networks = tuple(network for network in read if not isinstance(network, BadNetwork))
    return networks if len(networks) == len(read) else None
