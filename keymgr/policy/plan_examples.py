"""One wish that comes out differently under the two policies, found by asking `decide` for both; never made up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import permutations

from keymgr.policy.asking import Asker, Evidence, Wish
from keymgr.policy.capability import Capability, Cell, Way
from keymgr.policy.decide import decide
from keymgr.policy.decision import Denied, Terms
from keymgr.policy.granting import ApprovalPolicy
from keymgr.policy.matrix_networks import free_host
from keymgr.policy.model import Policy

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `decide` answers: `allow`, `needs_approval` or `deny`, with the rule or the reason."""

    decision: str
    rule: str | None = field(default=None, compare=False)
    approval_steps: int = 0
    reason: str | None = None

    def __str__(self) -> str:
        if self.reason:
            return f"{self.decision} {self.reason}"
        return f"{self.decision} ({self.approval_steps} steps)" if self.approval_steps else self.decision


@dataclass(frozen=True, slots=True)
class Example:
    """A wish with its evidence, and how it comes out before and after; equal outcomes differ in their terms."""

    asker: Asker
    wish: Wish
    evidence: Evidence
    before: Outcome
    after: Outcome


@dataclass(frozen=True, slots=True)
class _Answer:
    """What counts of a decision when two are compared: not the places in files, and not what a rule is called."""

    outcome: Outcome
    terms: Terms | None = None
    approval: ApprovalPolicy | None = None


def example_of(
    sides: tuple[Policy | None, Policy],
    cell: Cell,
    capabilities: tuple[Capability | None, Capability | None],
    now: int,
) -> Example | None:
    """Return a wish for the cell that flips, None where none was found; better one that is refused on one side."""
    found: Example | None = None
    for wish, evidence in _candidates(cell, capabilities):
        before, after = (_answer(policy, cell, wish, evidence, now) for policy in sides)
        if before == after:
            continue
        asker = cell.subject.asker(cell.kind, sides[1])
        example = Example(asker, wish, evidence, before.outcome, after.outcome)
        if before.outcome != after.outcome:
            return example
        found = found or example
    return found


def _answer(policy: Policy | None, cell: Cell, wish: Wish, evidence: Evidence, now: int) -> _Answer:
    if policy is None:
        return _Answer(Outcome("deny", reason="NO_POLICY"))
    decision = decide(policy, cell.subject.asker(cell.kind, policy), wish, evidence, now)
    if isinstance(decision, Denied):
        return _Answer(Outcome("deny", reason=decision.reasons[0].reason.value))
    approval = replace(decision.rule.approval, source=None)
    outcome = Outcome("needs_approval" if approval.steps else "allow", decision.rule.name, len(approval.steps))
    return _Answer(outcome, decision.terms, approval)


def _candidates(cell: Cell, capabilities: Iterable[Capability | None]) -> Iterator[tuple[Wish, Evidence]]:
    ways = [way for each in capabilities if each is not None for way in each.ways]
    for way in ways:
        yield from ((way.wish(cell, ttl), way.evidence) for ttl in (HOUR, None, 1))
    for way, other in permutations(ways, 2):
        wish, fewest = way.wish(cell, HOUR), min(way.limits.max_keys_per_owner, other.limits.max_keys_per_owner)
        yield wish, replace(way.evidence, keys_held=fewest)
        for cidrs in _networks(way, other):
            yield replace(wish, cidrs=cidrs), way.evidence


def _networks(way: Way, other: Way) -> Iterator[tuple[str, ...]]:
    """Yield networks that one way may accept and the other not: none, outside the other's, too many, or forbidden."""
    yield ()
    allowed = (way.limits.cidrs.within,) if way.limits.cidrs.within else ()
    hosts = [host for host in (free_host(allowed, other.limits.cidrs.within), free_host(allowed)) if host is not None]
    most = min(way.limits.cidrs.entries_max, other.limits.cidrs.entries_max)
    for host in hosts:
        yield (str(host),)
        yield tuple(str(host.network_address + number) for number in range(most + 1))
    yield from ((str(network),) for network in other.forbidden_cidrs)
