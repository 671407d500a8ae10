"""What holds for every policy and wish: rules only widen, guardrails only narrow, order means nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from keymgr.policy.decide import decide
from keymgr.policy.decision import Decision, Denied
from keymgr.policy.explain import explain
from keymgr.policy.model import (
    Asker,
    Condition,
    Enforcement,
    Evidence,
    FactValue,
    Guardrail,
    OwnerKind,
    Policy,
    Risk,
    Rule,
    Tier,
    Wish,
)
from tests.policy.builders import DAY, LIMITS, NOW, SCOPES, a_guardrail, a_policy, a_rule, a_waiver, at, limits, steps

ENVIRONMENTS = ["dev", "staging", "prod"]
TEAMS = ["payments", "analytics"]
ROLES = ["developer", "oncall"]
NETWORKS = ["10.20.0.0/16", "10.20.4.0/24", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32"]

# Other work on the machine must not fail a property; the suite has its own limit.
unhurried = settings(deadline=None)

some_scopes = st.frozensets(st.sampled_from(sorted(SCOPES)), min_size=1)
some_environments = st.frozensets(st.sampled_from(ENVIRONMENTS), min_size=1)
some_kinds = st.frozensets(st.sampled_from(OwnerKind), min_size=1)
ttls = st.integers(1, 100).map(lambda days: days * DAY)
conditions = st.sampled_from(
    [
        Condition("issuance.mfa", "equals", True, at("r.yaml", 1)),  # noqa: FBT003 - The value compared with.
        Condition("scope.risk", "at_most", "high", at("r.yaml", 2)),
        Condition("environment.tier", "equals", "nonprod", at("r.yaml", 3)),
        Condition("key.ttl", "at_most", 40 * DAY, at("r.yaml", 4)),
    ]
)


@st.composite
def rules(draw: st.DrawFn, name: str) -> Rule:
    most = draw(ttls)
    bounds = draw(st.sampled_from([LIMITS, limits(within=["10.20.0.0/16"]), limits(required=True, entries_max=1)]))
    return a_rule(
        name,
        teams=draw(st.frozensets(st.sampled_from(TEAMS))),
        roles=draw(st.frozensets(st.sampled_from(ROLES))),
        kinds=draw(some_kinds),
        environments=draw(some_environments),
        scopes=draw(some_scopes),
        limits=replace(bounds, max_ttl_seconds=most, default_ttl_seconds=min(most, draw(ttls))),
        approval=steps(draw(st.integers(0, 2))),
        conditions=draw(st.lists(conditions, max_size=2)),
    )


@st.composite
def guardrails(draw: st.DrawFn, name: str) -> Guardrail:
    return a_guardrail(
        name,
        enforcement=draw(st.sampled_from(Enforcement)),
        environments=draw(st.frozensets(st.sampled_from(ENVIRONMENTS))),
        tiers=draw(st.frozensets(st.sampled_from(Tier))),
        kinds=draw(st.frozensets(st.sampled_from(OwnerKind))),
        risks=draw(st.frozensets(st.sampled_from(Risk))),
        max_ttl=draw(st.none() | ttls),
        max_keys=draw(st.none() | st.integers(1, 3)),
        cidrs_required=draw(st.booleans()),
        steps_min=draw(st.integers(0, 2)),
        forbidden=draw(st.sampled_from([[], ["0.0.0.0/0"]])),
        deny=draw(st.none() | st.just("no")),
        waivable=draw(st.booleans()),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    made = [draw(rules(f"rule-{n}")) for n in range(draw(st.integers(0, 4)))]
    walls = [draw(guardrails(f"wall-{n}")) for n in range(draw(st.integers(0, 2)))]
    return a_policy(*made, guardrails=walls, waivers=draw(st.sampled_from([[], [a_waiver("wall-0")]])))


wishes = st.builds(
    Wish,
    st.just("payments"),
    st.sampled_from(ENVIRONMENTS),
    some_scopes,
    st.none() | ttls,
    st.lists(st.sampled_from(NETWORKS), max_size=3).map(tuple),
)
askers = st.builds(
    Asker,
    st.sampled_from(["user:ben", "svc:pay-ci"]),
    st.sampled_from(OwnerKind),
    st.frozensets(st.sampled_from(TEAMS)),
    st.frozensets(st.sampled_from(ROLES)),
)
known: st.SearchStrategy[Mapping[str, FactValue]] = st.sampled_from([{}, {"issuance.mfa": True}])
evidences = st.builds(Evidence, known, st.integers(0, 4))


@dataclass(frozen=True)
class Situation:
    """Somebody asks for something under some policy."""

    policy: Policy
    asker: Asker
    wish: Wish
    evidence: Evidence

    @property
    def decision(self) -> Decision:
        return decide(self.policy, self.asker, self.wish, self.evidence, NOW)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Draw a policy and, more often than chance would, a wish that one of its rules was made for."""
    policy, asker, wish = draw(policies()), draw(askers), draw(wishes)
    meant = draw(st.integers(0, 3)) > 0
    if policy.rules and meant:
        rule = draw(st.sampled_from(sorted(policy.rules.values(), key=lambda rule: rule.name)))
        networks = [str(network) for network in rule.limits.cidrs.within or ()] or ["10.20.4.0/24"]
        wish = Wish(
            "payments",
            draw(st.sampled_from(sorted(rule.environments))),
            draw(st.frozensets(st.sampled_from(sorted(rule.scopes)), min_size=1)),
            draw(st.sampled_from([None, rule.limits.max_ttl_seconds, DAY])),
            tuple(networks) if rule.limits.cidrs.required else draw(st.sampled_from([(), tuple(networks)])),
        )
        kind = draw(st.sampled_from(sorted(rule.owner_kinds)))
        asker = Asker(asker.id, kind, rule.teams or asker.teams, rule.roles or asker.roles)
    return Situation(policy, asker, wish, draw(evidences))


def grants(decision: Decision) -> bool:
    return not isinstance(decision, Denied)


def with_rule(policy: Policy, rule: Rule) -> Policy:
    return a_policy(
        *policy.rules.values(), rule, guardrails=policy.guardrails.values(), waivers=policy.waivers.values()
    )


def with_guardrail(policy: Policy, guardrail: Guardrail) -> Policy:
    return replace(policy, guardrails={**policy.guardrails, guardrail.name: guardrail})


@unhurried
@given(situations(), rules("rule-new"))
def test_a_new_rule_never_takes_a_grant_away(asked: Situation, rule: Rule) -> None:
    if grants(asked.decision):
        assert grants(replace(asked, policy=with_rule(asked.policy, rule)).decision)


@unhurried
@given(situations(), guardrails("wall-new"))
def test_a_new_guardrail_never_adds_a_grant(asked: Situation, guardrail: Guardrail) -> None:
    if grants(replace(asked, policy=with_guardrail(asked.policy, guardrail)).decision):
        assert grants(asked.decision)


@unhurried
@given(situations(), st.randoms(use_true_random=False))
def test_order_never_changes_a_decision(asked: Situation, shuffle: Random) -> None:
    policy = asked.policy
    mixed_rules, mixed_walls = list(policy.rules.values()), list(policy.guardrails.values())
    networks = list(asked.wish.cidrs)
    shuffle.shuffle(mixed_rules)
    shuffle.shuffle(mixed_walls)
    shuffle.shuffle(networks)
    mixed = a_policy(*mixed_rules, guardrails=mixed_walls, waivers=policy.waivers.values())
    other = replace(asked, policy=mixed, wish=replace(asked.wish, cidrs=tuple(networks)))
    assert other.decision == asked.decision


@unhurried
@given(situations())
def test_a_grant_keeps_every_limit_of_its_rule_and_of_every_enforced_guardrail(asked: Situation) -> None:
    decision = asked.decision
    if isinstance(decision, Denied):
        assert decision.reasons
        return
    assert decision.terms.ttl_seconds <= decision.terms.max_ttl_seconds <= decision.rule.limits.max_ttl_seconds
    assert asked.wish.scopes <= decision.rule.scopes
    assert all(hit.enforcement is not Enforcement.ENFORCE for hit in decision.hits)


@unhurried
@given(situations())
def test_less_evidence_never_helps(asked: Situation) -> None:
    if grants(replace(asked, evidence=replace(asked.evidence, facts={})).decision):
        assert grants(asked.decision)


@unhurried
@given(situations())
def test_every_scope_has_a_line_and_a_granted_whole_has_only_granted_lines(asked: Situation) -> None:
    explained = explain(asked.policy, asked.asker, asked.wish, asked.evidence, NOW)
    assert {line.scope for line in explained.lines} == asked.wish.scopes
    if grants(explained.whole):
        assert all(grants(line.decision) for line in explained.lines)
