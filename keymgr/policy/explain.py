"""The explanation panel's answer: the whole wish decided, and each scope as if it had been asked for alone."""

from dataclasses import replace

from keymgr.policy.decide import decide
from keymgr.policy.decision import Explanation, ScopeLine
from keymgr.policy.model import Asker, Evidence, Policy, Wish


def explain(policy: Policy, asker: Asker, wish: Wish, evidence: Evidence, now: int) -> Explanation:
    """Decide the wish and each of its scopes; lines follow the service's declaration, unknown scopes come last."""
    whole = decide(policy, asker, wish, evidence, now)
    service = policy.services.get(wish.service)
    declared = {} if service is None else service.scopes
    known = [name for name in declared if name in wish.scopes]
    names = [*known, *sorted(wish.scopes.difference(known))]
    lines = []
    for name in names:
        alone = replace(wish, scopes=frozenset({name}))
        scope = declared.get(name)
        risk, description = (scope.risk, scope.description) if scope else (None, "")
        decision = whole if alone == wish else decide(policy, asker, alone, evidence, now)
        lines.append(ScopeLine(name, risk, description, decision))
    return Explanation(whole=whole, lines=tuple(lines))
