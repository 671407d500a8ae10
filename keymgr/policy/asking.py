"""Who asks for what, and what is known about the asking: the values that `decide` judges by a policy."""

from collections.abc import Mapping
from dataclasses import dataclass

from keymgr.policy.words import OwnerKind

FactValue = str | int | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who a key would belong to: `id` is `user:ana` or `svc:pay-ci`; teams and roles by name."""

    id: str
    kind: OwnerKind
    teams: frozenset[str]
    roles: frozenset[str] = frozenset()
    active: bool = True


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `ttl_seconds` None takes the rule's default; `cidrs` are as typed."""

    service: str
    environment: str
    scopes: frozenset[str]
    ttl_seconds: int | None = None
    cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known only now and stored with the key.

    `facts` holds `issuance.mfa`, `issuance.source_ip`, `issuance.reason`, `issuance.ticket`…; a fact that is
    missing is unknown, never a pass. `keys_held` counts the owner's live keys for the same service and environment.
    """

    facts: Mapping[str, FactValue]
    keys_held: int = 0
