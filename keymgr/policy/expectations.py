"""What a policy test expected beside what came out: an empty text, or a sentence that says the difference."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from keymgr.policy.decision import Decision, Denied, NeedsApproval, Unmet
from keymgr.policy.documents_tests import ExpectedDecision, ExpectedVerdict
from keymgr.policy.existing import Standing
from keymgr.policy.wording import all_of


def difference_of_decision(expected: ExpectedDecision, decision: Decision) -> str:
    """Compare every field that the case writes with the decision; several reasons or guardrails may match."""
    return _difference(
        {
            "decision": (expected.decision, {_word(decision)}),
            "rule": (expected.rule, set() if isinstance(decision, Denied) else {decision.rule.name}),
            "approval_steps": (expected.approval_steps, _steps(decision)),
            "reason": (expected.reason, _codes(decision.reasons) if isinstance(decision, Denied) else set()),
            "near_miss": (expected.near_miss, _near_miss(decision)),
            "guardrail": (expected.guardrail, {hit.guardrail for hit in decision.hits}),
        },
        _told(decision),
    )


def difference_of_standing(expected: ExpectedVerdict, standing: Standing) -> str:
    """Compare every field that the case writes with how the live key stands."""
    return _difference(
        {
            "verdict": (expected.verdict, {standing.verdict}),
            "reason": (expected.reason, _codes(standing.reasons)),
            "action": (expected.action, {standing.action} - {None}),
            "rule": (expected.rule, {standing.rule} - {None}),
        },
        _sentences(standing.reasons),
    )


def _difference(fields: Mapping[str, tuple[object, AbstractSet[object]]], told: str) -> str:
    wrong = [
        f"{field} {wanted}, got {all_of(sorted(str(each) for each in found)) or 'none'}"
        for field, (wanted, found) in fields.items()
        if wanted is not None and wanted not in found
    ]
    return f"Expected {'; '.join(wrong)}. {told}".strip() if wrong else ""


def _word(decision: Decision) -> str:
    if isinstance(decision, Denied):
        return "deny"
    return "needs_approval" if isinstance(decision, NeedsApproval) else "allow"


def _steps(decision: Decision) -> set[object]:
    return set() if isinstance(decision, Denied) else {len(decision.rule.approval.steps)}


def _near_miss(decision: Decision) -> set[object]:
    return {decision.nearest.rule.name} if isinstance(decision, Denied) and decision.nearest else set()


def _codes(reasons: tuple[Unmet, ...]) -> set[object]:
    return {unmet.reason for unmet in reasons}


def _told(decision: Decision) -> str:
    return _sentences(decision.reasons) if isinstance(decision, Denied) else f"Granted by {decision.rule.name}."


def _sentences(reasons: tuple[Unmet, ...]) -> str:
    return " ".join(unmet.sentence for unmet in reasons)
