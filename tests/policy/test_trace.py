"""The trace agrees with the decision and names everything that was looked at."""

from dataclasses import replace
from ipaddress import ip_network

from keymgr.policy.decide import decide
from keymgr.policy.decision import Allowed, Denied, NeedsApproval, Reason
from keymgr.policy.model import CidrRule, Condition, OwnerKind, Policy, Wish
from keymgr.policy.trace import Part, Trace, trace
from tests.policy.builders import (
    DAY,
    LIMITS,
    NOW,
    a_guardrail,
    a_person,
    a_policy,
    a_rule,
    a_service,
    a_waiver,
    a_wish,
    an_account,
    at,
    evidence,
    steps,
)

BEN = a_person("ben")


def traced(policy: Policy, wish: Wish | None = None) -> Trace:
    asked = wish or a_wish("charges:read")
    found = trace(policy, BEN, asked, evidence(), NOW)
    assert found.decision == decide(policy, BEN, asked, evidence(), NOW)
    return found


def parts(found: Trace) -> list[tuple[str, Part]]:
    return [(each.rule.name, each.part) for each in found.rules]


def test_the_rule_that_decides_comes_first_then_others_that_accept_then_the_rest() -> None:
    policy = a_policy(
        a_rule("z-at-once"),
        a_rule("a-approved", approval=steps(1)),
        a_rule("elsewhere", environments=["prod"]),
    )
    found = traced(policy)
    assert isinstance(found.decision, Allowed)
    assert parts(found) == [("z-at-once", Part.DECIDES), ("a-approved", Part.ACCEPTS), ("elsewhere", Part.MISSES)]
    assert found.elsewhere == 0


def test_rules_of_other_services_are_counted() -> None:
    policy = a_policy(a_rule("one"), a_rule("other", service="reports"), services=[a_service(), a_service("reports")])
    assert traced(policy).elsewhere == 1


def test_each_thing_a_rule_asks_for_is_met_or_not() -> None:
    asked = a_rule(
        "asks-a-lot",
        roles=["lead"],
        kinds=[OwnerKind.SERVICE_ACCOUNT],
        limits=replace(LIMITS, cidrs=CidrRule(required=True, within=(ip_network("10.0.0.0/8"),))),
        conditions=[Condition("issuance.mfa", "equals", True, at("rules/asks-a-lot.yaml", 9))],  # noqa: FBT003 - a fact.
    )
    (rule,) = traced(a_policy(asked)).rules
    unmet = {check.unmet.reason for check in rule.checks if check.unmet}
    assert unmet == {Reason.RULE_ROLE, Reason.RULE_OWNER_KIND, Reason.LIMIT_CIDR, Reason.FACT_UNKNOWN}
    met = [check.sentence for check in rule.checks if check.unmet is None]
    assert met == [
        "Covers dev.",
        "Gives charges:read.",
        "For the team payments.",
        "At most 90 days of life.",
        "At most 3 keys for payments in dev; held: 0.",
    ]


def test_a_condition_that_is_met_says_so() -> None:
    condition = Condition("environment.tier", "equals", "nonprod", at("rules/one.yaml", 7))
    (rule,) = traced(a_policy(a_rule("one", teams=[], conditions=[condition]))).rules
    assert rule.checks[-1].sentence == "environment.tier equals nonprod."
    assert rule.checks[-1].unmet is None


def test_networks_that_may_be_named_anywhere_are_told_too() -> None:
    limits = replace(LIMITS, cidrs=CidrRule(entries_max=2))
    (rule,) = traced(a_policy(a_rule("one", limits=limits))).rules
    assert rule.checks[-1].sentence == "Networks may be named, at most 2."


def test_what_guardrails_ask_of_a_rule_is_told_at_the_rule() -> None:
    policy = a_policy(a_rule("one"), guardrails=[a_guardrail("two-steps", steps_min=2)])
    found = traced(policy)
    assert isinstance(found.decision, Denied)
    (rule,) = found.rules
    assert rule.part is Part.MISSES
    assert rule.checks[-1].unmet is not None
    assert rule.checks[-1].unmet.reason is Reason.GUARDRAIL_REQUIRE


def test_guardrails_object_are_waived_or_have_nothing_to_say() -> None:
    policy = a_policy(
        a_rule("one", approval=steps(1)),
        guardrails=[
            a_guardrail("short", max_ttl=DAY, waivable=True),
            a_guardrail("never", deny="not here", scopes=["charges:read"]),
            a_guardrail("quiet", max_keys=9),
            a_guardrail("not-of-this", environments=["prod"], deny="never"),
        ],
        waivers=[a_waiver("short")],
    )
    found = traced(policy, a_wish("charges:read", ttl=2 * DAY))
    told = {each.guardrail.name: (len(each.hits), each.waived) for each in found.guardrails}
    assert told == {"short": (0, True), "never": (1, False), "quiet": (0, False)}


def test_a_granted_wish_asks_guardrails_about_what_it_gets() -> None:
    found = traced(a_policy(a_rule("one", approval=steps(1)), guardrails=[a_guardrail("short", max_ttl=DAY)]))
    assert isinstance(found.decision, NeedsApproval)
    assert found.guardrails[0].hits == ()


def test_a_wish_that_cannot_be_judged_has_faults_and_nothing_else() -> None:
    found = traced(a_policy(a_rule("one")), a_wish("charges:reed"))
    assert [fault.reason for fault in found.faults] == [Reason.UNKNOWN_NAME]
    assert (found.rules, found.guardrails, found.elsewhere) == ((), (), 1)


def test_an_account_is_told_apart_from_a_person() -> None:
    policy = a_policy(a_rule("machines", kinds=[OwnerKind.SERVICE_ACCOUNT]))
    found = trace(policy, an_account("pay-ci"), a_wish("charges:read"), evidence(), NOW)
    assert parts(found) == [("machines", Part.DECIDES)]
