"""Policy tests: what passes, what fails and how it is told, and what no case shows."""

from pathlib import Path

import pytest

from keymgr.policy.testing import TestReport, run_tests
from tests.policy.folders import documents_in, documents_of, policy_of

BASE = documents_of(Path(__file__).parent / "example" / "base")
RULES = tuple(document for document in BASE if document.kind != "PolicyTest")
HEAD = """
apiVersion: keymgr/v1
kind: PolicyTest
metadata: {name: sample}
spec:
  now: "2026-03-01T09:00:00Z"
  fixtures:
    owners:
      pat: {kind: user, teams: [payments]}
      gone: {kind: user, teams: [payments], status: inactive}
      pay-ci: {kind: service_account, teams: [payments]}
    requests:
      dev-read:
        {service: payments-api, environment: dev, scopes: ["charges:read"], ttl: 30d, facts: {issuance.mfa: true}}
"""


def run(body: str) -> TestReport:
    documents = (*RULES, *documents_in({"tests/sample.yaml": HEAD + body}))
    return run_tests(documents, policy_of(documents))


def case(expect: str, *, owner: str = "pat", changed: str = "{}") -> str:
    fields = f"name: a case, owner: {owner}, request: dev-read, with: {changed}, expect: {expect}"
    return f"  cases:\n    - {{{fields}}}\n"


def message(body: str) -> str:
    (result,) = run(body).results
    assert result.passed == (not result.message)
    return result.message


def test_a_case_that_comes_out_as_expected_passes_and_knows_its_place() -> None:
    report = run(case("{decision: allow, rule: payments-nonprod}"))
    assert report.passed
    (result,) = report.results
    assert (result.test, result.name, str(result.source)) == ("sample", "a case", "tests/sample.yaml:16:7")


def test_nothing_tested_is_not_a_pass() -> None:
    report = run_tests(RULES, policy_of(RULES))
    assert report.results == ()
    assert not report.passed
    assert not report.failures


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ("{decision: needs_approval, rule: payments-nonprod}", "Expected decision needs_approval, got allow."),
        ("{decision: allow, rule: payments-prod-write}", "Expected rule payments-prod-write, got payments-nonprod."),
        ("{decision: allow, rule: payments-nonprod, approval_steps: 2}", "Expected approval_steps 2, got 0."),
        ("{decision: allow, rule: payments-nonprod, guardrail: no-any-cidr}", "guardrail no-any-cidr, got none."),
        ("{decision: deny, reason: NO_RULE}", "Expected decision deny, got allow; reason NO_RULE, got none."),
        ("{decision: deny, reason: NO_RULE, near_miss: payments-nonprod}", "near_miss payments-nonprod, got none."),
    ],
)
def test_a_case_that_comes_out_otherwise_says_the_difference_and_the_whole_request(expect: str, words: str) -> None:
    told = message(case(expect, changed="{ttl: 36h, cidrs: [10.0.0.0/8], keys_held: 1}"))
    assert words in told
    assert told.endswith(
        "Asked: owner pat, service payments-api, environment dev, scopes [charges:read], ttl 36h, "
        "cidrs [10.0.0.0/8], facts {issuance.mfa: True}, keys_held 1."
    )


def test_a_refusal_that_was_not_expected_tells_its_reason() -> None:
    told = message(case("{decision: allow, rule: payments-nonprod}", changed="{ttl: 91d}"))
    assert "At most 90 days are allowed; you asked for 91 days." in told


def test_with_replaces_each_field_as_a_whole() -> None:
    refused = "{decision: deny, reason: FACT_UNKNOWN, near_miss: payments-prod-write}"
    changed = '{environment: prod, cidrs: ["10.20.0.0/24"], facts: {}}'
    assert message(case(refused, owner="pay-ci", changed=changed)) == ""


def test_a_status_other_than_active_is_an_owner_who_may_hold_nothing() -> None:
    assert message(case("{decision: deny, reason: OWNER_INACTIVE}", owner="gone")) == ""


ROLE = """
apiVersion: keymgr/v1
kind: Role
metadata: {name: wizard, owner: payments}
spec: {teams: [analytics], members: [actor]}
---
apiVersion: keymgr/v1
kind: IssuanceRule
metadata: {name: for-wizards, owner: payments}
spec:
  subjects: {roles: [wizard]}
  grants: {service: payments-api, environments: [dev], scopes: ["refunds:write"]}
  approval: none
"""


def test_owners_have_the_roles_written_and_those_of_their_teams() -> None:
    refunds = '{scopes: ["refunds:write"]}'
    machine = "      bot: {kind: service_account, teams: [analytics]}\n    requests:"
    body = case("{decision: allow, rule: for-wizards}", owner="bot", changed=refunds)
    text = HEAD.replace("    requests:", machine) + body
    documents = (*RULES, *documents_in({"tests/sample.yaml": text, "more.yaml": ROLE}))
    assert run_tests(documents, policy_of(documents)).passed


def live(expect: str, *, until: str = "2026-03-20") -> str:
    fields = (
        "owner: pat, service: payments-api, environment: dev, scopes: [charges:read], "
        f'issued_at: "2026-02-20T00:00:00Z", expires_at: "{until}T00:00:00Z"'
    )
    return f"  existing_keys:\n    - {{name: a key, key: {{{fields}}}, expect: {expect}}}\n"


def test_a_live_key_is_judged_at_the_frozen_moment() -> None:
    assert message(live("{verdict: ok, rule: payments-nonprod}")) == ""
    told = message(live("{verdict: violates, reason: LIMIT_TTL, action: revoke}", until="2026-12-01"))
    assert told == (
        "Expected action revoke, got flag. At most 90 days are allowed; you asked for 284 days. "
        "Key: owner pat, service payments-api, environment dev, scopes [charges:read], "
        "issued_at 2026-02-20T00:00:00+00:00, expires_at 2026-12-01T00:00:00+00:00."
    )
    assert "verdict exempt, got ok" in message(live("{verdict: exempt}"))


def test_only_a_case_that_passes_counts_as_shown() -> None:
    passing = run(case("{decision: allow, rule: payments-nonprod}"))
    failing = run(case("{decision: allow, rule: analytics-reports}"))
    assert "IssuanceRule/payments-nonprod never granted" not in [str(gap) for gap in passing.gaps]
    assert "IssuanceRule/payments-nonprod never granted" in [str(gap) for gap in failing.gaps]


def test_a_rule_is_refused_where_it_comes_nearest_and_no_guardrail_decides() -> None:
    missed = run(case("{decision: deny, reason: LIMIT_TTL}", changed="{ttl: 91d}"))
    assert "IssuanceRule/payments-nonprod never refused" not in [str(gap) for gap in missed.gaps]
    open_to_all = '{cidrs: ["0.0.0.0/0"], ttl: 91d}'
    walled = run(case("{decision: deny, reason: GUARDRAIL_CIDR}", changed=open_to_all))
    shown = [str(gap) for gap in walled.gaps]
    assert "IssuanceRule/payments-nonprod never refused" in shown
    assert "Guardrail/no-any-cidr never fired" not in shown
    assert "Guardrail/prod-ceilings never fired" in shown
