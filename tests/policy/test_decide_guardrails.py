"""Guardrails: they refuse, warn or record, all of them at once, and only a waiver silences one."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from keymgr.policy.decide import decide
from keymgr.policy.decision import Allowed, Decision, Denied, NeedsApproval, Reason
from keymgr.policy.model import Asker, Enforcement, Evidence, Guardrail, OwnerKind, Risk, Rule, Tier, Waiver, Wish
from tests.policy.builders import (
    DAY,
    LIMITS,
    NOW,
    a_guardrail,
    a_person,
    a_policy,
    a_rule,
    a_waiver,
    a_wish,
    an_account,
    at,
    evidence,
    steps,
)

EVERYTHING = a_rule(
    "everything",
    environments=["dev", "staging", "prod"],
    scopes=["charges:read", "charges:write", "refunds:write", "reports:read"],
)


def judge(
    *guardrails: Guardrail,
    wish: Wish | None = None,
    asker: Asker | None = None,
    known: Evidence | None = None,
    rule: Rule = EVERYTHING,
    waivers: Iterable[Waiver] = (),
) -> Decision:
    policy = a_policy(rule, guardrails=guardrails, waivers=waivers)
    return decide(policy, asker or a_person(), wish or a_wish(), known or evidence(), NOW)


def told(decision: Decision) -> list[str]:
    assert isinstance(decision, Denied)
    return [f"{unmet.reason}: {unmet.sentence}" for unmet in decision.reasons]


def test_a_denial_gives_the_reason_its_author_wrote() -> None:
    mark = at("guardrails/org.yaml", 17, 10)
    wall = a_guardrail("no-critical", risks=[Risk.CRITICAL], deny="machines only", marks={"spec.deny.reason": mark})
    decision = judge(wall, wish=a_wish("charges:read", "refunds:write"))
    expected = "GUARDRAIL_DENY: The guardrail no-critical refuses refunds:write on payments in dev: machines only."
    assert told(decision) == [expected]
    assert isinstance(decision, Denied)
    assert decision.reasons[0].source == mark
    assert decision.nearest is None


def test_a_reason_that_ends_its_own_sentence_is_not_ended_twice() -> None:
    assert told(judge(a_guardrail("g", deny="Machines only.")))[0].endswith("in dev: Machines only.")


@pytest.mark.parametrize(
    ("selecting", "passing_by"),
    [
        (a_guardrail("g", services=["payments"], deny="x"), a_guardrail("g", services=["ledger"], deny="x")),
        (a_guardrail("g", environments=["dev"], deny="x"), a_guardrail("g", environments=["prod"], deny="x")),
        (a_guardrail("g", tiers=[Tier.NONPROD], deny="x"), a_guardrail("g", tiers=[Tier.PROD], deny="x")),
        (a_guardrail("g", teams=["payments"], deny="x"), a_guardrail("g", teams=["analytics"], deny="x")),
        (
            a_guardrail("g", kinds=[OwnerKind.USER], deny="x"),
            a_guardrail("g", kinds=[OwnerKind.SERVICE_ACCOUNT], deny="x"),
        ),
        (a_guardrail("g", risks=[Risk.LOW], deny="x"), a_guardrail("g", risks=[Risk.HIGH], deny="x")),
        (a_guardrail("g", scopes=["charges:read"], deny="x"), a_guardrail("g", scopes=["refunds:write"], deny="x")),
        (
            a_guardrail("g", scopes=["charges:read"], risks=[Risk.LOW], deny="x"),
            a_guardrail("g", scopes=["charges:read"], risks=[Risk.HIGH], deny="x"),
        ),
    ],
)
def test_a_guardrail_looks_at_what_all_its_selectors_match(selecting: Guardrail, passing_by: Guardrail) -> None:
    assert isinstance(judge(selecting), Denied)
    assert isinstance(judge(passing_by), Allowed)


def test_every_objection_of_every_guardrail_is_told_at_once_in_the_order_of_names() -> None:
    strict = a_guardrail("b-strict", max_ttl=DAY, max_keys=1, cidrs_required=True, deny="never")
    wide = a_guardrail("a-wide", deny="no")
    decision = judge(strict, wide, wish=a_wish(ttl=2 * DAY), known=evidence(keys_held=1))
    assert told(decision) == [
        "GUARDRAIL_DENY: The guardrail a-wide refuses charges:read on payments in dev: no.",
        "GUARDRAIL_DENY: The guardrail b-strict refuses charges:read on payments in dev: never.",
        "GUARDRAIL_CEILING: The guardrail b-strict allows at most 1 day; you asked for 2 days.",
        (
            "GUARDRAIL_CEILING: The guardrail b-strict allows at most 1 key for payments in dev; you hold 1. "
            "Revoke one first."
        ),
        "GUARDRAIL_REQUIRE: The guardrail b-strict asks where the key is used from; name at least one network.",
    ]


def test_a_ceiling_allows_what_is_exactly_at_it() -> None:
    ceiling = a_guardrail("c", max_ttl=DAY, max_keys=2)
    assert isinstance(judge(ceiling, wish=a_wish(ttl=DAY), known=evidence(keys_held=1)), Allowed)
    assert "GUARDRAIL_CEILING" in told(judge(ceiling, wish=a_wish(ttl=DAY + 1)))[0]


@pytest.mark.parametrize(
    "cidrs", [["0.0.0.0/0"], ["::/0"], ["0.0.0.0/1", "128.0.0.0/1"], ["::/1", "8000::/1", "10.0.0.0/8"]]
)
def test_a_forbidden_network_is_refused_also_in_pieces(cidrs: list[str]) -> None:
    open_world = a_guardrail("no-any", forbidden=["0.0.0.0/0", "::/0"])
    (words,) = told(judge(open_world, wish=a_wish(cidrs=cidrs)))
    assert words.startswith("GUARDRAIL_CIDR: The guardrail no-any refuses ")
    assert words.endswith("/0; name smaller networks.")


def test_networks_inside_a_forbidden_one_are_smaller_and_may_be_named() -> None:
    assert isinstance(judge(a_guardrail("g", forbidden=["0.0.0.0/0"]), wish=a_wish(cidrs=["10.0.0.0/8"])), Allowed)


@pytest.mark.parametrize("enforcement", [Enforcement.WARN, Enforcement.AUDIT])
def test_a_guardrail_that_does_not_enforce_only_says_so(enforcement: Enforcement) -> None:
    decision = judge(a_guardrail("g", enforcement=enforcement, deny="not nice", max_ttl=DAY))
    assert isinstance(decision, Allowed)
    assert [(hit.guardrail, hit.enforcement, hit.unmet.reason) for hit in decision.hits] == [
        ("g", enforcement, Reason.GUARDRAIL_DENY),
        ("g", enforcement, Reason.GUARDRAIL_CEILING),
    ]
    assert decision.terms.ttl_seconds == 30 * DAY


def test_an_audited_hit_is_reported_with_a_refusal_but_is_not_a_reason() -> None:
    decision = judge(a_guardrail("g", enforcement=Enforcement.AUDIT, deny="x"), wish=a_wish(ttl=91 * DAY))
    assert isinstance(decision, Denied)
    assert [unmet.reason for unmet in decision.reasons] == [Reason.LIMIT_TTL]
    assert [hit.guardrail for hit in decision.hits] == ["g"]


def test_a_refusal_by_guardrail_still_names_the_nearest_rule_when_none_accepts() -> None:
    decision = judge(a_guardrail("g", deny="x"), wish=a_wish(ttl=91 * DAY))
    assert isinstance(decision, Denied)
    assert [unmet.reason for unmet in decision.reasons] == [Reason.GUARDRAIL_DENY]
    assert decision.nearest is not None
    assert decision.nearest.rule is EVERYTHING


def test_a_rule_with_too_few_steps_does_not_accept_whatever_the_loader_let_through() -> None:
    two = a_guardrail("two", steps_min=2)
    (words,) = told(judge(two, rule=replace(EVERYTHING, approval=steps(1))))
    assert words == (
        "GUARDRAIL_REQUIRE: The guardrail two asks for 2 approval steps; this rule has 1. Ask the rule's owner."
    )
    assert isinstance(judge(two, rule=replace(EVERYTHING, approval=steps(2))), NeedsApproval)
    warned = judge(replace(two, enforcement=Enforcement.WARN))
    assert isinstance(warned, Allowed)
    assert [hit.unmet.reason for hit in warned.hits] == [Reason.GUARDRAIL_REQUIRE]


WALL = a_guardrail("wall", deny="x", waivable=True, steps_min=1, max_ttl=DAY)


def test_a_waiver_silences_its_guardrail_and_its_ceilings_for_its_owner() -> None:
    decision = judge(WALL, waivers=[a_waiver("wall")])
    assert isinstance(decision, Allowed)
    assert decision.waived == ("wall",)
    assert decision.terms.ttl_seconds == LIMITS.default_ttl_seconds


def test_a_waiver_is_good_until_its_last_second_and_not_a_second_longer() -> None:
    assert isinstance(judge(WALL, waivers=[a_waiver("wall", expires_at=NOW + 1)]), Allowed)
    assert isinstance(judge(WALL, waivers=[a_waiver("wall", expires_at=NOW)]), Denied)


@pytest.mark.parametrize(
    "waiver",
    [
        a_waiver("another"),
        a_waiver("wall", owner="cleo"),
        a_waiver("wall", owner="svc:ben"),
        replace(a_waiver("wall"), service="ledger"),
        replace(a_waiver("wall"), environments=frozenset({"staging"})),
    ],
)
def test_a_waiver_for_something_else_helps_nobody(waiver: Waiver) -> None:
    assert isinstance(judge(WALL, waivers=[waiver]), Denied)


def test_a_guardrail_that_may_not_be_waived_is_not() -> None:
    assert isinstance(judge(replace(WALL, waivable=False), waivers=[a_waiver("wall")]), Denied)


def test_a_bare_owner_name_means_a_person_and_never_a_service_account_of_that_name() -> None:
    account = an_account("ben")
    assert isinstance(judge(WALL, waivers=[a_waiver("wall")], asker=account), Denied)
    assert isinstance(judge(WALL, waivers=[a_waiver("wall", owner="svc:ben")], asker=account), Allowed)
    assert isinstance(judge(WALL, waivers=[a_waiver("wall", owner="user:ben")]), Allowed)


def test_a_waiver_that_is_not_needed_is_not_reported() -> None:
    quiet = a_guardrail("quiet", max_ttl=90 * DAY, waivable=True)
    decision = judge(quiet, waivers=[a_waiver("quiet")])
    assert isinstance(decision, Allowed)
    assert decision.waived == ()
