"""The matrix says what `decide` says, cell by cell, and who-can says what the matrix says."""

from dataclasses import replace
from ipaddress import ip_network
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.policy.asking import Asker, Evidence, FactValue, Wish
from keymgr.policy.capability import Capability, Cell, Subject
from keymgr.policy.decide import decide
from keymgr.policy.decision import Denied
from keymgr.policy.granting import Network
from keymgr.policy.matrix import Matrix, matrix
from keymgr.policy.matrix_networks import free_host
from keymgr.policy.matrix_subjects import named_people
from keymgr.policy.matrix_texts import samples
from keymgr.policy.model import Condition, Enforcement, OwnerKind, Policy, Risk, Role, Rule
from keymgr.policy.networks import inside, overlaps
from keymgr.policy.patterns import fits
from keymgr.policy.who_can import Holder, who_can
from tests.policy.builders import (
    DAY,
    LIMITS,
    NOW,
    SCOPES,
    a_guardrail,
    a_policy,
    a_rule,
    a_service,
    a_waiver,
    at,
    limits,
    steps,
)
from tests.policy.folders import ROOT, documents_of, policy_of
from tests.policy.test_decide_properties import ENVIRONMENTS, Situation, policies, situations, unhurried

EXAMPLE = ROOT / "tests" / "policy" / "example"
PAYMENTS = Subject(frozenset({"payments"}), frozenset())
CELL = Cell(PAYMENTS, OwnerKind.USER, "payments", "dev", "charges:read")


def condition(fact: str, operator: str, value: FactValue) -> Condition:
    return Condition(fact, operator, value, at("r.yaml", 1))


def capability(*rules: Rule, cell: Cell = CELL, **parts: object) -> Capability | None:
    return matrix(a_policy(*rules, **parts), NOW).cells.get(cell)  # type: ignore[arg-type] # Passed through.


def with_conditions(*conditions: Condition) -> Capability | None:
    return capability(a_rule("r", conditions=conditions))


def answers(found: Matrix, cell: Cell, *, ttl_seconds: int, way: int = 0) -> bool:
    """Tell whether `decide` grants the wish that the matrix offers, with another lifetime."""
    used = found.cells[cell].ways[way]
    wish = replace(used.wish(cell), ttl_seconds=ttl_seconds)
    return not isinstance(
        decide(found.policy, cell.subject.asker(cell.kind, found.policy), wish, used.evidence, NOW), Denied
    )


@unhurried
@given(policies())
def test_every_cell_of_the_matrix_is_granted_by_the_rule_it_names(policy: Policy) -> None:
    found = matrix(policy, NOW)
    for cell, held in found.cells.items():
        for way in held.ways:
            asker = cell.subject.asker(cell.kind, policy)
            decision = decide(policy, asker, way.wish(cell), way.evidence, NOW)
            assert not isinstance(decision, Denied)
            assert len(decision.rule.approval.steps) <= way.steps
            if decision.rule.name == way.rule.name:
                assert decision.terms.limits.max_keys_per_owner == way.limits.max_keys_per_owner
        longest = max(way.limits.max_ttl_seconds for way in held.ways)
        for number in range(len(held.ways)):
            assert not answers(found, cell, ttl_seconds=longest + 1, way=number)


@unhurried
@given(situations())
def test_whatever_is_granted_to_anybody_is_in_the_matrix_for_part_of_what_they_are(asked: Situation) -> None:
    kind = OwnerKind.USER if asked.asker.id.startswith("user:") else OwnerKind.SERVICE_ACCOUNT
    asker = replace(asked.asker, kind=kind)
    held = matrix(asked.policy, NOW).cells
    for scope in asked.wish.scopes:
        wish = replace(asked.wish, scopes=frozenset({scope}))
        decision = decide(asked.policy, asker, wish, asked.evidence, NOW)
        if isinstance(decision, Denied):
            continue
        whole = Subject(asker.teams, asker.roles, asker.id)
        ways = [
            way
            for cell, capability in held.items()
            if (cell.kind, cell.environment, cell.scope) == (kind, wish.environment, scope)
            and whole.includes(cell.subject)
            for way in capability.ways
        ]
        mine = [way for way in ways if way.rule.name == decision.rule.name]
        assert mine
        assert any(decision.terms.ttl_seconds <= way.limits.max_ttl_seconds for way in mine)


@unhurried
@given(policies())
def test_who_can_says_what_the_matrix_says(policy: Policy) -> None:
    held = matrix(policy, NOW).cells
    for scope, environment in product([None, *SCOPES], [None, *ENVIRONMENTS]):
        holders = who_can(policy, "payments", scope, environment, now=NOW)
        assert isinstance(holders, tuple)
        told = [cell for holder in holders for cell in cells_of(holder)]
        assert len(told) == len(set(told))
        assert set(told) == {
            cell for cell in held if scope in (None, cell.scope) and environment in (None, cell.environment)
        }


def cells_of(holder: Holder) -> list[Cell]:
    return [
        Cell(holder.subject, holder.kind, "payments", environment, scope)
        for scope, environment in product(holder.scopes, holder.environments)
    ]


def test_the_example_has_22_cells_before_and_20_after() -> None:
    before, after = (matrix(policy_of(documents_of(EXAMPLE / name)), NOW) for name in ("base", "pull-request"))
    assert (len(before.cells), len(after.cells), len(before.cells.keys() | after.cells.keys())) == (22, 20, 24)


def test_a_cell_has_its_limits_after_guardrails() -> None:
    rule = a_rule("r", limits=limits(within=["10.20.0.0/16"]), approval=steps(2))
    wall = a_guardrail("wall", max_ttl=7 * DAY, max_keys=1, cidrs_required=True, forbidden=["10.20.0.1/32"])
    held = capability(rule, guardrails=[wall])
    assert held is not None
    way = held.deciding
    assert held.needs_approval
    assert (way.steps, way.limits.max_ttl_seconds, way.limits.max_keys_per_owner) == (2, 7 * DAY, 1)
    assert (way.limits.cidrs.required, way.cidrs) == (True, ("10.20.0.0/32",))
    assert way.forbidden_cidrs == (ip_network("10.20.0.1/32"),)


def test_a_guardrail_that_denies_or_leaves_no_network_leaves_no_cell() -> None:
    assert capability(a_rule("r"), guardrails=[a_guardrail("wall", deny="no", scopes=["charges:read"])]) is None
    one = a_rule("r", limits=limits(required=True, within=["10.20.0.1/32"]))
    assert capability(one, guardrails=[a_guardrail("wall", forbidden=["10.20.0.1/32"])]) is None
    assert capability(a_rule("r"), guardrails=[a_guardrail("wall", steps_min=1)]) is None
    other = a_guardrail("wall", deny="no", scopes=["refunds:write"], enforcement=Enforcement.WARN)
    assert capability(a_rule("r"), guardrails=[other]) is not None


def test_names_that_nobody_declares_hold_nothing() -> None:
    assert capability(a_rule("r", service="gone")) is None
    assert capability(a_rule("r", environments=["lab"]), cell=replace(CELL, environment="lab")) is None
    assert capability(a_rule("r", scopes=["gone:read"]), cell=replace(CELL, scope="gone:read")) is None
    nowhere = a_policy(a_rule("r", environments=["moon"]), services=[replace(a_service(), environments=("moon",))])
    assert matrix(nowhere, NOW).cells == {}


def test_of_two_rules_both_are_ways_and_fewest_steps_decide() -> None:
    long = a_rule("a-long", approval=steps(1))
    short = a_rule("b-short", limits=replace(LIMITS, max_ttl_seconds=DAY, default_ttl_seconds=DAY))
    held = capability(long, short)
    assert held is not None
    assert [(way.rule.name, way.limits.max_ttl_seconds) for way in held.ways] == [
        ("b-short", DAY),
        ("a-long", 90 * DAY),
    ]
    assert held.deciding.wish(CELL).ttl_seconds == DAY
    assert held.deciding.wish(CELL, 60).ttl_seconds == 60


@pytest.mark.parametrize(
    ("asked", "facts"),
    [
        ([condition("issuance.mfa", "equals", True)], {"issuance.mfa": True}),  # noqa: FBT003 - The value.
        ([condition("issuance.mfa", "equals", False)], {"issuance.mfa": False}),  # noqa: FBT003 - The value.
        ([condition("issuance.source_ip", "in", ("10.0.0.0/8",))], {"issuance.source_ip": "10.0.0.1"}),
        ([condition("issuance.source_ip", "not_in", ("192.0.2.0/25",))], {"issuance.source_ip": "192.0.2.129"}),
        ([condition("issuance.ticket", "matches", "^(INC|CHG)-[0-9]+$")], {"issuance.ticket": "INC-0"}),
        ([condition("issuance.reason", "equals", "audit")], {"issuance.reason": "audit"}),
        ([condition("issuance.reason", "in", ("a", "b"))], {"issuance.reason": "a"}),
        ([condition("issuance.reason", "not_in", ("CHG-1",))], {"issuance.reason": "for the example"}),
        (
            [condition("issuance.reason", "not_in", ("CHG-1", "for the example", "example"))],
            {"issuance.reason": "for the example1"},
        ),
        (
            [condition("issuance.ticket", "matches", "[AB]-1"), condition("issuance.ticket", "not_in", ("A-1",))],
            {"issuance.ticket": "B-1"},
        ),
        (
            [
                condition("issuance.approvers", "in", ("ana", "ben")),
                condition("issuance.approvers", "not_in", ("ana",)),
            ],
            {"issuance.approvers": ("ben",)},
        ),
        ([condition("issuance.approvers", "not_in", ("ana",))], {"issuance.approvers": ("ana1",)}),
        ([condition("owner.kind", "equals", "user"), condition("owner.status", "equals", "active")], {}),
    ],
)
def test_evidence_that_meets_the_conditions_is_found(asked: list[Condition], facts: dict[str, FactValue]) -> None:
    held = with_conditions(*asked)
    assert held is not None
    assert dict(held.deciding.facts) == facts
    assert held.deciding.proven


@pytest.mark.parametrize(
    "asked",
    [
        [condition("issuance.mfa", "equals", True), condition("issuance.mfa", "equals", False)],  # noqa: FBT003 - As above.
        [
            condition("issuance.source_ip", "in", ("10.0.0.0/8",)),
            condition("issuance.source_ip", "not_in", ("0.0.0.0/0",)),
        ],
        [condition("issuance.reason", "equals", "a"), condition("issuance.reason", "equals", "b")],
        [condition("issuance.approvers", "in", ("ana",)), condition("issuance.approvers", "not_in", ("ana",))],
        [condition("key.ttl", "at_least", 91 * DAY)],
        [condition("key.cidrs", "in", ("10.0.0.0/8",)), condition("key.cidrs", "not_in", ("10.0.0.0/7",))],
        [condition("scope.risk", "at_least", "critical")],
        [condition("environment.tier", "equals", "prod")],
        [condition("key.age", "at_least", DAY)],
    ],
)
def test_conditions_that_nothing_can_meet_grant_nothing(asked: list[Condition]) -> None:
    assert with_conditions(*asked) is None


def test_lifetimes_and_networks_of_conditions_narrow_the_way() -> None:
    held = with_conditions(condition("key.ttl", "at_least", 2 * DAY), condition("key.ttl", "at_most", 9 * DAY))
    assert held is not None
    assert (held.deciding.ttl_min_seconds, held.deciding.limits.max_ttl_seconds) == (2 * DAY, 9 * DAY)
    assert held.deciding.wish(CELL, 1).ttl_seconds == 2 * DAY
    bound = with_conditions(condition("key.cidrs", "in", ("10.0.0.0/8",)))
    assert bound is not None
    assert (bound.deciding.limits.cidrs.required, bound.deciding.cidrs) == (True, ("10.0.0.1/32",))


def test_texts_that_cannot_be_made_up_are_not_taken_for_impossible() -> None:
    held = with_conditions(
        condition("issuance.ticket", "matches", "[0-9]{3}"), condition("issuance.ticket", "matches", "7.*")
    )
    assert held is not None
    assert not held.deciding.proven
    assert dict(held.deciding.facts) == {}


@pytest.mark.parametrize(
    "pattern",
    [
        "^(INC|CHG)-[0-9]+$",
        r"[A-Z]{2}\.\d{3,5}",
        "a?b*c+",
        r"(?:x\)y|\|z)",
        r"cost \$",
        r"\\$",
        "[^a-z]{2,}",
        "é+",
        r"\w\s.",
        "a{0,2}b",
    ],
)
def test_samples_fit_their_pattern(pattern: str) -> None:
    assert samples(pattern)
    assert all(fits(pattern, text) for text in samples(pattern))


def test_a_pattern_out_of_reach_has_no_sample() -> None:
    assert samples("[^ -~]") == ()


EIGHT = ip_network("10.0.0.0/29")
small = st.sampled_from([network for length in (29, 30, 31, 32) for network in EIGHT.subnets(new_prefix=length)])


@unhurried
@given(
    st.lists(st.lists(small, max_size=3).map(tuple), min_size=1, max_size=2).map(tuple),
    st.lists(small, max_size=4).map(tuple),
)
def test_a_free_host_is_found_exactly_when_there_is_one(
    inside_of: tuple[tuple[Network, ...], ...], outside_of: tuple[Network, ...]
) -> None:
    free = [
        host
        for host in EIGHT.subnets(new_prefix=32)
        if all(inside(host, listed) for listed in inside_of) and not overlaps(host, outside_of)
    ]
    found = free_host(inside_of, outside_of)
    assert (found in free) if free else found is None


def test_families_are_never_mixed_and_mapped_addresses_never_offered() -> None:
    assert free_host(((ip_network("2001:db8::/64"),),), (ip_network("0.0.0.0/0"),)) == ip_network("2001:db8::1/128")
    assert free_host(((ip_network("::ffff:0:0/96"),),)) is None
    assert free_host((), (ip_network("0.0.0.0/0"), ip_network("2000::/3"))) is not None


def test_subjects_are_the_least_that_lets_somebody_in() -> None:
    rule = a_rule(
        "r",
        teams=["payments", "analytics"],
        roles=["oncall"],
        conditions=[condition("owner.teams", "in", ("security",)), condition("owner.teams", "not_in", ("guests",))],
    )
    subjects = {cell.subject for cell in matrix(a_policy(rule), NOW).cells}
    assert {str(subject) for subject in subjects} == {
        "analytics + security + role oncall",
        "payments + security + role oncall",
    }
    anybody = matrix(a_policy(a_rule("r", teams=())), NOW).cells
    assert {str(cell.subject) for cell in anybody} == {"anybody"}


def test_a_role_that_is_bound_to_a_team_comes_with_the_team() -> None:
    rule = a_rule("r", teams=["payments"], roles=["oncall"])
    bound = Role("oncall", "", frozenset(), frozenset({"payments"}), frozenset(), frozenset(), at("r.yaml", 1))
    lone = a_rule("lone", teams=["payments"], scopes=["reports:read"])
    policy = replace(a_policy(rule, lone), roles={"oncall": bound})
    assert Cell(PAYMENTS, OwnerKind.USER, "payments", "dev", "charges:read") in matrix(policy, NOW).cells


def test_a_waived_owner_is_a_subject_while_the_waiver_lasts() -> None:
    wall = a_guardrail("wall", deny="no", waivable=True)
    rule = a_rule("r")
    for owner, kind in (("ben", OwnerKind.USER), ("svc:pay-ci", OwnerKind.SERVICE_ACCOUNT)):
        policy = a_policy(rule, guardrails=[wall], waivers=[a_waiver("wall", owner=owner)])
        (cell,) = matrix(policy, NOW).cells
        assert (cell.kind, str(cell.subject)) == (kind, f"{owner if ':' in owner else 'user:ben'} (payments)")
        assert matrix(policy, NOW + 2 * DAY).cells == {}


def test_guardrails_for_members_of_other_teams_are_walls_of_the_cell() -> None:
    wall = a_guardrail("guests-out", teams=["guests"], deny="no", max_ttl=DAY)
    off = a_guardrail("elsewhere", teams=["guests"], services=["other"], deny="no")
    quiet = a_guardrail("quiet", teams=["guests"], deny="no", enforcement=Enforcement.AUDIT)
    mine = a_guardrail("mine", teams=["guests", "payments"], max_ttl=DAY)
    held = capability(a_rule("r"), guardrails=[wall, off, quiet, mine])
    assert held is not None
    assert held.deciding.walls == {"guests-out for guests: denies; max_ttl 1d"}
    assert held.deciding.limits.max_ttl_seconds == DAY


def test_scopes_that_a_guardrail_can_tell_apart_are_judged_apart() -> None:
    rule = a_rule("r", scopes=SCOPES)
    walls = [
        a_guardrail("risk", risks=[Risk.CRITICAL], kinds=[OwnerKind.USER], deny="no"),
        a_guardrail("named", scopes=["reports:read"], max_ttl=DAY),
    ]
    cells = matrix(a_policy(rule, guardrails=walls), NOW).cells
    longest = {
        (cell.kind.value, cell.scope): held.deciding.limits.max_ttl_seconds // DAY for cell, held in cells.items()
    }
    assert longest == {
        ("service_account", "charges:read"): 90,
        ("service_account", "charges:write"): 90,
        ("service_account", "refunds:write"): 90,
        ("service_account", "reports:read"): 1,
        ("user", "charges:read"): 90,
        ("user", "charges:write"): 90,
        ("user", "reports:read"): 1,
    }


def test_people_that_the_policy_names_are_found_by_team_and_role() -> None:
    policy = a_policy(a_rule("r"))
    teams = {**policy.teams, "payments": replace(policy.teams["payments"], members=frozenset({"ana", "ben"}))}
    lead = Role("lead", "", frozenset({"cleo"}), frozenset({"payments"}), frozenset(), frozenset(), at("r.yaml", 1))
    chief = replace(lead, name="chief", members=frozenset({"ben"}), teams=frozenset())
    named = replace(policy, teams=teams, roles={"lead": lead, "chief": chief})
    assert named_people(PAYMENTS, named) == ("ana", "ben")
    assert named_people(Subject(frozenset(), frozenset({"lead"})), named) == ("ana", "ben", "cleo")
    assert named_people(Subject(frozenset({"payments"}), frozenset({"chief"})), named) == ("ben",)
    assert named_people(Subject(frozenset({"payments"}), frozenset(), "user:ben"), named) == ("ben",)
    assert named_people(Subject(frozenset({"gone"}), frozenset({"gone"})), named) == ()


def test_an_offered_wish_is_one_that_decide_grants() -> None:
    policy = a_policy(a_rule("r", limits=limits(required=True, within=["2001:db8::/64"])))
    held = matrix(policy, NOW).cells[CELL].deciding
    asker = Asker("user:somebody", OwnerKind.USER, frozenset({"payments"}))
    wish = held.wish(CELL)
    assert wish == Wish("payments", "dev", frozenset({"charges:read"}), 90 * DAY, ("2001:db8::1/128",))
    assert not isinstance(decide(policy, asker, wish, Evidence({}), NOW), Denied)
