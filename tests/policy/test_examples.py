"""The worked examples: the reference's own, and the one the demo shows."""

from functools import cache
from pathlib import Path

import pytest

from keymgr.policy.decision import Allowed, Denied, NeedsApproval, Reason
from keymgr.policy.documents import Document
from keymgr.policy.existing import Verdict
from keymgr.policy.explain import explain
from keymgr.policy.model import Asker, Evidence, OwnerKind, Policy, PortalPermission, TokenForm, Wish
from keymgr.policy.testing import run_tests
from tests.policy.folders import ROOT, documents_of, policy_of

REFERENCE = Path(__file__).parent / "example"
DEMO = ROOT / "policies"
NOON = 1_795_348_800


@cache
def loaded(folder: Path) -> tuple[tuple[Document, ...], Policy]:
    documents = documents_of(folder)
    return documents, policy_of(documents)


def test_the_reference_example_passes_its_tests_with_the_one_gap_the_reference_reports() -> None:
    report = run_tests(*loaded(REFERENCE / "base"))
    assert [result.message for result in report.failures] == []
    assert len(report.results) == 11
    assert [str(gap) for gap in report.gaps] == ["IssuanceRule/payments-nonprod never refused"]


def test_the_reference_pull_request_breaks_two_tests_and_leaves_three_gaps() -> None:
    report = run_tests(*loaded(REFERENCE / "pull-request"))
    assert [result.name for result in report.failures] == [
        "analytics may read reports",
        "a 60-day analytics key breaks the 30-day limit and is only flagged",
    ]
    assert len(report.gaps) == 3


def test_the_demo_passes_its_tests_and_each_rule_and_guardrail_is_shown_at_work() -> None:
    report = run_tests(*loaded(DEMO))
    assert [(str(result.source), result.message) for result in report.failures] == []
    assert report.gaps == ()


def test_the_demo_is_as_large_as_a_real_one() -> None:
    _, policy = loaded(DEMO)
    assert len(policy.services) >= 4
    assert len(policy.teams) >= 5
    assert len(policy.roles) >= 6
    assert len(policy.environments) == 3
    assert len(policy.rules) >= 12
    assert len(policy.guardrails) >= 4
    assert len([approval for approval in policy.approvals.values() if approval.steps]) >= 2
    assert {permission for role in policy.roles.values() for permission in role.portal} == set(PortalPermission)


RULES = sorted(loaded(DEMO)[1].rules)


@pytest.mark.parametrize("rule", RULES)
def test_removing_any_rule_of_the_demo_fails_a_test(rule: str) -> None:
    documents, _ = loaded(DEMO)
    fewer = tuple(document for document in documents if (document.kind, document.name) != ("IssuanceRule", rule))
    assert not run_tests(fewer, policy_of(fewer)).passed


@pytest.mark.parametrize("guardrail", sorted(loaded(DEMO)[1].guardrails))
def test_removing_any_guardrail_of_the_demo_fails_a_test(guardrail: str) -> None:
    documents, _ = loaded(DEMO)
    waivers = {waiver.name for waiver in loaded(DEMO)[1].waivers.values() if waiver.guardrail == guardrail}
    gone = {("Guardrail", guardrail), *(("Waiver", name) for name in waivers)}
    fewer = tuple(document for document in documents if (document.kind, document.name) not in gone)
    assert not run_tests(fewer, policy_of(fewer)).passed


def ben() -> Asker:
    return Asker("user:ben", OwnerKind.USER, frozenset({"payments"}), frozenset({"developer"}))


def facts() -> Evidence:
    return Evidence({"issuance.mfa": False, "issuance.source_ip": "127.0.0.1"})


def test_ben_sees_all_three_answers_in_one_form() -> None:
    _, policy = loaded(DEMO)
    wish = Wish("payments", "dev", frozenset({"charges:read", "refunds:write", "payouts:admin"}))
    explained = explain(policy, ben(), wish, facts(), NOON)
    assert [type(line.decision) for line in explained.lines] == [Allowed, NeedsApproval, Denied]
    refused = explained.lines[2].decision
    assert isinstance(refused, Denied)
    assert refused.nearest is not None
    assert refused.nearest.rule.name == "payouts-drill"
    assert [unmet.sentence for unmet in refused.reasons] == ["It needs the role payments-oncall; you have developer."]
    assert refused.reasons[0].source is not None
    assert refused.reasons[0].source.file == "rules/payouts.yaml"


def test_ben_reads_at_once_in_dev_and_staging_and_after_approval_in_production() -> None:
    _, policy = loaded(DEMO)
    answers = [
        type(explain(policy, ben(), Wish("payments", environment, frozenset({"charges:read"})), facts(), NOON).whole)
        for environment in ("dev", "staging", "prod")
    ]
    assert answers == [Allowed, Allowed, NeedsApproval]


def test_reading_and_changing_payouts_together_still_names_what_is_missing() -> None:
    _, policy = loaded(DEMO)
    wish = Wish("payments", "dev", frozenset({"charges:read", "payouts:admin"}))
    whole = explain(policy, ben(), wish, facts(), NOON).whole
    assert isinstance(whole, Denied)
    assert whole.reasons[0].reason is Reason.NO_RULE


def test_the_demo_shows_every_kind_of_limit() -> None:
    _, policy = loaded(DEMO)
    limits = [rule.limits for rule in policy.rules.values()]
    burst = policy.rules["payments-dev"].limits.rate_limits[0]
    assert (burst.requests, burst.per_seconds) == (5, 10)
    assert any(limit.token is TokenForm.OPAQUE for limit in limits)
    assert any(limit.quota for limit in limits)
    assert any(limit.owner_rate_limits for limit in limits)
    assert any(limit.cidrs.required and limit.cidrs.within for limit in limits)


def test_verdicts_are_spelt_the_same_in_tests_and_in_the_engine() -> None:
    assert {verdict.value for verdict in Verdict} == {"exempt", "ok", "ok_by_another_rule", "unknown", "violates"}
