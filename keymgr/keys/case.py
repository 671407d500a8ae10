"""One wish under judgement: everything the decision and its consequences need, as one value."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keymgr.keys.issuer import Issuer
from keymgr.keys.reasons import explanation_record
from keymgr.keys.terms import evidence_record
from keymgr.policy.decide import decide
from keymgr.policy.decision import Decision, Explanation
from keymgr.policy.explain import explain
from keymgr.policy.model import Asker, Evidence, InForce, Policy, Wish
from keymgr.store.audit import Actor


@dataclass(frozen=True, slots=True)
class Case:
    """`asker` owns the key or would, `actor` is who asks; `evidence` has the keys held counted in."""

    in_force: InForce
    asker: Asker
    actor: Actor
    wish: Wish
    evidence: Evidence
    issuer: Issuer
    now: datetime

    def decide(self) -> Decision:
        """Decide under the policy in force."""
        return self.decide_under(self.in_force.policy)

    def decide_under(self, policy: Policy) -> Decision:
        """Decide as `policy` would."""
        return decide(policy, self.asker, self.wish, self.evidence, int(self.now.timestamp()))

    def explain(self) -> Explanation:
        """Explain the decision under the policy in force, scope by scope."""
        return explain(self.in_force.policy, self.asker, self.wish, self.evidence, int(self.now.timestamp()))

    def whole(self) -> dict[str, Any]:
        """Write out evidence and explanation, as the audit trail tells them at `verbose`."""
        return {"evidence": evidence_record(self.evidence), "explanation": explanation_record(self.explain())}
