"""What a schema can say about conditions: one operator, one that fits the fact, and the words of a closed list."""

from typing import Any

from keymgr.policy.facts import FACTS, OPERATORS, FactType, Operator

_FACT_AND_OPERATOR = 2


def condition_parts() -> dict[str, Any]:
    """Return what is added to the schema of a condition."""
    return {
        "minProperties": _FACT_AND_OPERATOR,
        "maxProperties": _FACT_AND_OPERATOR,
        "allOf": [*(_operators(each) for each in FactType), *(_words(name) for name in FACTS if FACTS[name].words)],
    }


def _if(names: list[str], then: dict[str, Any]) -> dict[str, Any]:
    condition = {"properties": {"fact": {"enum": names}}, "required": ["fact"]}
    return {"if": condition, "then": {"properties": then}}


def _operators(type_: FactType) -> dict[str, Any]:
    names = [fact.name for fact in FACTS.values() if fact.type is type_]
    return _if(names, {operator.value: False for operator in Operator if operator not in OPERATORS[type_]})


def _words(name: str) -> dict[str, Any]:
    word = {"enum": list(FACTS[name].words)}
    either = {"anyOf": [word, {"type": "array", "items": word}]}
    return _if([name], {operator.value: either for operator in Operator if operator in OPERATORS[FACTS[name].type]})
