"""One cell of the matrix: who, as the rules see them, may hold one scope in one environment, and on which terms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from keymgr.policy.asking import Asker, Evidence, FactValue, Wish
from keymgr.policy.granting import Limits, Network
from keymgr.policy.model import Condition, Policy, Rule
from keymgr.policy.words import OwnerKind

_ANYBODY = {OwnerKind.USER: "user:*", OwnerKind.SERVICE_ACCOUNT: "svc:*"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Everybody in all of these teams with all of these roles; with `owner` only that person or service account.

    These are the least memberships that let somebody in. Who is in more teams can hold at least as much, except
    where a capability names `walls`.
    """

    teams: frozenset[str]
    roles: frozenset[str]
    owner: str | None = None

    def __str__(self) -> str:
        parts = [*sorted(self.teams), *(f"role {role}" for role in sorted(self.roles))]
        who = " + ".join(parts) or "anybody"
        return who if self.owner is None else f"{self.owner} ({who})"

    @property
    def sort_key(self) -> tuple[list[str], list[str], str]:
        """Teams first, then roles, then the owner."""
        return (sorted(self.teams), sorted(self.roles), self.owner or "")

    def includes(self, other: "Subject") -> bool:
        """Tell whether whoever is this subject is the other one as well."""
        return other.teams <= self.teams and other.roles <= self.roles and other.owner in (None, self.owner)

    def asker(self, kind: OwnerKind, policy: Policy) -> Asker:
        """Return the least owner of this kind that the subject means, with the roles that `policy` binds to teams."""
        bound = frozenset(role.name for role in policy.roles.values() if role.teams & self.teams)
        return Asker(self.owner or _ANYBODY[kind], kind, self.teams, self.roles | bound)


@dataclass(frozen=True, slots=True)
class Cell:
    """One question that has one answer: may this subject, as this kind of owner, hold the scope there."""

    subject: Subject
    kind: OwnerKind
    service: str
    environment: str
    scope: str


@dataclass(frozen=True, slots=True)
class Way:
    """One rule that grants a cell, with its limits after the guardrails that bind the cell.

    `ttl_min_seconds` is above 1 only where a condition asks for a longer lifetime. `walls` name the guardrails that
    hold for members of certain teams only and would narrow the cell for them. `cidrs` and `facts` are an example of
    what the rule accepts; `proven` is False where no text could be found that meets all patterns of its conditions.
    """

    rule: Rule
    limits: Limits
    ttl_min_seconds: int
    forbidden_cidrs: tuple[Network, ...]
    walls: frozenset[str]
    cidrs: tuple[str, ...]
    facts: Mapping[str, FactValue]
    proven: bool

    @property
    def steps(self) -> int:
        """How many approval steps there are."""
        return len(self.rule.approval.steps)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What else has to be true."""
        return self.rule.conditions

    def wish(self, cell: Cell, ttl_seconds: int | None = None) -> Wish:
        """Return a wish for the cell that the rule accepts, with the lifetime moved into what it allows."""
        ttl = self.limits.max_ttl_seconds if ttl_seconds is None else ttl_seconds
        fitting = max(self.ttl_min_seconds, min(ttl, self.limits.max_ttl_seconds))
        return Wish(cell.service, cell.environment, frozenset({cell.scope}), fitting, self.cidrs)

    @property
    def evidence(self) -> Evidence:
        """The facts that go with the wish."""
        return Evidence(self.facts)


@dataclass(frozen=True, slots=True)
class Capability:
    """Every way to hold a cell; the first is the one that decides: fewest approval steps, then by name."""

    ways: tuple[Way, ...]

    @property
    def deciding(self) -> Way:
        """The way that counts where several accept the same wish."""
        return self.ways[0]

    @property
    def needs_approval(self) -> bool:
        """Whether even the shortest way needs somebody to agree."""
        return self.deciding.steps > 0


def without_conditions(rule: Rule, facts: frozenset[str]) -> Rule:
    """Return the rule without its conditions on these facts."""
    if not facts:
        return rule
    return replace(rule, conditions=tuple(each for each in rule.conditions if each.fact not in facts))
