"""Finds facts of an issuance that meet all conditions of a rule on them, so that the matrix can show one that does."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from keymgr.policy.asking import Evidence, FactValue
from keymgr.policy.case import Case
from keymgr.policy.conditions import unmet_condition
from keymgr.policy.facts import FACTS, FactType
from keymgr.policy.granting import Network
from keymgr.policy.matrix_networks import free_host
from keymgr.policy.matrix_texts import samples
from keymgr.policy.model import Condition, Rule
from keymgr.policy.networks import BadNetwork, parse_network

_EVIDENCE = "issuance."
_SOMETHING = ("CHG-1", "for the example", "example")


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts that meet the conditions; `unproven` are those for which no text was found although there may be one."""

    values: Mapping[str, FactValue]
    unproven: frozenset[str] = frozenset()


def facts_for(rule: Rule, case: Case) -> Facts | None:
    """Return evidence that meets every condition on the issuance, None where no evidence can."""
    by_fact: defaultdict[str, list[Condition]] = defaultdict(list)
    for condition in rule.conditions:
        if condition.fact.startswith(_EVIDENCE):
            by_fact[condition.fact].append(condition)
    values: dict[str, FactValue] = {}
    unproven = set()
    for fact, conditions in by_fact.items():
        value = next((each for each in _candidates(fact, conditions) if _meets(each, conditions, case)), None)
        if value is not None:
            values[fact] = value
        elif FACTS[fact].type is FactType.TEXT and all(_is_open(condition) for condition in conditions):
            unproven.add(fact)
        else:
            return None
    return Facts(values, frozenset(unproven))


def networks_of(conditions: list[Condition], operator: str) -> tuple[tuple[Network, ...], ...]:
    """Return the networks of each condition with this operator."""
    return tuple(
        tuple(network for text in _texts(each.value) if not isinstance(network := parse_network(text), BadNetwork))
        for each in conditions
        if each.operator == operator
    )


def _is_open(condition: Condition) -> bool:
    """Tell whether endlessly many texts meet the condition, so that failing to find one proves nothing."""
    return condition.operator in {"matches", "not_in"}


def _meets(value: FactValue, conditions: list[Condition], case: Case) -> bool:
    tried = replace(case, evidence=Evidence({conditions[0].fact: value}))
    return not any(unmet_condition(condition, tried, 1) for condition in conditions)


def _candidates(fact: str, conditions: list[Condition]) -> Iterator[FactValue]:
    yield from _BY_TYPE[FACTS[fact].type](conditions)


def _flags(_conditions: list[Condition]) -> Iterator[FactValue]:
    yield from (True, False)


def _addresses(conditions: list[Condition]) -> Iterator[FactValue]:
    outside_of = (network for networks in networks_of(conditions, "not_in") for network in networks)
    host = free_host(networks_of(conditions, "in"), tuple(outside_of))
    if host is not None:
        yield str(host.network_address)


def _written_texts(conditions: list[Condition]) -> Iterator[FactValue]:
    for condition in conditions:
        if condition.operator == "matches":
            yield from samples(str(condition.value))
        elif not _is_open(condition):
            yield from _texts(condition.value)
    yield from _SOMETHING
    yield _unlike(text for each in conditions if each.operator == "not_in" for text in _texts(each.value))


def _name_lists(conditions: list[Condition]) -> Iterator[FactValue]:
    """Yield one list that names somebody of every condition, as more names only ever help but for `not_in`."""
    wanted = [set(_texts(each.value)) for each in conditions if each.operator == "in"]
    refused = {text for each in conditions if each.operator == "not_in" for text in _texts(each.value)}
    chosen = {min(names - refused, default="") for names in wanted} or {_unlike(refused)}
    yield tuple(sorted(chosen))


def _unlike(texts: Iterable[str]) -> str:
    """Return a text that none of these is."""
    return f"{max(texts, default='example-')}1"


def _texts(value: FactValue) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (str(value),)


_BY_TYPE: Mapping[FactType, Callable[[list[Condition]], Iterator[FactValue]]] = {
    FactType.ADDRESS: _addresses,
    FactType.FLAG: _flags,
    FactType.TEXT: _written_texts,
    FactType.TEXTS: _name_lists,
}
