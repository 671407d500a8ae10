"""The closed list of facts a condition may compare, with the type of each.

Those that begin with `issuance.` are known only then and stored with the key; the others are looked up again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from keymgr.policy.model import OwnerKind, Risk, Tier


class FactType(StrEnum):
    """What the value of a fact is, and with it which operators fit."""

    ADDRESS = "address"
    DURATION = "duration"
    FLAG = "flag"
    LEVEL = "level"
    NUMBER = "number"
    TEXT = "text"
    TEXTS = "texts"
    WORD = "word"


class Operator(StrEnum):
    """How a condition compares a fact with its value."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    EQUALS = "equals"
    IN = "in"
    MATCHES = "matches"
    NOT_IN = "not_in"


class OwnerStatus(StrEnum):
    """Whether an owner may hold keys now."""

    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact; `words` closes the list of its values where that is possible."""

    name: str
    type: FactType
    description: str
    words: tuple[str, ...] = ()


FACTS: Mapping[str, Fact] = MappingProxyType(
    {
        fact.name: fact
        for fact in (
            Fact("owner.status", FactType.WORD, "Whether the owner may hold keys now.", tuple(OwnerStatus)),
            Fact("owner.kind", FactType.WORD, "What the owner is.", tuple(OwnerKind)),
            Fact("owner.teams", FactType.TEXTS, "The names of the owner's teams."),
            Fact("service.status", FactType.WORD, "Whether the service is in use.", ("active", "retired")),
            Fact("environment.tier", FactType.WORD, "The tier of the environment.", tuple(Tier)),
            Fact("scope.risk", FactType.LEVEL, "The highest risk among the scopes.", tuple(Risk)),
            Fact("key.last_used_days", FactType.NUMBER, "Whole days since the key was last used."),
            Fact("key.age", FactType.DURATION, "How long ago the key was issued."),
            Fact("key.cidrs", FactType.ADDRESS, "The source networks of the key."),
            Fact("key.ttl", FactType.DURATION, "The lifetime of the key."),
            Fact("issuance.mfa", FactType.FLAG, "Whether the person had used a second factor."),
            Fact("issuance.source_ip", FactType.ADDRESS, "The address the wish came from."),
            Fact("issuance.reason", FactType.TEXT, "The reason that was given."),
            Fact("issuance.ticket", FactType.TEXT, "The ticket that was named."),
            Fact("issuance.approvers", FactType.TEXTS, "The names of the people who approved."),
        )
    }
)

_ONE_OF = frozenset({Operator.EQUALS, Operator.IN, Operator.NOT_IN})

OPERATORS: Mapping[FactType, frozenset[Operator]] = MappingProxyType(
    {
        FactType.ADDRESS: frozenset({Operator.IN, Operator.NOT_IN}),
        FactType.DURATION: frozenset({Operator.AT_LEAST, Operator.AT_MOST}),
        FactType.FLAG: frozenset({Operator.EQUALS}),
        FactType.LEVEL: _ONE_OF | {Operator.AT_LEAST, Operator.AT_MOST},
        FactType.NUMBER: frozenset({Operator.EQUALS, Operator.AT_LEAST, Operator.AT_MOST}),
        FactType.TEXT: _ONE_OF | {Operator.MATCHES},
        FactType.TEXTS: frozenset({Operator.IN, Operator.NOT_IN}),
        FactType.WORD: _ONE_OF,
    }
)
