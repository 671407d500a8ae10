"""From documents to a policy: everything expanded and filled in, or everything that does not fit together told."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from keymgr.policy.compile import compile_policy
from keymgr.policy.model import (
    ApprovalStep,
    ExistingKeys,
    OwnerExit,
    OwnerKind,
    Policy,
    PortalPermission,
    RateLimit,
    Risk,
    Source,
    Tier,
    TokenForm,
    ViolationAction,
)
from keymgr.policy.problems import Problem
from keymgr.policy.read import ReadPolicy, read_policy
from tests.policy.folders import documents_in, documents_of, policy_of

HERE = Path(__file__).parent / "example" / "base"
BASE = {path.relative_to(HERE).as_posix(): path.read_text() for path in HERE.rglob("*.yaml")}
NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86_400
TOLD = ("owner", "team", "service_owner")
RULE = """\
apiVersion: keymgr/v1
kind: IssuanceRule
metadata: {name: extra, owner: payments, description: An extra rule}
spec:
  subjects: {teams: [payments], roles: [on-call]}
  grants: {service: payments-api, environments: [prod], scopes: ["charges:read"]}
  approval: prod-two-step
"""
ROLE = """\
apiVersion: keymgr/v1
kind: Role
metadata: {name: on-call, owner: payments}
spec: {title: On call, members: [ana], teams: [payments], idp_groups: [g1], portal: [auditor]}
---
"""
GUARDRAIL = """\
apiVersion: keymgr/v1
kind: Guardrail
metadata: {name: extra, owner: platform-security}
"""
WAIVER = """\
apiVersion: keymgr/v1
kind: Waiver
metadata: {name: pat-refunds, owner: platform-security}
spec:
  guardrail: no-critical-to-people
  subject: {owner: pat, service: payments-api, environments: [dev]}
  expires_at: "2026-05-30T00:00:00Z"
  reason: back-fill
"""


def compiled(**more: str) -> Policy:
    return policy_of(documents_in({**BASE, **{f"{name}.yaml": text for name, text in more.items()}}))


def refused(*, now: datetime | None = NOW, **more: str) -> list[str]:
    found = compile_policy(documents_in({**BASE, **{f"{name}.yaml": text for name, text in more.items()}}), now=now)
    assert not isinstance(found, Policy)
    return [f"{each.code} {each.message}" for each in found]


def accepted(*, now: datetime = NOW, **more: str) -> bool:
    documents = documents_in({**BASE, **{f"{name}.yaml": text for name, text in more.items()}})
    return isinstance(compile_policy(documents, now=now), Policy)


def rule(**fields: str) -> str:
    """Return the extra rule with whole lines of its spec replaced or added."""
    lines = RULE.splitlines()
    for field, value in fields.items():
        lines = [line for line in lines if not line.startswith(f"  {field}:")]
        lines.append(f"  {field}: {value}")
    return ROLE + "\n".join(lines) + "\n"


def test_wildcards_and_bundles_are_written_out_and_sources_kept() -> None:
    policy = compiled()
    assert policy.rules["payments-nonprod"].scopes == {"charges:read", "charges:write", "reports:read"}
    assert policy.rules["analytics-reports"].scopes == {"charges:read", "reports:read"}
    assert policy.rules["analytics-reports"].service == "payments-api"
    write = policy.rules["payments-prod-write"]
    assert write.source == Source("rules/payments.yaml", 11, 1)
    assert write.marks["spec.limits.max_ttl"] == Source("rules/payments.yaml", 18, 14)
    assert policy.services["payments-api"].source == Source("services/payments-api.yaml", 2, 1)
    assert (policy.name, policy.existing_keys) == ("acme", ExistingKeys(ViolationAction.FLAG, 14 * DAY, TOLD))


def test_a_star_without_except_reaches_every_scope_of_the_service() -> None:
    text = rule(grants='{service: payments-api, environments: [dev], scopes: ["*"]}')
    assert compiled(extra=text).rules["extra"].scopes == set(compiled().services["payments-api"].scopes)


def test_defaults_of_the_set_fill_what_a_rule_leaves_out_and_nothing_else() -> None:
    limits = compiled().rules["analytics-reports"].limits
    assert (limits.max_ttl_seconds, limits.default_ttl_seconds) == (30 * DAY, 30 * DAY)
    assert (limits.rotate_every_seconds, limits.rotation_overlap_seconds) == (90 * DAY, 7 * DAY)
    assert limits.max_keys_per_owner == 3
    assert limits.cidrs.within == (ip_network("10.40.0.0/16"),)
    assert (limits.cidrs.required, limits.cidrs.entries_max) == (True, 16)
    own = compiled().rules["payments-prod-write"].limits
    assert (own.rotate_every_seconds, own.rotation_overlap_seconds, own.max_keys_per_owner) == (30 * DAY, 3 * DAY, 2)
    assert own.idle_expiry_seconds == 30 * DAY
    assert own.rate_limits == (RateLimit("burst", 500, 10), RateLimit("minute", 6000, 60))


def test_a_default_lifetime_of_the_set_is_never_longer_than_the_rules_own_longest() -> None:
    limits = compiled(extra=rule(limits="{max_ttl: 7d}")).rules["extra"].limits
    assert (limits.max_ttl_seconds, limits.default_ttl_seconds) == (7 * DAY, 7 * DAY)


def test_every_limit_can_be_written_in_a_rule() -> None:
    text = rule(
        limits="{max_ttl: 9d, default_ttl: 1d, quota: {requests: 1000, per: 30d}, token: opaque,"
        " owner_rate_limits: [{name: all, requests: 5, per: 1s}]}",
        on_owner_exit="revoke",
        existing_keys="{on_violation: suspend}",
        conditions="[{fact: key.ttl, at_most: 2d}, {fact: issuance.source_ip, in: [10.0.0.1]},"
        " {fact: issuance.mfa, equals: true}, {fact: key.last_used_days, at_most: 9}]",
    )
    found = compiled(extra=text).rules["extra"]
    assert found.limits.quota == RateLimit("quota", 1000, 30 * DAY)
    assert found.limits.token is TokenForm.OPAQUE
    assert found.limits.owner_rate_limits == (RateLimit("all", 5, 1),)
    assert found.on_owner_exit is OwnerExit.REVOKE
    assert found.existing_keys == ExistingKeys(ViolationAction.SUSPEND, 14 * DAY, TOLD)
    assert [(each.fact, each.operator, each.value) for each in found.conditions] == [
        ("issuance.mfa", "equals", True),
        ("issuance.source_ip", "in", ("10.0.0.1/32",)),
        ("key.last_used_days", "at_most", 9),
        ("key.ttl", "at_most", 2 * DAY),
    ]
    assert found.description == "An extra rule"
    assert (found.roles, found.owner_kinds) == (frozenset({"on-call"}), frozenset(OwnerKind))


def test_windows_and_conditions_have_one_order_whatever_the_order_they_are_written_in() -> None:
    windows = ["{name: b, requests: 1, per: 1m}", "{name: a, requests: 1, per: 1m}", "{name: c, requests: 1, per: 1s}"]
    one, other = (
        compiled(extra=rule(limits=f"{{rate_limits: [{', '.join(order)}]}}")).rules["extra"].limits.rate_limits
        for order in (windows, windows[::-1])
    )
    assert one == other
    assert [each.name for each in one] == ["c", "a", "b"]


def test_a_set_without_defaults_leaves_rotation_out_and_asks_for_the_rest() -> None:
    defaults = BASE["policyset.yaml"]
    start, end = defaults.index("  defaults:"), defaults.index("  existing_keys:")
    bare = {**BASE, "policyset.yaml": defaults[:start] + defaults[end:]}
    found = compile_policy(documents_in(bare))
    assert not isinstance(found, Policy)
    assert {each.code for each in found} == {"E307"}
    assert "neither the rule nor the defaults of the PolicySet set max_keys_per_owner" in {
        each.message for each in found
    }
    written = "limits: {max_ttl: 9d, max_keys_per_owner: 1, "
    rules = BASE["rules/payments.yaml"].replace("limits: {max_ttl: 30d, ", written)
    limits = policy_of(documents_in({**bare, "rules/payments.yaml": rules})).rules["analytics-reports"].limits
    assert (limits.default_ttl_seconds, limits.rotate_every_seconds, limits.rotation_overlap_seconds) == (
        9 * DAY,
        None,
        0,
    )


def test_defaults_that_do_not_fit_are_told_once_and_at_the_set() -> None:
    text = BASE["policyset.yaml"].replace("default_ttl: 30d", "default_ttl: 91d")
    found = compile_policy(documents_in({**BASE, "policyset.yaml": text}))
    assert not isinstance(found, Policy)
    assert [(each.file, each.code) for each in found if each.file == "policyset.yaml"] == [("policyset.yaml", "E307")]
    assert {each.code for each in found} == {"E307"}


def test_roles_teams_approvals_and_environments_are_values_with_names_resolved() -> None:
    policy = compiled(extra=rule())
    role = policy.roles["on-call"]
    assert role.title == "On call"
    assert (set(role.members), set(role.teams), set(role.idp_groups)) == ({"ana"}, {"payments"}, {"g1"})
    assert role.portal == {PortalPermission.AUDITOR}
    assert policy.teams["payments"].title == "payments"
    assert {name: each.tier for name, each in policy.environments.items()} == {
        "dev": Tier.NONPROD,
        "staging": Tier.NONPROD,
        "prod": Tier.PROD,
    }
    approval = policy.approvals["prod-two-step"]
    assert approval.steps[0] == ApprovalStep("service owner", frozenset({"payments"}), frozenset(), 1)
    assert (approval.reason_required, approval.request_ttl_seconds, approval.break_glass) == (
        True,
        72 * 3600,
        frozenset(),
    )
    assert policy.rules["payments-nonprod"].approval.name == "none"
    assert policy.rules["payments-nonprod"].approval.steps == ()
    assert policy.services["payments-api"].scopes["refunds:write"].risk is Risk.CRITICAL


def test_rules_are_found_by_service_and_environment_in_the_order_of_names() -> None:
    policy = compiled(extra=rule())
    names = {target: [each.name for each in rules] for target, rules in policy.rules_by_target.items()}
    assert names == {
        ("payments-api", "dev"): ["payments-nonprod"],
        ("payments-api", "prod"): ["analytics-reports", "extra", "payments-prod-write"],
        ("payments-api", "staging"): ["analytics-reports", "payments-nonprod"],
    }


def test_guardrails_keep_what_they_look_at_and_what_they_demand() -> None:
    guardrails = compiled().guardrails
    assert guardrails["prod-ceilings"].environments == {"prod"}
    assert (guardrails["prod-ceilings"].approval_steps_min, guardrails["prod-ceilings"].cidrs_required) == (2, True)
    assert guardrails["no-critical-to-people"].deny_reason == "critical scopes are for service accounts only"
    assert guardrails["no-critical-to-people"].existing_keys == ExistingKeys(ViolationAction.SUSPEND, 3 * DAY, TOLD)
    assert guardrails["no-any-cidr"].forbidden_cidrs == (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert guardrails["no-any-cidr"].existing_keys == ExistingKeys(ViolationAction.FLAG, 14 * DAY, TOLD)


def test_a_waiver_may_reach_ninety_days_ahead_and_no_further() -> None:
    assert accepted(waiver=WAIVER)
    assert refused(waiver=WAIVER, now=NOW - timedelta(seconds=1)) == ["E314 the waiver ends more than 90 days from now"]


def test_a_waiver_that_has_been_applied_never_stops_compiling() -> None:
    documents = documents_in({**BASE, "waiver.yaml": WAIVER.replace("2026-05-30", "2016-05-30")})
    policy = policy_of(documents)
    assert policy.waivers["pat-refunds"].expires_at == int(datetime(2016, 5, 30, tzinfo=UTC).timestamp())
    assert policy.waivers["pat-refunds"].environments == {"dev"}


def test_names_that_differ_only_in_case_cannot_both_be() -> None:
    team = "apiVersion: keymgr/v1\nkind: Team\nmetadata: {name: Payments, owner: payments}\nspec: {members: [ana]}\n"
    found = read_policy({name: text.encode() for name, text in {**BASE, "zz.yaml": team}.items()}, now=NOW)
    assert not isinstance(found, ReadPolicy)
    assert [each.code for each in found] == ["E208"]


def test_one_object_in_two_files_is_told_at_the_second_with_the_place_of_the_first() -> None:
    assert refused(zz=BASE["bundles/payments-readonly.yaml"]) == [
        "E304 ScopeBundle payments-readonly is already written at bundles/payments-readonly.yaml:1:1",
    ]


def test_unknown_names_are_told_with_the_nearest_known_one() -> None:
    text = rule(approval="prod-twostep")
    found = compile_policy(documents_in({**BASE, "extra.yaml": text}))
    assert found == (
        Problem(
            "E301", "extra.yaml", 12, 13, 'there is no ApprovalPolicy "prod-twostep"', 'did you mean "prod-two-step"?'
        ),
    )


def test_a_bundle_of_an_unknown_service_is_told_once() -> None:
    bundle = BASE["bundles/payments-readonly.yaml"].replace("payments-api", "payment-api")
    found = compile_policy(documents_in({**BASE, "bundles/payments-readonly.yaml": bundle}))
    assert not isinstance(found, Policy)
    assert [each.message for each in found] == ['there is no Service "payment-api"']


@pytest.mark.parametrize(
    "guardrail",
    [
        "{applies_to: {}, enforcement: warn, require: {approval_steps: 3}}",
        "{applies_to: {}, enforcement: audit, require: {approval_steps: 3}}",
        "{applies_to: {}, enforcement: enforce, waivable: true, require: {approval_steps: 3}}",
        "{applies_to: {teams: [analytics]}, enforcement: enforce, require: {approval_steps: 2}}",
        "{applies_to: {scopes: ['refunds:write']}, enforcement: enforce, require: {approval_steps: 3}}",
        "{applies_to: {risk: [critical]}, enforcement: enforce, require: {approval_steps: 3}}",
        "{applies_to: {tiers: [prod]}, enforcement: enforce, require: {approval_steps: 2}}",
        "{applies_to: {environments: [prod]}, enforcement: enforce, ceilings: {max_ttl: 90d}}",
        "{applies_to: {}, enforcement: enforce, deny: {reason: all is frozen}}",
    ],
)
def test_a_guardrail_that_may_leave_a_rule_something_to_grant_is_no_error(guardrail: str) -> None:
    assert accepted(extra=f"{GUARDRAIL}spec: {guardrail}\n")


@pytest.mark.parametrize(
    ("guardrail", "codes"),
    [
        ("{applies_to: {tiers: [nonprod]}, enforcement: enforce, require: {approval_steps: 1}}", ["E310"]),
        ("{applies_to: {owner_kinds: [user]}, enforcement: enforce, require: {approval_steps: 1}}", ["E310"]),
        ("{applies_to: {teams: [payments]}, enforcement: enforce, require: {approval_steps: 1}}", ["E310"]),
        ("{applies_to: {scopes: ['charges:write']}, enforcement: enforce, require: {approval_steps: 1}}", ["E310"]),
        ("{applies_to: {services: [payments-api]}, enforcement: enforce, require: {approval_steps: 3}}", ["E310"] * 3),
        ("{applies_to: {environments: [prod]}, enforcement: enforce, ceilings: {max_ttl: 10d}}", ["E311"]),
        ("{applies_to: {}, enforcement: enforce, ceilings: {max_keys_per_owner: 4}}", ["E311"]),
        ("{applies_to: {teams: [analytics]}, enforcement: enforce, forbid_cidrs: [10.40.0.0/16]}", ["E312"]),
        ("{applies_to: {owner_kinds: [user]}, enforcement: enforce, forbid_cidrs: [10.40.0.0/16]}", []),
        ("{applies_to: {risk: [low, medium]}, enforcement: enforce, forbid_cidrs: [10.40.0.0/16]}", ["E312"]),
        ("{applies_to: {risk: [low]}, enforcement: enforce, forbid_cidrs: [10.40.0.0/16]}", []),
        ("{applies_to: {environments: [staging]}, enforcement: enforce, ceilings: {rotate_every: 1d}}", []),
    ],
)
def test_a_promise_that_is_certain_to_be_refused_is_an_error(guardrail: str, codes: list[str]) -> None:
    found = compile_policy(documents_in({**BASE, "extra.yaml": f"{GUARDRAIL}spec: {guardrail}\n"}))
    assert ([] if isinstance(found, Policy) else [each.code for each in found]) == codes


def test_the_message_of_too_few_steps_names_rule_guardrail_and_both_numbers() -> None:
    text = rule(approval="none")
    found = compile_policy(documents_in({**BASE, "extra.yaml": text}))
    assert not isinstance(found, Policy)
    assert str(found[0]) == (
        "extra.yaml:12:13: E310 approval none has 0 steps, the guardrail prod-ceilings asks for 2"
        " (name an ApprovalPolicy with 2 steps, or leave out what the guardrail looks at)"
    )


def test_invariants_and_fixtures_only_name_what_there_is() -> None:
    spec = (
        'now: "2026-03-01T09:00:00Z", fixtures: {owners: {pat: {kind: user, teams: [paymets], roles: [boss]}}},'
        ' invariants: [{name: a, service: payments-api, scopes: ["refunds:wirte"], environments: [prd],'
        " only: {teams: [analytcs], roles: [chief]}}, {name: b,"
        " service: payment-api, scopes: [a:b], environments: [prod]},"
        ' {name: c, service: payments-api, scopes: ["refunds:write"], environments: [prod]}],'
        " existing_keys: [{name: a, key: {owner: nobody, service: x, environment: e, scopes: [z],"
        ' issued_at: "2026-02-01T00:00:00Z", expires_at: "2026-04-02T00:00:00Z"}, expect: {verdict: ok}}]'
    )
    text = f"apiVersion: keymgr/v1\nkind: PolicyTest\nmetadata: {{name: extra}}\nspec: {{{spec}}}\n"
    assert sorted(refused(extra=text)) == [
        'E301 there is no Role "boss"',
        'E301 there is no Role "chief"',
        'E301 there is no Service "payment-api"',
        'E301 there is no Team "analytcs"',
        'E301 there is no Team "paymets"',
        'E302 the service payments-api has no scope "refunds:wirte"',
        'E303 the service payments-api has no environment "prd"',
        'E316 there is no owner "nobody" in the fixtures',
    ]


def test_without_a_policy_set_environments_and_limits_are_not_judged() -> None:
    files = {name: text for name, text in BASE.items() if name != "policyset.yaml"}
    found = compile_policy(documents_in(files))
    assert not isinstance(found, Policy)
    assert [each.code for each in found] == ["E306"]


def test_what_may_be_declared_in_an_unreadable_file_is_not_told() -> None:
    files = {name: text.encode() for name, text in BASE.items()}
    spec = "{applies_to: {scopes: ['a:b']}, enforcement: enforce, deny: {reason: x}}"
    files["guardrails/org.yaml"] += f"---\n{GUARDRAIL}spec: {spec}\n".encode()
    found = read_policy({**files, "broken.yaml": b"{"}, now=NOW)
    assert not isinstance(found, ReadPolicy)
    assert [each.file for each in found] == ["broken.yaml"]


def test_compiling_twice_gives_equal_policies() -> None:
    assert compile_policy(documents_of(HERE)) == compile_policy(documents_of(HERE))
