"""The semantics of a decision, one guarantee at a time."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from keymgr.policy.decide import decide
from keymgr.policy.decision import Allowed, Decision, Denied, NeedsApproval, Reason
from keymgr.policy.model import Asker, Condition, Evidence, OwnerKind, Policy, Risk, Wish
from tests.policy.builders import (
    DAY,
    LIMITS,
    NOW,
    a_guardrail,
    a_person,
    a_policy,
    a_rule,
    a_service,
    a_wish,
    an_account,
    at,
    evidence,
    limits,
    steps,
)

BEN = a_person()


def judge(policy: Policy, wish: Wish, asker: Asker = BEN, known: Evidence | None = None, now: int = NOW) -> Decision:
    return decide(policy, asker, wish, known or evidence(), now)


def refusal(policy: Policy, wish: Wish, asker: Asker = BEN, known: Evidence | None = None, now: int = NOW) -> Denied:
    decision = judge(policy, wish, asker, known, now)
    assert isinstance(decision, Denied)
    assert decision.reasons
    return decision


def told(decision: Denied) -> str:
    return " ".join(f"{unmet.reason}: {unmet.sentence}" for unmet in decision.reasons)


def test_a_rule_without_approval_grants_at_once() -> None:
    rule = a_rule("dev")
    decision = judge(a_policy(rule), a_wish())
    assert isinstance(decision, Allowed)
    assert decision.rule is rule
    assert decision.terms.ttl_seconds == 30 * DAY
    assert decision.terms.max_ttl_seconds == 90 * DAY
    assert (decision.hits, decision.waived) == ((), ())


def test_a_rule_with_approval_steps_grants_once_they_are_met() -> None:
    decision = judge(a_policy(a_rule("dev", approval=steps(2))), a_wish())
    assert isinstance(decision, NeedsApproval)
    assert len(decision.rule.approval.steps) == 2


def test_of_several_rules_the_one_with_fewest_steps_counts_then_the_first_by_name() -> None:
    slow, quick_b, quick_a = a_rule("a", approval=steps(1)), a_rule("c"), a_rule("b")
    decision = judge(a_policy(slow, quick_b, quick_a), a_wish())
    assert isinstance(decision, Allowed)
    assert decision.rule.name == "b"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (a_wish(service="paiments"), "UNKNOWN_NAME: There is no service named paiments. Did you mean payments?"),
        (a_wish(service="zzz"), "There is no service named zzz. There is payments."),
        (a_wish(environment="prd"), "payments has no environment named prd. Did you mean prod?"),
        (a_wish(environment="lab"), "payments has no environment named lab. There is dev, prod and staging."),
        (a_wish("charge:read"), "payments has no scope named charge:read. Did you mean charges:read?"),
        (a_wish("a:b", "c:d"), "payments has no scopes named a:b and c:d. There is charges:read, charges:write,"),
        (a_wish("x" * 300), "…"),
        (replace(a_wish(), scopes=frozenset()), "BAD_REQUEST: Choose at least one scope."),
        (a_wish(ttl=0), "BAD_REQUEST: A key has to live longer than no time"),
        (a_wish(ttl=-1), "BAD_REQUEST"),
        (a_wish(cidrs=["10.0.0.1/8"]), "BAD_REQUEST: 10.0.0.1/8 has bits set behind its prefix"),
        (a_wish(cidrs=["10.0.0.0/8"] * 257), "You named 257 networks; name at most 256."),
    ],
)
def test_a_wish_that_cannot_be_read_is_refused_with_what_is_there(wish: Wish, words: str) -> None:
    decision = refusal(a_policy(a_rule("dev")), wish)
    assert words in told(decision)
    assert decision.nearest is None


def test_everything_that_cannot_be_read_is_told_at_once() -> None:
    wish = Wish("nope", "nowhere", frozenset(), ttl_seconds=0, cidrs=("x",))
    assert [unmet.reason for unmet in refusal(a_policy(), wish).reasons] == [
        Reason.UNKNOWN_NAME,
        Reason.UNKNOWN_NAME,
        Reason.BAD_REQUEST,
        Reason.BAD_REQUEST,
        Reason.BAD_REQUEST,
    ]


def test_without_services_there_is_nothing_to_suggest() -> None:
    policy = replace(a_policy(), services={})
    assert "There is no service named payments. There is none yet." in told(refusal(policy, a_wish()))


@pytest.mark.parametrize(
    ("asker", "words"),
    [
        (replace(BEN, active=False), "OWNER_INACTIVE: Only an active owner may hold keys; you are not active."),
        (replace(an_account(), active=False), "pay-ci is not active."),
        (replace(an_account(), id="robot", active=False), "robot is not active."),
    ],
)
def test_an_inactive_owner_gets_nothing(asker: Asker, words: str) -> None:
    assert words in told(refusal(a_policy(a_rule("dev")), a_wish(), asker))


@pytest.mark.parametrize(
    ("asker", "wish", "sentence"),
    [
        (a_person(teams=["analytics"]), a_wish(), "It is for the team payments; you are in analytics."),
        (a_person(teams=[]), a_wish(), "It is for the team payments; you are in no team."),
        (BEN, a_wish(), "It needs the role payments-oncall; you have no role."),
        (a_person(roles=["developer"]), a_wish(), "It needs the role payments-oncall; you have developer."),
        (an_account(), a_wish(), "It is for people only; pay-ci is a service account."),
        (BEN, a_wish(environment="prod"), "It covers dev and staging; you asked for prod."),
        (BEN, a_wish("refunds:write"), "It does not give refunds:write; it gives charges:read."),
    ],
)
def test_what_a_rule_misses_is_a_whole_plain_sentence(asker: Asker, wish: Wish, sentence: str) -> None:
    rule = a_rule("r", roles=["payments-oncall"], kinds=[OwnerKind.USER], environments=["dev", "staging"])
    nearest = refusal(a_policy(rule), wish, asker).nearest
    assert nearest is not None
    assert sentence in [unmet.sentence for unmet in nearest.unmet]


def test_a_person_is_told_that_a_rule_is_for_service_accounts() -> None:
    decision = refusal(a_policy(a_rule("r", kinds=[OwnerKind.SERVICE_ACCOUNT])), a_wish())
    expected = "RULE_OWNER_KIND: It is for service accounts only; you asked for a key of your own."
    assert told(decision) == expected


def test_the_source_is_that_of_the_very_field_or_of_what_is_written_around_it() -> None:
    field, around = at("rules/r.yaml", 7, 12), at("rules/r.yaml", 4, 3)
    marked = a_rule("r", marks={"spec.limits.max_ttl": field, "spec.limits": around})
    wish = a_wish(ttl=91 * DAY)
    assert refusal(a_policy(marked), wish).reasons[0].source == field
    assert refusal(a_policy(replace(marked, marks={"spec.limits": around})), wish).reasons[0].source == around
    assert refusal(a_policy(replace(marked, marks={})), wish).reasons[0].source == marked.source


def test_a_life_exactly_at_the_limit_is_allowed_and_a_second_more_is_refused_not_shortened() -> None:
    policy = a_policy(a_rule("r"))
    granted = judge(policy, a_wish(ttl=90 * DAY))
    assert isinstance(granted, Allowed)
    assert granted.terms.ttl_seconds == 90 * DAY
    words = told(refusal(policy, a_wish(ttl=90 * DAY + 1)))
    assert words == "LIMIT_TTL: At most 90 days are allowed; you asked for 90 days and 1 second."


def test_a_limit_of_one_day_is_said_in_the_singular() -> None:
    rule = a_rule("r", limits=replace(LIMITS, max_ttl_seconds=DAY, default_ttl_seconds=DAY))
    assert "At most 1 day is allowed; you asked for 2 days." in told(refusal(a_policy(rule), a_wish(ttl=2 * DAY)))


def test_the_owner_may_hold_as_many_keys_as_the_limit_says() -> None:
    policy = a_policy(a_rule("r"))
    assert isinstance(judge(policy, a_wish(), known=evidence(keys_held=2)), Allowed)
    words = told(refusal(policy, a_wish(), known=evidence(keys_held=3)))
    assert words == "LIMIT_KEYS: At most 3 keys for payments in dev; you hold 3. Revoke one first."
    assert "pay-ci holds 3." in told(refusal(policy, a_wish(), an_account(), evidence(keys_held=3)))


def test_networks_lie_inside_one_entry_of_the_same_family() -> None:
    policy = a_policy(a_rule("r", limits=limits(within=["10.20.0.0/16", "2001:db8:20::/48"])))
    granted = judge(policy, a_wish(cidrs=["10.20.255.0/24", "2001:db8:20:1::/64", "10.20.0.0/17"]))
    assert isinstance(granted, Allowed)
    assert [str(network) for network in granted.terms.cidrs] == ["10.20.0.0/17", "10.20.255.0/24", "2001:db8:20:1::/64"]
    words = told(refusal(policy, a_wish(cidrs=["10.20.0.0/15"])))
    assert words == "LIMIT_CIDR: Networks have to lie inside 10.20.0.0/16 or 2001:db8:20::/48; 10.20.0.0/15 does not."
    assert "10.21.0.0/16 and 2001:db8::/32 do not." in told(
        refusal(policy, a_wish(cidrs=["10.21.0.0/16", "2001:db8::/32"]))
    )


def test_networks_may_be_required_and_are_counted() -> None:
    required = a_policy(a_rule("r", limits=limits(within=["10.20.0.0/16"], required=True, entries_max=2)))
    words = "LIMIT_CIDR: Name at least one network the key is used from, inside 10.20.0.0/16."
    assert told(refusal(required, a_wish())) == words
    three = [f"10.20.{n}.0/24" for n in range(3)]
    assert "At most 2 networks may be named; you named 3." in told(refusal(required, a_wish(cidrs=three)))
    assert isinstance(judge(required, a_wish(cidrs=[*three[:2], three[0]])), Allowed)
    anywhere = a_policy(a_rule("r", limits=limits(required=True)))
    assert told(refusal(anywhere, a_wish())) == "LIMIT_CIDR: Name at least one network the key is used from."
    assert isinstance(judge(anywhere, a_wish(cidrs=["192.0.2.1"])), Allowed)


def test_everything_that_a_rule_misses_is_listed() -> None:
    condition = Condition("issuance.mfa", "equals", True, at("r.yaml", 3))  # noqa: FBT003 - The value compared with.
    rule = a_rule("r", roles=["oncall"], kinds=[OwnerKind.SERVICE_ACCOUNT], limits=limits(required=True))
    decision = refusal(
        a_policy(replace(rule, conditions=(condition,))), a_wish(ttl=91 * DAY), known=evidence(keys_held=9)
    )
    assert [unmet.reason for unmet in decision.reasons] == [
        Reason.RULE_ROLE,
        Reason.RULE_OWNER_KIND,
        Reason.LIMIT_TTL,
        Reason.LIMIT_KEYS,
        Reason.LIMIT_CIDR,
        Reason.FACT_UNKNOWN,
    ]


def test_a_service_without_rules_names_the_team_to_ask() -> None:
    decision = refusal(a_policy(), a_wish())
    assert told(decision) == "NO_RULE: No rule gives anybody a key for payments yet. Ask the team payments for one."
    assert (decision.nearest, decision.considered) == (None, ())
    nobodys = replace(a_service(), owner="")
    assert "Ask its owner for one." in told(refusal(a_policy(services=[nobodys]), a_wish()))


def test_the_nearest_rule_is_one_made_for_this_asker_and_target() -> None:
    elsewhere = a_rule("a-elsewhere", environments=["staging"])
    two_misses = a_rule("z-mine", limits=limits(required=True, within=["10.0.0.0/8"]))
    decision = refusal(a_policy(elsewhere, two_misses), a_wish(ttl=91 * DAY))
    assert [near.rule.name for near in decision.considered] == ["z-mine", "a-elsewhere"]
    assert decision.nearest == decision.considered[0]
    assert [unmet.reason for unmet in decision.reasons] == [Reason.LIMIT_TTL, Reason.LIMIT_CIDR]


def test_a_rule_for_a_role_alone_is_not_nearer_than_one_for_the_askers_team() -> None:
    for_role = a_rule("a-role", teams=[], roles=["auditor"])
    for_team = a_rule("z-team", limits=limits(required=True))
    nearest = refusal(a_policy(for_role, for_team), a_wish(ttl=91 * DAY)).nearest
    assert nearest is not None
    assert nearest.rule.name == "z-team"


def test_of_rules_for_others_the_one_that_misses_least_is_nearest_then_by_scopes_then_by_name() -> None:
    one = a_rule("z-one", teams=["analytics"], scopes=["charges:read", "charges:write"])
    fewer = a_rule("b-fewer", teams=["analytics"], scopes=["charges:read"])
    same = a_rule("a-same", teams=["analytics"], scopes=["charges:read"])
    decision = refusal(a_policy(fewer, same, one), a_wish("charges:read", "charges:write"))
    assert [near.rule.name for near in decision.considered] == ["z-one", "a-same", "b-fewer"]
    expected = "NO_RULE: No rule gives you charges:read and charges:write on payments in dev. The nearest is z-one."
    assert told(decision) == expected


def test_a_wish_that_needs_two_rules_is_refused_and_both_are_named() -> None:
    reads, refunds = a_rule("reads"), a_rule("refunds", scopes=["refunds:write"], approval=steps(1))
    decision = refusal(a_policy(reads, refunds), a_wish("charges:read", "refunds:write"))
    assert told(decision) == (
        "NO_RULE: No one rule gives all of this on payments in dev: charges:read by the rule reads "
        "and refunds:write by the rule refunds. Ask for 2 keys."
    )


def test_rules_that_would_refuse_on_their_own_are_not_offered_as_a_way_round() -> None:
    reads, refunds = a_rule("reads"), a_rule("refunds", scopes=["refunds:write"], roles=["oncall"])
    words = told(refusal(a_policy(reads, refunds), a_wish("charges:read", "refunds:write")))
    assert "Ask for 2 keys" not in words
    assert "The nearest is reads." in words


def test_two_rules_never_add_up_their_limits() -> None:
    long_one = a_rule("long", scopes=["charges:read"], limits=replace(LIMITS, max_ttl_seconds=200 * DAY))
    wide_one = a_rule("wide", scopes=["charges:read", "refunds:write"])
    decision = refusal(a_policy(long_one, wide_one), a_wish("charges:read", "refunds:write", ttl=100 * DAY))
    assert decision.reasons[0].reason is Reason.LIMIT_TTL


def test_long_lists_in_sentences_are_cut_with_the_number_left_out() -> None:
    names = {f"s{n}:read": Risk.LOW for n in range(12)}
    service = a_service(scopes={**names, "x:y": Risk.LOW})
    decision = refusal(a_policy(a_rule("r", scopes=names), services=[service]), a_wish("x:y"))
    assert decision.nearest is not None
    sentence = decision.nearest.unmet[0].sentence
    assert sentence.endswith("s3:read, s4:read and 5 more.")


def test_terms_carry_the_ceilings_of_guardrails_as_well() -> None:
    tight = a_guardrail("tight", max_ttl=7 * DAY, rotate_every=3 * DAY, max_keys=1)
    decision = judge(a_policy(a_rule("r"), guardrails=[tight]), a_wish())
    assert isinstance(decision, Allowed)
    assert decision.terms.ttl_seconds == decision.terms.max_ttl_seconds == 7 * DAY
    assert decision.terms.limits.rotate_every_seconds == 3 * DAY
    assert decision.terms.limits.max_keys_per_owner == 1
    unrotated = a_rule("r", limits=replace(LIMITS, rotate_every_seconds=None))
    plain = judge(a_policy(unrotated), a_wish())
    assert isinstance(plain, Allowed)
    assert plain.terms.limits.rotate_every_seconds is None


def test_the_default_life_counts_where_a_condition_asks_for_the_life() -> None:
    short = a_rule("r", conditions=[Condition("key.ttl", "at_most", 10 * DAY, at("r.yaml", 3))])
    assert refusal(a_policy(short), a_wish()).reasons[0].reason is Reason.FACT_MISMATCH
    assert isinstance(judge(a_policy(short), a_wish(ttl=10 * DAY)), Allowed)


def test_a_guardrail_that_shortens_the_default_never_makes_a_rule_accept() -> None:
    ceiling = a_guardrail("short", max_ttl=10 * DAY)
    short = a_rule("r", conditions=[Condition("key.ttl", "at_most", 10 * DAY, at("r.yaml", 3))])
    assert refusal(a_policy(short, guardrails=[ceiling]), a_wish()).reasons[0].reason is Reason.FACT_MISMATCH
    long = a_rule("r", conditions=[Condition("key.ttl", "at_least", 20 * DAY, at("r.yaml", 3))])
    assert isinstance(judge(a_policy(long), a_wish()), Allowed)
    words = told(refusal(a_policy(long, guardrails=[ceiling]), a_wish()))
    assert words == "FACT_MISMATCH: The lifetime has to be at least 20 days; it is 10 days."


def test_networks_are_kept_in_one_order_without_repeats() -> None:
    decision = judge(a_policy(a_rule("r")), a_wish(cidrs=["192.0.2.0/24", "10.0.0.0/8", "192.0.2.0/24"]))
    assert isinstance(decision, Allowed)
    assert decision.terms.cidrs == (ip_network("10.0.0.0/8"), ip_network("192.0.2.0/24"))
