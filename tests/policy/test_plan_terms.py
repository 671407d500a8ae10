"""Each term of a capability: how it is written, and which way of changing it lets somebody do more."""

from typing import Any

import pytest

from keymgr.policy import plan_words as words
from keymgr.policy.granting import ApprovalStep, CidrRule, RateLimit
from keymgr.policy.model import Condition
from keymgr.policy.plan_terms import Direction, LimitChange, combined
from tests.policy.builders import DAY, a_guardrail, at
from tests.policy.plan_folders import Objects, a_rule_spec, changed, objects, planned


def changes(before: dict[str, Any], after: dict[str, Any], approvals: tuple[Any, Any] = ({}, {})) -> list[LimitChange]:
    """Return what changes between two rules, and between two forms of the approval they use."""
    found = planned(*(side(*pair) for pair in zip((before, after), approvals, strict=True)))
    return [limit for change in found.capabilities for limit in change.limits]


def side(spec: dict[str, Any], approval: dict[str, Any]) -> Objects:
    whole = objects({"IssuanceRule/r": {"spec": a_rule_spec(**{"approval": "lead", **spec})}})
    return changed(whole, "ApprovalPolicy/lead", **approval)


def limit(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field.
    return {"limits": fields}


def burst(requests: int, *, name: str = "burst", per: str = "10s") -> dict[str, Any]:
    return {"name": name, "requests": requests, "per": per}


def within(*networks: str) -> dict[str, Any]:
    return limit(allowed_cidrs={"within": list(networks)})


@pytest.mark.parametrize(
    ("before", "after", "term", "written", "direction"),
    [
        (limit(max_ttl="7d"), limit(max_ttl="9d", default_ttl="7d"), "max_ttl", "7d -> 9d", "wider"),
        (limit(default_ttl="7d"), limit(default_ttl="9d"), "default_ttl", "7d -> 9d", "neither"),
        (limit(max_keys_per_owner=2), limit(max_keys_per_owner=1), "max_keys_per_owner", "2 -> 1", "narrower"),
        (limit(), limit(rotate_every="30d"), "rotate_every", "none -> 30d", "narrower"),
        (limit(rotate_every="7d"), limit(rotate_every="30d"), "rotate_every", "7d -> 30d", "wider"),
        (limit(rotation_overlap="1d"), limit(rotation_overlap="2d"), "rotation_overlap", "1d -> 2d", "wider"),
        (limit(idle_expiry="1d"), limit(), "idle_expiry", "1d -> none", "wider"),
        (limit(), limit(rate_limits=[burst(5)]), "rate_limits", "none -> burst 5/10s", "narrower"),
        (
            limit(rate_limits=[burst(5)]),
            limit(rate_limits=[burst(9)]),
            "rate_limits",
            "burst 5/10s -> burst 9/10s",
            "wider",
        ),
        (
            limit(rate_limits=[burst(5)]),
            limit(rate_limits=[burst(5, name="b")]),
            "rate_limits",
            "burst 5/10s -> b 5/10s",
            "neither",
        ),
        (
            limit(rate_limits=[burst(5)]),
            limit(rate_limits=[burst(5, per="1m")]),
            "rate_limits",
            "burst 5/10s -> burst 5/1m",
            "mixed",
        ),
        (limit(owner_rate_limits=[burst(5)]), limit(), "owner_rate_limits", "burst 5/10s -> none", "wider"),
        (limit(), limit(quota={"requests": 5, "per": "1d"}), "quota", "none -> 5/1d", "narrower"),
        (limit(quota={"requests": 5, "per": "1d"}), limit(), "quota", "5/1d -> none", "wider"),
        (limit(), limit(token="jwt"), "token", "none -> jwt", "neither"),
        (limit(), within("10.0.0.0/8"), "allowed_cidrs.within", "any -> 10.0.0.0/8", "narrower"),
        (within("10.1.0.0/16"), within("10.0.0.0/8"), "allowed_cidrs.within", "10.1.0.0/16 -> 10.0.0.0/8", "wider"),
        (within("10.0.0.0/8"), within("172.16.0.0/12"), "allowed_cidrs.within", "10.0.0.0/8 -> 172.16.0.0/12", "mixed"),
        (
            limit(),
            limit(allowed_cidrs={"required": True}),
            "allowed_cidrs.required",
            "no -> yes",
            "narrower",
        ),
        (
            limit(allowed_cidrs={"max_entries": 2}),
            limit(allowed_cidrs={"max_entries": 3}),
            "allowed_cidrs.max_entries",
            "2 -> 3",
            "wider",
        ),
        ({"approval": "none"}, {}, "approval_steps", "0 -> 1", "narrower"),
        (
            {},
            {"conditions": [{"fact": "issuance.mfa", "equals": True}]},
            "conditions",
            "none -> issuance.mfa equals yes",
            "narrower",
        ),
        ({"conditions": [{"fact": "key.ttl", "at_least": "2d"}]}, {}, "min_ttl", "2d -> 1s", "wider"),
    ],
)
def test_a_limit_of_a_rule_changes(
    before: dict[str, Any], after: dict[str, Any], term: str, written: str, direction: str
) -> None:
    found = next(each for each in changes(before, after) if each.term == term)
    assert f"{found.before} -> {found.after}" == written
    assert found.direction.value == direction


@pytest.mark.parametrize(
    ("before", "after", "term", "written", "direction"),
    [
        ({}, {"reason": "required"}, "reason_required", "no -> yes", "narrower"),
        ({}, {"ticket_pattern": "A-[0-9]"}, "ticket_pattern", "none -> A-[0-9]", "narrower"),
        ({"ticket_pattern": "A-[0-9]"}, {}, "ticket_pattern", "A-[0-9] -> none", "wider"),
        ({"ticket_pattern": "A"}, {"ticket_pattern": "B"}, "ticket_pattern", "A -> B", "mixed"),
        ({}, {"break_glass": ["ana"]}, "break_glass", "none -> ana", "wider"),
    ],
)
def test_what_an_approval_asks_changes(
    before: dict[str, Any], after: dict[str, Any], term: str, written: str, direction: str
) -> None:
    (found,) = changes({}, {}, (before, after))
    assert (found.term, f"{found.before} -> {found.after}", found.direction.value) == (term, written, direction)


def test_what_guardrails_forbid_or_demand_of_other_teams_changes() -> None:
    base = objects({"IssuanceRule/r": {"spec": a_rule_spec()}})
    forbid = {"applies_to": {}, "enforcement": "enforce", "forbid_cidrs": ["10.0.0.0/8"]}
    guests = {"applies_to": {"teams": ["security"]}, "enforcement": "enforce", "deny": {"reason": "no"}}
    (change,) = planned(base, {**base, "Guardrail/f": {"spec": forbid}}).capabilities
    assert [(each.term, each.after, each.direction.value) for each in change.limits] == [
        ("forbid_cidrs", "10.0.0.0/8", "narrower")
    ]
    assert change.example is not None
    assert change.example.wish.cidrs == ("10.0.0.0/8",)
    (change,) = planned(base, {**base, "Guardrail/g": {"spec": guests}}).capabilities
    assert [(each.term, each.after) for each in change.limits] == [("walls", "g for security: denies")]
    assert change.example is None


def test_directions_add_up() -> None:
    wider, narrower, mixed, neither = Direction
    assert combined([]) is neither
    assert combined([wider, neither]) is wider
    assert combined([neither, narrower]) is narrower
    assert combined([wider, narrower]) is mixed
    assert combined([mixed, wider]) is mixed


def test_limits_are_written_as_policy_writes_them() -> None:
    wall = a_guardrail(
        "wall",
        teams=["guests"],
        rotate_every=DAY,
        max_keys=1,
        cidrs_required=True,
        steps_min=2,
        forbidden=["10.0.0.0/8"],
    )
    assert words.wall(wall) == (
        "wall for guests: rotate_every 1d; max_keys_per_owner 1; allowed_cidrs required; approval_steps 2; "
        "forbid_cidrs 10.0.0.0/8"
    )
    step = ApprovalStep("s", frozenset({"b", "a"}), frozenset({"lead"}), 2)
    assert words.steps((step,)) == "2 of a or b or role lead"
    assert words.window(RateLimit("q", 5, 60)) == "5/1m"
    assert words.cidr_rule(CidrRule(required=True)) == "required, within any, at most 16"
    assert words.conditions(()) == "none"
    listed = Condition("owner.teams", "in", ("a", "b"), at("r.yaml", 1))
    assert words.conditions((listed,)) == "owner.teams in [a, b]"
    risky = Condition("scope.risk", "at_most", "high", at("r.yaml", 1))
    assert words.condition(risky) == "scope.risk at_most high"
