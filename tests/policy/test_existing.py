"""How live keys stand against a policy that may have changed under them."""

from dataclasses import replace

from keymgr.policy.decision import Reason
from keymgr.policy.existing import LiveKey, Standing, Verdict, standing_of
from keymgr.policy.model import Condition, Enforcement, ExistingKeys, Policy, ViolationAction
from tests.policy.builders import (
    DAY,
    LIMITS,
    NOW,
    a_guardrail,
    a_person,
    a_policy,
    a_rule,
    a_waiver,
    at,
    limits,
    steps,
)

SUSPEND = ExistingKeys(ViolationAction.SUSPEND, 3 * DAY)
REVOKE = ExistingKeys(ViolationAction.REVOKE, DAY)
KEY = LiveKey(
    asker=a_person(),
    service="payments",
    environment="dev",
    scopes=frozenset({"charges:read"}),
    cidrs=(),
    issued_at=NOW - 10 * DAY,
    expires_at=NOW + 20 * DAY,
    facts={},
    rule="own",
)
SHORT = replace(LIMITS, max_ttl_seconds=7 * DAY)
OWN = a_rule("own", existing_keys=SUSPEND)


def standing(policy: Policy, key: LiveKey = KEY) -> Standing:
    return standing_of(policy, key, NOW)


def reasons(found: Standing) -> list[Reason]:
    return [unmet.reason for unmet in found.reasons]


def test_a_key_that_its_own_rule_still_accepts_is_ok_even_if_another_would_come_first() -> None:
    found = standing(a_policy(OWN, a_rule("another")))
    assert (found.verdict, found.rule, found.action, found.reasons) == (Verdict.OK, "own", None, ())


def test_a_key_that_only_another_rule_accepts_is_ok_by_that_rule() -> None:
    found = standing(a_policy(replace(OWN, limits=SHORT), a_rule("another")))
    assert (found.verdict, found.rule) == (Verdict.OK_BY_ANOTHER_RULE, "another")


def test_a_key_whose_rule_is_not_known_is_ok_by_the_first_that_accepts() -> None:
    found = standing(a_policy(OWN), replace(KEY, rule=None))
    assert (found.verdict, found.rule) == (Verdict.OK, "own")


def test_a_stricter_approval_policy_breaks_no_live_key() -> None:
    assert standing(a_policy(replace(OWN, approval=steps(3)))).verdict is Verdict.OK
    demanding = a_guardrail("two", steps_min=2)
    assert standing(a_policy(OWN, guardrails=[demanding])).verdict is Verdict.OK


def test_the_number_of_keys_is_no_fault_of_one_that_lives() -> None:
    assert standing(a_policy(replace(OWN, limits=replace(LIMITS, max_keys_per_owner=0)))).verdict is Verdict.VIOLATES
    assert standing(a_policy(OWN)).verdict is Verdict.OK


def test_what_its_own_rule_says_follows_when_a_key_no_longer_fits() -> None:
    found = standing(a_policy(replace(OWN, limits=SHORT)))
    assert (found.verdict, reasons(found)) == (Verdict.VIOLATES, [Reason.LIMIT_TTL])
    assert (found.action, found.grace_seconds) == (ViolationAction.SUSPEND, 3 * DAY)
    assert found.nearest is not None


def test_the_rule_that_it_misses_says_what_follows_when_its_own_is_not_known() -> None:
    found = standing(a_policy(replace(OWN, limits=SHORT)), replace(KEY, rule=None))
    assert found.action is ViolationAction.SUSPEND


def test_the_sets_default_follows_when_no_rule_speaks_of_the_key() -> None:
    policy = replace(a_policy(a_rule("elsewhere", environments=["prod"])), existing_keys=REVOKE)
    found = standing(policy)
    assert (reasons(found), found.action, found.grace_seconds) == ([Reason.NO_RULE], ViolationAction.REVOKE, DAY)
    assert standing(replace(a_policy(), existing_keys=REVOKE)).nearest is None


def test_without_a_word_a_live_key_is_only_flagged() -> None:
    found = standing(a_policy())
    assert (found.action, found.grace_seconds) == (ViolationAction.FLAG, 14 * DAY)


def test_a_key_for_a_service_that_is_gone_violates() -> None:
    found = standing(a_policy(OWN), replace(KEY, service="gone"))
    assert (found.verdict, reasons(found), found.action) == (
        Verdict.VIOLATES,
        [Reason.UNKNOWN_NAME],
        ViolationAction.SUSPEND,
    )


def test_an_owner_who_is_not_active_holds_no_good_key() -> None:
    found = standing(a_policy(OWN), replace(KEY, asker=replace(KEY.asker, active=False)))
    assert (found.verdict, reasons(found)) == (Verdict.VIOLATES, [Reason.OWNER_INACTIVE])


def test_evidence_that_was_never_recorded_is_unknown_and_only_flags() -> None:
    second_factor = Condition("issuance.mfa", "equals", True, at("r.yaml", 5))  # noqa: FBT003 - The value compared with.
    policy = a_policy(replace(OWN, conditions=(second_factor,)), a_rule("z-other", limits=SHORT))
    found = standing(policy)
    assert (found.verdict, reasons(found)) == (Verdict.UNKNOWN, [Reason.FACT_UNKNOWN])
    assert (found.action, found.grace_seconds) == (ViolationAction.FLAG, 3 * DAY)
    assert standing(policy, replace(KEY, facts={"issuance.mfa": True})).verdict is Verdict.OK
    assert standing(policy, replace(KEY, facts={"issuance.mfa": False})).verdict is Verdict.VIOLATES


def test_age_and_last_use_are_looked_up_again() -> None:
    fresh = Condition("key.age", "at_most", 5 * DAY, at("r.yaml", 5))
    used = Condition("key.last_used_days", "at_most", 7, at("r.yaml", 6))
    assert standing(a_policy(replace(OWN, conditions=(fresh,)))).verdict is Verdict.VIOLATES
    by_use = a_policy(replace(OWN, conditions=(used,)))
    assert standing(by_use).verdict is Verdict.VIOLATES
    assert standing(by_use, replace(KEY, last_used_at=NOW - DAY)).verdict is Verdict.OK


def test_a_guardrail_says_what_follows_and_of_several_the_strictest() -> None:
    mild = a_guardrail("a-mild", deny="x", existing_keys=SUSPEND)
    harsh = a_guardrail("b-harsh", deny="x", existing_keys=REVOKE)
    watching = a_guardrail("c-watching", deny="x", enforcement=Enforcement.AUDIT)
    found = standing(a_policy(OWN, guardrails=[mild, harsh, watching]))
    assert (found.verdict, reasons(found)) == (Verdict.VIOLATES, [Reason.GUARDRAIL_DENY, Reason.GUARDRAIL_DENY])
    assert (found.action, found.grace_seconds) == (ViolationAction.REVOKE, DAY)
    assert len(found.hits) == 3


def test_a_key_is_exempt_while_a_waiver_lasts_and_violates_after() -> None:
    wall = a_guardrail("wall", deny="x", waivable=True)
    also = a_guardrail("also", deny="x", waivable=True)
    waivers = [a_waiver("wall", expires_at=NOW + DAY), a_waiver("also", expires_at=NOW + 2 * DAY, name="longer")]
    policy = a_policy(OWN, guardrails=[wall, also], waivers=waivers)
    found = standing(policy)
    assert (found.verdict, found.rule, found.exempt_until) == (Verdict.EXEMPT, "own", NOW + DAY)
    assert standing_of(policy, KEY, NOW + DAY).verdict is Verdict.VIOLATES


def test_networks_outside_a_narrowed_rule_violate() -> None:
    narrowed = a_policy(replace(OWN, limits=limits(within=["10.20.0.0/16"])))
    found = standing(narrowed, replace(KEY, cidrs=("2001:db8:20:1::/64",)))
    assert reasons(found) == [Reason.LIMIT_CIDR]
