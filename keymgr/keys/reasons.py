"""A decision written out for the audit trail: every rule considered, every condition unmet, where each is written."""

from typing import Any, assert_never

from keymgr.policy.decision import (
    Allowed,
    Decision,
    Denied,
    Explanation,
    GuardrailHit,
    Near,
    NeedsApproval,
    Unmet,
)


def explanation_record(explanation: Explanation) -> dict[str, Any]:
    """Write out the answer to the whole wish and to each of its scopes."""
    return {
        "whole": decision_record(explanation.whole),
        "scopes": {line.scope: decision_record(line.decision) for line in explanation.lines},
    }


def decision_record(decision: Decision) -> dict[str, Any]:
    """Write out one decision as JSON."""
    match decision:
        case Allowed():
            return {"answer": "allowed", **_granted(decision)}
        case NeedsApproval():
            return {"answer": "needs_approval", **_granted(decision)}
        case Denied():
            return {
                "answer": "denied",
                "reasons": [_unmet(unmet) for unmet in decision.reasons],
                "guardrails": [_hit(hit) for hit in decision.hits],
                "considered": [_near(near) for near in decision.considered],
            }
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(decision)


def _granted(decision: Allowed | NeedsApproval) -> dict[str, Any]:
    return {
        "rule": decision.rule.name,
        "source": str(decision.rule.source),
        "ttl_seconds": decision.terms.ttl_seconds,
        "guardrails": [_hit(hit) for hit in decision.hits],
        "waived": list(decision.waived),
    }


def _hit(hit: GuardrailHit) -> dict[str, Any]:
    return {"guardrail": hit.guardrail, "enforcement": hit.enforcement.value, **_unmet(hit.unmet)}


def _near(near: Near) -> dict[str, Any]:
    return {
        "rule": near.rule.name,
        "source": str(near.rule.source),
        "unmet": [_unmet(unmet) for unmet in near.unmet],
    }


def _unmet(unmet: Unmet) -> dict[str, Any]:
    source = None if unmet.source is None else str(unmet.source)
    return {"reason": unmet.reason.value, "sentence": unmet.sentence, "source": source}
