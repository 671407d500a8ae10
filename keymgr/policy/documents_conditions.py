"""One condition of a rule as it is written: a fact, one operator, and a value that fits both."""

from collections.abc import Callable, Mapping

from pydantic import Field, model_serializer, model_validator

from keymgr.policy.durations import BadDurationError, parse_duration
from keymgr.policy.facts import FACTS, OPERATORS, Fact, FactType, Operator
from keymgr.policy.fields import ConditionValue, FactName, Part, what_and_remedy, wrong
from keymgr.policy.model import FactValue
from keymgr.policy.networks import BadNetwork, parse_network
from keymgr.policy.patterns import pattern_fault
from keymgr.policy.problems import nearest, shown

_LISTS = frozenset({Operator.IN, Operator.NOT_IN})


class ConditionPart(Part):
    """One fact compared with a value; exactly one operator is written."""

    fact: FactName = Field(description="The fact, out of the closed list.")
    equals: ConditionValue | None = Field(default=None, description="The fact is this.")
    one_of: ConditionValue | None = Field(default=None, alias="in", description="The fact is one of these.")
    not_in: ConditionValue | None = Field(default=None, description="The fact is none of these.")
    at_most: ConditionValue | None = Field(default=None, description="The fact is this or less.")
    at_least: ConditionValue | None = Field(default=None, description="The fact is this or more.")
    matches: ConditionValue | None = Field(default=None, description="The whole text has this form.")

    @property
    def comparisons(self) -> tuple[tuple[Operator, FactValue], ...]:
        """Return every operator that is written with its value; one, unless the document is wrong."""
        written = {
            Operator.EQUALS: self.equals,
            Operator.IN: self.one_of,
            Operator.NOT_IN: self.not_in,
            Operator.AT_MOST: self.at_most,
            Operator.AT_LEAST: self.at_least,
            Operator.MATCHES: self.matches,
        }
        return tuple((operator, value) for operator, value in written.items() if value is not None)

    @model_validator(mode="after")
    def _fits(self) -> "ConditionPart":
        fact = FACTS[self.fact]
        fitting = ", ".join(sorted(OPERATORS[fact.type]))
        if len(self.comparisons) != 1:
            raise wrong("E215", "a condition has exactly one operator", f"write one of {fitting}")
        operator, value = self.comparisons[0]
        if operator not in OPERATORS[fact.type]:
            message = f'"{operator}" does not fit the fact {fact.name}'
            raise wrong("E218", message, f"use one of {fitting}", path=(operator,))
        comparable(fact, operator, value)
        return self

    @model_serializer
    def _by_value(self) -> dict[str, FactValue]:
        """Write the condition by what it means, so that `2160h` and `90d` are one for the digest."""
        operator, value = self.comparisons[0]
        return {"fact": self.fact, operator.value: comparable(FACTS[self.fact], operator, value)}


def comparable(fact: Fact, operator: Operator, value: FactValue) -> FactValue:
    """Return the value in base units, durations in seconds; raises where it does not fit the fact and operator."""
    if operator in _LISTS:
        if not isinstance(value, tuple):
            raise wrong("E218", f'"{operator}" needs a list', "write the values in [ ]", path=(operator,))
        return tuple(str(_checked(fact, operator, entry, path=(operator, index))) for index, entry in enumerate(value))
    return _checked(fact, operator, value, path=(operator,))


def _checked(fact: Fact, operator: Operator, value: FactValue, *, path: tuple[str | int, ...]) -> FactValue:
    try:
        return _VALUES[fact.type](fact, operator, value)
    except _UnfitError as error:
        raise wrong("E218", error.message, error.remedy, path=path) from error


class _UnfitError(ValueError):
    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def _text(fact: Fact, operator: Operator, value: FactValue) -> str:
    if not isinstance(value, str):
        raise _UnfitError(f"{fact.name} is compared with text", "write it in quotes")
    fault = pattern_fault(value) if operator is Operator.MATCHES else None
    if fault:
        raise _UnfitError(fault.rstrip("."), "write a simpler pattern")
    return value


def _word(fact: Fact, operator: Operator, value: FactValue) -> str:
    text = _text(fact, operator, value)
    if text not in fact.words:
        raise _UnfitError(f'{fact.name} is never "{shown(text)}"', nearest(text, fact.words))
    return text


def _number(fact: Fact, _operator: Operator, value: FactValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _UnfitError(f"{fact.name} is compared with a whole number", "write digits without quotes")
    return value


def _flag(fact: Fact, _operator: Operator, value: FactValue) -> bool:
    if not isinstance(value, bool):
        raise _UnfitError(f"{fact.name} is either true or false", "write true or false without quotes")
    return value


def _seconds(fact: Fact, operator: Operator, value: FactValue) -> int:
    try:
        return parse_duration(_text(fact, operator, value))
    except BadDurationError as error:
        raise _UnfitError(str(error), error.remedy) from error


def _network(fact: Fact, operator: Operator, value: FactValue) -> str:
    network = parse_network(_text(fact, operator, value))
    if isinstance(network, BadNetwork):
        raise _UnfitError(*what_and_remedy(network))
    return str(network)


_VALUES: Mapping[FactType, Callable[[Fact, Operator, FactValue], FactValue]] = {
    FactType.ADDRESS: _network,
    FactType.DURATION: _seconds,
    FactType.FLAG: _flag,
    FactType.LEVEL: _word,
    FactType.NUMBER: _number,
    FactType.TEXT: _text,
    FactType.TEXTS: _text,
    FactType.WORD: _word,
}
