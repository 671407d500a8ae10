"""Invariants: what must hold for everybody, checked against all that the rules can grant."""

from dataclasses import replace

from keymgr.policy.invariants import Invariant, breaches
from keymgr.policy.model import Enforcement, OwnerKind, Policy, Risk, Role, Team, Tier
from keymgr.policy.testing import run_tests
from tests.policy.builders import NOW, a_guardrail, a_policy, a_rule, a_waiver, at
from tests.policy.folders import documents_in, policy_of
from tests.policy.test_testing import HEAD, RULES

REFUNDS = Invariant("payments", ("refunds:write",), ("dev", "prod"), teams=frozenset({"payments"}))
REFUND_RULE = a_rule("refunds", scopes=["charges:read", "refunds:write"])


def role(name: str, *, teams: set[str] = frozenset(), members: set[str] = frozenset(), groups: int = 0) -> Role:  # type: ignore[assignment] # An empty set.
    bound = frozenset(f"group-{n}" for n in range(groups))
    return Role(name, name, frozenset(members), frozenset(teams), bound, frozenset(), at("roles.yaml", 1))


def with_roles(policy: Policy, *roles: Role) -> Policy:
    source = at("teams.yaml", 1)
    payments = Team("payments", "payments", frozenset({"ben", "cleo"}), frozenset(), source)
    return replace(policy, roles={each.name: each for each in roles}, teams={**policy.teams, "payments": payments})


def test_rules_for_the_named_team_alone_keep_it() -> None:
    elsewhere = a_rule("reads", teams=["analytics"])
    assert breaches(a_policy(REFUND_RULE, elsewhere), REFUNDS, NOW) == ()


def test_each_way_in_for_somebody_else_is_told_with_its_place() -> None:
    wide = a_rule("wide", teams=["payments", "analytics"], scopes=["refunds:write"])
    wide_lets = "The rule wide (rules/wide.yaml:1:1) lets"
    assert breaches(a_policy(wide), REFUNDS, NOW) == (
        f"{wide_lets} service accounts in the team analytics hold refunds:write on payments in dev.",
        f"{wide_lets} people in the team analytics hold refunds:write on payments in dev.",
    )


def test_kinds_of_owner_and_roles_may_be_named() -> None:
    machines = replace(REFUNDS, owner_kinds=frozenset({OwnerKind.SERVICE_ACCOUNT}))
    (sentence,) = breaches(a_policy(REFUND_RULE), machines, NOW)
    assert "lets people in the team payments hold" in sentence
    on_call = with_roles(a_policy(a_rule("r", roles=["oncall"], scopes=["refunds:write"])), role("oncall"))
    by_role = Invariant("payments", ("refunds:write",), ("dev",), roles=frozenset({"oncall"}))
    assert breaches(on_call, by_role, NOW) == ()
    assert "with no role" not in " ".join(breaches(with_roles(a_policy(REFUND_RULE), role("oncall")), by_role, NOW))


def test_nobody_named_means_nobody() -> None:
    nobody = Invariant("payments", ("refunds:write",), ("dev",))
    assert len(breaches(a_policy(REFUND_RULE), nobody, NOW)) == 2
    assert breaches(a_policy(a_rule("reads")), nobody, NOW) == ()


def test_a_role_counts_for_a_team_only_when_everybody_with_it_is_in_the_team() -> None:
    rule = a_rule("by-role", teams=[], roles=["lead"], scopes=["refunds:write"])

    def holds(lead: Role) -> bool:
        return breaches(with_roles(a_policy(rule), lead), REFUNDS, NOW) == ()

    assert holds(role("lead", members={"cleo"}))
    assert holds(role("lead", teams={"payments"}))
    assert not holds(role("lead", members={"cleo", "dana"}))
    assert not holds(role("lead", teams={"payments", "analytics"}))
    assert not holds(role("lead", members={"cleo"}, groups=1))


def test_a_denial_that_is_enforced_is_a_wall() -> None:
    wide = a_rule("wide", teams=["analytics"], scopes=["refunds:write"])

    def walled(**selectors: object) -> bool:
        wall = a_guardrail("wall", **selectors)  # type: ignore[arg-type] # Only the guardrail's own fields.
        return breaches(a_policy(wide, guardrails=[wall]), REFUNDS, NOW) == ()

    assert walled(deny="x")
    assert walled(deny="x", risks=[Risk.CRITICAL], tiers=[Tier.NONPROD], teams=["analytics"])
    assert not walled(max_ttl=1)
    assert not walled(deny="x", enforcement=Enforcement.WARN)
    assert not walled(deny="x", risks=[Risk.LOW])
    assert not walled(deny="x", teams=["security"])
    assert not walled(deny="x", kinds=[OwnerKind.USER])


def test_a_waiver_opens_the_wall_until_it_ends() -> None:
    wide = a_rule("wide", teams=["analytics"], scopes=["refunds:write"])
    wall = a_guardrail("wall", deny="x", waivable=True)
    policy = a_policy(wide, guardrails=[wall], waivers=[a_waiver("wall", owner="dana")])
    assert breaches(policy, REFUNDS, NOW)
    assert breaches(policy, REFUNDS, NOW + 10**7) == ()


INVARIANTS = """
  invariants:
    - name: refunds stay with machines of payments
      service: payments-api
      scopes: ["refunds:write"]
      environments: [prod]
      only: {teams: [payments], owner_kinds: [service_account]}
    - name: nobody writes charges
      service: payments-api
      scopes: ["charges:write"]
      environments: [prod]
"""


def test_invariants_are_results_like_cases() -> None:
    documents = (*RULES, *documents_in({"tests/sample.yaml": HEAD + INVARIANTS}))
    held, broken = run_tests(documents, policy_of(documents)).results
    assert held.passed
    assert broken.name == "nobody writes charges"
    assert "lets service accounts in the team payments hold charges:write on payments-api in prod." in broken.message
