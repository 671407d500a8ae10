"""Which rules and guardrails the tests have shown at work, and which they have not."""

from dataclasses import dataclass, field

from keymgr.policy.decision import Decision, Denied, GuardrailHit
from keymgr.policy.existing import Standing
from keymgr.policy.guardrails import refusing
from keymgr.policy.model import Policy, Source


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that no test shows: `missing` is `granted` or `refused` for a rule, `fired` for a guardrail."""

    kind: str
    name: str
    missing: str
    source: Source

    def __str__(self) -> str:
        return f"{self.kind}/{self.name} never {self.missing}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What passing cases have shown so far.

    A rule counts as refused where it came nearest and no guardrail decided instead.
    """

    granted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    fired: set[str] = field(default_factory=set)

    def decision(self, decision: Decision) -> None:
        """Take note of a decision."""
        self._hits(decision.hits)
        if not isinstance(decision, Denied):
            self.granted.add(decision.rule.name)
        elif decision.nearest and not refusing(decision.hits):
            self.refused.add(decision.nearest.rule.name)

    def standing(self, standing: Standing) -> None:
        """Take note of a verdict on a live key."""
        self._hits(standing.hits)
        if standing.rule is not None:
            self.granted.add(standing.rule)
        if standing.nearest is not None:
            self.refused.add(standing.nearest.rule.name)

    def _hits(self, hits: tuple[GuardrailHit, ...]) -> None:
        self.fired.update(hit.guardrail for hit in hits)


def gaps_of(policy: Policy, seen: Seen) -> tuple[Gap, ...]:
    """Return what is missing, by name: each rule granted and refused at least once, each guardrail fired."""
    rules = [policy.rules[name] for name in sorted(policy.rules)]
    guardrails = [policy.guardrails[name] for name in sorted(policy.guardrails)]
    return (
        *(Gap("IssuanceRule", rule.name, "granted", rule.source) for rule in rules if rule.name not in seen.granted),
        *(Gap("IssuanceRule", rule.name, "refused", rule.source) for rule in rules if rule.name not in seen.refused),
        *(Gap("Guardrail", each.name, "fired", each.source) for each in guardrails if each.name not in seen.fired),
    )
