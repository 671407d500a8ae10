"""A plan: exactly what changes, whatever the files look like; nothing for nothing; each example flips."""

from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keymgr.policy.capability import Cell
from keymgr.policy.decide import decide
from keymgr.policy.decision import Denied
from keymgr.policy.matrix import matrix
from keymgr.policy.model import OwnerKind
from keymgr.policy.plan import Plan, plan
from keymgr.policy.plan_capabilities import CapabilityChange, Delta
from keymgr.policy.plan_objects import Action
from keymgr.policy.plan_terms import Direction
from tests.policy.folders import policy_of
from tests.policy.plan_folders import (
    NOW,
    Objects,
    a_rule_spec,
    changed,
    example,
    files_of,
    guardrail_specs,
    objects,
    planned,
    read,
    read_files,
    renamed,
    rule_specs,
    sets,
    unhurried,
    without,
)

CLOSED: dict[str, Any] = {
    "spec": {"applies_to": {}, "enforcement": "enforce", "waivable": True, "deny": {"reason": "closed"}}
}
RULE = {"IssuanceRule/r": {"spec": a_rule_spec()}}


def with_rule(**spec: Any) -> Objects:  # noqa: ANN401 - any value of a field.
    return objects({"IssuanceRule/r": {"spec": a_rule_spec(**spec)}})


def fields(made: Plan, key: str) -> list[tuple[str, Any, Any, str | None]]:
    return [
        (each.path, each.before, each.after, each.via)
        for change in made.objects
        if str(change) == key
        for each in change.changes
    ]


def told(made: Plan) -> list[tuple[str, str, str]]:
    return [(change.action.value, str(change), change.previous_name or "") for change in made.objects]


def one(made: Plan) -> CapabilityChange:
    (change,) = made.capabilities
    return change


def test_the_worked_example_gives_the_objects_of_the_reference() -> None:
    made = plan(example("base"), example("pull-request"), now=NOW)
    assert told(made) == [
        ("renamed", "IssuanceRule/analytics-settlement", "analytics-reports"),
        ("changed", "IssuanceRule/payments-nonprod", ""),
        ("changed", "IssuanceRule/payments-prod-write", ""),
    ]
    assert fields(made, "IssuanceRule/analytics-settlement") == [
        ("spec.grants.environments", ["prod", "staging"], ["staging"], None)
    ]
    assert fields(made, "IssuanceRule/payments-nonprod") == [("spec.grants.except", ["refunds:write"], None, None)]
    assert fields(made, "IssuanceRule/payments-prod-write") == [
        ("spec.limits.max_ttl", "90d", "30d", None),
        ("spec.limits.allowed_cidrs.within", ["10.20.0.0/16", "2001:db8:20::/48"], ["10.20.0.0/16"], None),
    ]
    assert made.guards.trips == ()


def test_the_worked_example_gives_the_capabilities_of_the_reference() -> None:
    made = plan(example("base"), example("pull-request"), now=NOW)
    assert (made.cells, made.deltas) == (24, {Delta.GAINED: 2, Delta.LOST: 4, Delta.LIMITED: 2})
    gained, lost, limited = made.capabilities
    assert (str(gained.subject), gained.kinds, gained.scopes[0][0]) == (
        "payments",
        (OwnerKind.SERVICE_ACCOUNT,),
        "refunds:write",
    )
    assert (gained.environments, gained.cells, gained.widens, gained.risk) == (("dev", "staging"), 2, True, "critical")
    assert (str(gained.cause), str(gained.cause.source)) == (
        "IssuanceRule/payments-nonprod",
        "rules/payments.yaml:7:73",
    )
    assert gained.example is not None
    assert f"{gained.example.before} -> {gained.example.after}" == "deny NO_RULE -> allow"
    assert (str(lost.subject), lost.kinds, lost.environments) == ("analytics", tuple(sorted(OwnerKind)), ("prod",))
    assert [name for name, _ in lost.scopes] == ["charges:read", "reports:read"]
    assert lost.cause.source.line == 35
    assert [(each.term, each.before, each.after) for each in limited.limits] == [
        ("max_ttl", "90d", "30d"),
        ("allowed_cidrs.within", "10.20.0.0/16, 2001:db8:20::/48", "10.20.0.0/16"),
    ]
    assert (limited.widens, limited.cause.source.line) == (False, 18)


@unhurried
@given(sets(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_order_and_files_make_no_difference(one_set: Objects, shuffle: Random, per_file: int) -> None:
    keys = list(one_set)
    shuffle.shuffle(keys)
    mixed = {key: deepcopy(one_set[key]) for key in keys}
    for document in mixed.values():
        for value in document["spec"].values():
            if isinstance(value, list):
                shuffle.shuffle(value)
    made = plan(read(one_set), read(mixed, per_file=per_file), now=NOW)
    assert made.is_empty
    assert (made.objects, made.capabilities) == ((), ())


@unhurried
@given(sets())
def test_nothing_for_nothing(one_set: Objects) -> None:
    made = planned(one_set, one_set)
    assert made.is_empty
    assert not made.is_blocked
    assert (made.objects, made.capabilities, made.deltas) == ((), (), {})


@unhurried
@given(sets(), sets())
def test_applying_the_objects_of_a_plan_arrives_at_head(base: Objects, head: Objects) -> None:
    before, after = read(base), read(head)
    documents = {(each.kind, each.name): each for each in before.documents}
    wanted = {(each.kind, each.name): each for each in after.documents}
    for change in plan(before, after, now=NOW).objects:
        documents.pop((change.kind, change.previous_name or change.name), None)
        if change.action is not Action.REMOVED:
            documents[change.identity] = wanted[change.identity]
    assert policy_of(documents.values()).digest == after.policy.digest


@unhurried
@given(sets(), sets())
def test_objects_change_exactly_when_the_digest_does(base: Objects, head: Objects) -> None:
    made = planned(base, head)
    assert bool(made.objects) is (made.base_digest != made.head_digest)


@unhurried
@given(sets(), sets())
def test_capabilities_are_the_difference_of_the_two_matrices_and_each_example_flips(
    base: Objects, head: Objects
) -> None:
    before, after = read(base), read(head)
    made = plan(before, after, now=NOW)
    old, new = (matrix(each.policy, NOW).cells for each in (before, after))
    assert cells_of(made, Delta.GAINED) == new.keys() - old.keys()
    assert cells_of(made, Delta.LOST) == old.keys() - new.keys()
    assert cells_of(made, Delta.LIMITED) <= old.keys() & new.keys()
    for change in made.capabilities:
        if change.delta is Delta.LIMITED and change.example is None:
            continue
        assert change.example is not None
        wish, evidence = change.example.wish, change.example.evidence
        granted = []
        for side in (before, after):
            asker = change.subject.asker(change.example.asker.kind, side.policy)
            granted.append(not isinstance(decide(side.policy, asker, wish, evidence, NOW), Denied))
        if change.delta is not Delta.LIMITED:
            assert granted == [change.delta is Delta.LOST, change.delta is Delta.GAINED]


def cells_of(made: Plan, delta: Delta) -> set[Cell]:
    found = [
        Cell(change.subject, kind, change.service, environment, scope)
        for change in made.capabilities
        if change.delta is delta
        for kind in change.kinds
        for scope, _ in change.scopes
        for environment in change.environments
    ]
    assert len(found) == len(set(found)) == made.deltas.get(delta, 0)
    return set(found)


@unhurried
@given(sets(), rule_specs())
def test_a_new_rule_takes_nothing_away(base: Objects, spec: dict[str, Any]) -> None:
    made = planned(base, {**base, "IssuanceRule/rule-new": {"spec": spec}})
    assert all(change.delta is not Delta.LOST for change in made.capabilities)
    assert all(each.direction is Direction.WIDER for change in made.capabilities for each in change.limits)


@unhurried
@given(sets(), guardrail_specs())
def test_a_new_guardrail_gives_nothing(base: Objects, spec: dict[str, Any]) -> None:
    made = planned(base, {**base, "Guardrail/wall-new": {"spec": spec}})
    assert not any(change.widens for change in made.capabilities)
    assert all(change.delta is not Delta.GAINED for change in made.capabilities)
    back = planned({**base, "Guardrail/wall-new": {"spec": spec}}, base)
    assert all(change.delta is not Delta.LOST for change in back.capabilities)


def test_no_base_makes_everything_new() -> None:
    made = plan(None, read(objects(RULE)), now=NOW)
    assert {change.action for change in made.objects} == {Action.ADDED}
    assert (made.base_digest, made.is_empty, made.is_blocked) == (None, False, False)
    assert one(made).delta is Delta.GAINED
    assert str(one(made).example.before) == "deny NO_POLICY"  # type: ignore[union-attr] # There is one.
    assert str(one(made).cause) == "IssuanceRule/r"


def test_words_tests_and_acks_are_no_change() -> None:
    base = objects(RULE)
    head = deepcopy(base)
    head["IssuanceRule/r"]["metadata"] = {"description": "other words", "labels": {"a": "b"}}
    head["Team/payments"]["spec"]["title"] = "Payments"
    assert planned(base, head).is_empty


def test_the_same_written_otherwise_is_no_change() -> None:
    base, head = with_rule(limits={"max_ttl": "90d"}), with_rule(limits={"max_ttl": "2160h"})
    assert planned(base, head).objects == ()


def test_a_rename_that_is_told_is_no_removal() -> None:
    base = objects(RULE)
    assert told(planned(base, renamed(base, "IssuanceRule/r", "s"))) == [("renamed", "IssuanceRule/s", "r")]
    assert planned(base, renamed(base, "IssuanceRule/r", "s")).capabilities == ()
    silent = planned(base, renamed(base, "IssuanceRule/r", "s", told=False))
    assert told(silent) == [("removed", "IssuanceRule/r", ""), ("added", "IssuanceRule/s", "")]


def test_two_new_objects_cannot_both_be_the_old_one() -> None:
    base = objects(RULE)
    head = renamed(base, "IssuanceRule/r", "s")
    head["IssuanceRule/t"] = deepcopy(head["IssuanceRule/s"])
    assert told(planned(base, head)) == [("renamed", "IssuanceRule/s", "r"), ("added", "IssuanceRule/t", "")]


def test_a_changed_default_is_shown_at_every_rule_it_touches() -> None:
    rules = {"IssuanceRule/own": {"spec": a_rule_spec(limits={"max_ttl": "7d"})}, **RULE}
    base = objects(rules)
    defaults = {"max_ttl": "30d", "max_keys_per_owner": 3}
    made = planned(base, changed(base, "PolicySet/acme", defaults=defaults))
    assert told(made) == [("touched", "IssuanceRule/r", ""), ("changed", "PolicySet/acme", "")]
    assert fields(made, "IssuanceRule/r") == [
        ("spec.limits.max_ttl", "90d", "30d", "PolicySet/acme"),
        ("spec.limits.default_ttl", "90d", "30d", "PolicySet/acme"),
    ]
    assert one(made).limits[0].term == "max_ttl"
    assert str(one(made).cause) == "PolicySet/acme"


def test_a_changed_bundle_service_or_approval_is_shown_at_its_rules() -> None:
    grants = {"bundle": "readonly", "environments": ["dev"]}
    base = objects(
        {
            "IssuanceRule/bundled": {"spec": a_rule_spec(grants=grants)},
            "IssuanceRule/all": {
                "spec": a_rule_spec(
                    subjects={"teams": ["analytics"]},
                    grants={"service": "payments-api", "environments": ["dev"], "scopes": ["*"]},
                    approval="lead",
                )
            },
        }
    )
    more = changed(base, "ScopeBundle/readonly", scopes=["charges:read", "charges:write"])
    assert fields(planned(base, more), "IssuanceRule/bundled") == [
        ("spec.grants.scopes", "charges:read, reports:read", "charges:read, charges:write", "ScopeBundle/readonly")
    ]
    assert {str(each.cause) for each in planned(base, more).capabilities} == {"ScopeBundle/readonly"}
    scopes = [
        *base["Service/payments-api"]["spec"]["scopes"],
        {"name": "new:all", "risk": "critical", "description": "x"},
    ]
    wider = planned(base, changed(base, "Service/payments-api", scopes=scopes))
    assert [path for path, *_ in fields(wider, "IssuanceRule/all")] == ["spec.grants.scopes"]
    assert (one(wider).risk, str(one(wider).cause)) == ("critical", "Service/payments-api")
    step = {"name": "other", "from": {"roles": ["lead"]}, "count": 2}
    roles = {**base, "Role/lead": {"spec": {"members": ["ana"]}}}
    steps = [*base["ApprovalPolicy/lead"]["spec"]["steps"], step]
    stricter = planned(roles, changed(roles, "ApprovalPolicy/lead", steps=steps))
    assert fields(stricter, "IssuanceRule/all") == [
        ("spec.approval", "1 of security", "1 of security then 2 of role lead", "ApprovalPolicy/lead")
    ]
    assert [each.term for each in one(stricter).limits] == ["approval_steps", "approvers"]
    assert str(one(stricter).cause) == "ApprovalPolicy/lead"
    paths = [path for path, *_ in fields(stricter, "ApprovalPolicy/lead")]
    assert paths == ["spec.steps.order", "spec.steps.other.from.roles", "spec.steps.other.count"]


def test_the_order_of_approval_steps_counts() -> None:
    steps = [{"name": name, "from": {"teams": [name]}} for name in ("payments", "security")]
    base = changed(with_rule(approval="lead"), "ApprovalPolicy/lead", steps=steps)
    made = planned(base, changed(base, "ApprovalPolicy/lead", steps=steps[::-1]))
    assert [path for path, *_ in fields(made, "ApprovalPolicy/lead")] == ["spec.steps.order"]
    assert [each.term for each in one(made).limits] == ["approvers"]
    assert one(made).example is not None


def test_what_happens_to_live_keys_is_shown_at_rules_and_guardrails() -> None:
    wall = {"Guardrail/g": {"spec": {"applies_to": {}, "enforcement": "warn", "forbid_cidrs": ["0.0.0.0/0"]}}}
    base = objects({**RULE, **wall})
    head = changed(base, "PolicySet/acme", existing_keys={"on_violation": "suspend", "grace": "3d", "notify": ["team"]})
    expected = ("spec.existing_keys", "flag after 14d", "suspend after 3d, told to team", "PolicySet/acme")
    assert fields(planned(base, head), "IssuanceRule/r") == [expected]
    assert fields(planned(base, head), "Guardrail/g") == [expected]


def test_a_part_that_comes_empty_is_still_a_change() -> None:
    base, head = with_rule(), with_rule(limits={"allowed_cidrs": {}})
    made = planned(base, head)
    assert fields(made, "IssuanceRule/r") == [("spec.limits.allowed_cidrs", None, {}, None)]
    assert made.capabilities == ()


def test_removed_things_are_their_own_cause() -> None:
    base = objects(RULE)
    gone = one(planned(base, without(base, "IssuanceRule/r")))
    assert (gone.delta, str(gone.cause), gone.cause.removed) == (Delta.LOST, "IssuanceRule/r", True)
    left = without(base, "IssuanceRule/r", "Service/payments-api", "ScopeBundle/readonly")
    assert one(planned(base, left)).delta is Delta.LOST


def test_every_field_of_a_rule_that_closes_a_cell_is_named_as_the_cause() -> None:
    base = with_rule(
        subjects={"teams": ["payments"], "owner_kinds": ["user"]},
        limits={"allowed_cidrs": {"within": ["10.0.0.0/8"]}},
    )
    for change in (
        {"subjects": {"teams": ["analytics"], "owner_kinds": ["user"]}},
        {"subjects": {"teams": ["payments"], "owner_kinds": ["service_account"]}},
        {"grants": {"service": "payments-api", "environments": ["prod"], "scopes": ["charges:read"]}},
        {"grants": {"service": "payments-api", "environments": ["dev"], "scopes": ["reports:read"]}},
        {"conditions": [{"fact": "environment.tier", "equals": "prod"}]},
    ):
        for before, after in (
            (base, changed(base, "IssuanceRule/r", **change)),
            (changed(base, "IssuanceRule/r", **change), base),
        ):
            made = planned(before, after)
            assert made.capabilities
            assert {str(each.cause) for each in made.capabilities} == {"IssuanceRule/r"}


def test_a_guardrail_that_closes_or_opens_is_the_cause() -> None:
    base = objects(RULE)
    wall = CLOSED
    head = {**base, "Guardrail/g": wall}
    closed, opened = one(planned(base, head)), one(planned(head, base))
    assert (str(closed.cause), closed.cause.removed) == ("Guardrail/g", False)
    assert (str(opened.cause), opened.cause.removed) == ("Guardrail/g", True)
    narrower = {"spec": {**wall["spec"], "applies_to": {"environments": ["prod"]}}}
    assert str(one(planned(head, {**base, "Guardrail/g": narrower})).cause) == "Guardrail/g"
    ceiling = {"spec": {"applies_to": {}, "enforcement": "enforce", "ceilings": {"max_ttl": "30d"}}}
    limited = one(planned(base, {**base, "Guardrail/g": ceiling}))
    assert (str(limited.cause), limited.limits[0].term) == ("Guardrail/g", "max_ttl")


def test_what_a_guardrail_sees_may_change_elsewhere() -> None:
    wall = {
        "spec": {
            "applies_to": {"tiers": ["prod"]},
            "enforcement": "enforce",
            "waivable": True,
            "deny": {"reason": "closed"},
        }
    }
    base = objects({**RULE, "Guardrail/g": wall})
    environments = [{"name": name, "tier": "prod"} for name in ("dev", "staging", "prod")]
    made = planned(base, changed(base, "PolicySet/acme", environments=environments))
    assert (one(made).delta, str(one(made).cause)) == (Delta.LOST, "PolicySet/acme")


def test_a_waiver_opens_a_cell_for_its_owner() -> None:
    wall = CLOSED
    base = objects({**RULE, "Guardrail/g": wall})
    subject = {"owner": "pat", "service": "payments-api", "environments": ["dev"]}
    waiver = {"guardrail": "g", "subject": subject, "expires_at": "2026-04-01T00:00:00Z", "reason": "x"}
    made = planned(base, {**base, "Waiver/w": {"spec": waiver}})
    assert (str(one(made).subject), str(one(made).cause)) == ("user:pat (payments)", "Waiver/w")
    back = one(planned({**base, "Waiver/w": {"spec": waiver}}, base))
    assert (back.delta, str(back.cause), back.cause.removed) == (Delta.LOST, "Waiver/w", True)


def test_an_owner_whose_waiver_makes_no_difference_is_not_told_apart() -> None:
    wall = {
        "spec": {"applies_to": {}, "enforcement": "enforce", "waivable": True, "ceilings": {"max_keys_per_owner": 9}}
    }
    subject = {"owner": "pat", "service": "payments-api", "environments": ["dev"]}
    waiver = {"guardrail": "g", "subject": subject, "expires_at": "2026-04-01T00:00:00Z", "reason": "x"}
    base = objects({"Guardrail/g": wall, "Waiver/w": {"spec": waiver}, **RULE})
    made = planned(base, changed(base, "IssuanceRule/r", limits={"max_ttl": "7d"}))
    assert [str(change.subject) for change in made.capabilities] == ["payments"]


def test_a_role_bound_to_another_team_is_the_cause() -> None:
    base = objects({"Role/lead": {"spec": {"teams": ["payments"]}}})
    spec = a_rule_spec(subjects={"teams": ["payments", "analytics"], "roles": ["lead"]})
    other = a_rule_spec(
        subjects={"teams": ["payments", "analytics"]}, grants={**a_rule_spec()["grants"], "environments": ["prod"]}
    )
    same = {"spec": {**other, "grants": {**other["grants"], "environments": ["dev"], "scopes": ["reports:read"]}}}
    base = {**base, "IssuanceRule/r": {"spec": spec}, "IssuanceRule/o": same}
    made = planned(base, changed(base, "Role/lead", teams=["analytics"]))
    assert {(each.delta, str(each.subject), str(each.cause)) for each in made.capabilities} == {
        (Delta.GAINED, "analytics", "Role/lead"),
        (Delta.LOST, "payments", "Role/lead"),
    }


def test_another_rule_for_the_same_cell_is_a_limit_that_widens() -> None:
    base = with_rule(approval="lead")
    head = {**base, "IssuanceRule/s": {"spec": a_rule_spec(limits={"max_ttl": "7d"})}}
    added, taken = one(planned(base, head)), one(planned(head, base))
    assert [(each.term, each.before, each.after) for each in added.limits] == [
        ("another rule", "none", "s (max_ttl 7d)")
    ]
    assert (added.widens, taken.widens) == (True, False)
    assert [each.after for each in taken.limits] == ["none"]
    tighter = changed(head, "IssuanceRule/r", limits={"max_ttl": "30d"})
    assert [each.term for each in one(planned(head, tighter)).limits] == ["max_ttl", "default_ttl"]
    assert one(planned(base, changed(head, "IssuanceRule/s", approval="lead"))).limits[0].after == (
        "s (max_ttl 7d, 1 approval steps)"
    )


def test_rules_that_trade_names_are_told_by_name() -> None:
    short, long = a_rule_spec(limits={"max_ttl": "7d"}), a_rule_spec(limits={"max_ttl": "9d"})
    base = objects({"IssuanceRule/a": {"spec": short}, "IssuanceRule/b": {"spec": long}})
    head = renamed(base, "IssuanceRule/a", "c")
    (limit,) = one(planned(base, head)).limits
    assert (limit.term, limit.before, limit.after, limit.direction) == ("rule", "a", "b", Direction.NEITHER)


def test_critical_comes_first_and_what_widens_before_what_narrows() -> None:
    grants = {"service": "payments-api", "environments": ["dev"], "scopes": ["charges:read", "reports:read"]}
    base = objects({"IssuanceRule/r": {"spec": a_rule_spec(grants=grants)}})
    head = changed(base, "IssuanceRule/r", grants={**grants, "scopes": ["charges:write"]})
    head["IssuanceRule/s"] = {
        "spec": a_rule_spec(subjects={"teams": ["security"]}, grants={**grants, "scopes": ["refunds:write"]})
    }
    made = planned(base, head)
    assert [(change.delta.value, change.risk.value) for change in made.capabilities] == [
        ("gained", "critical"),
        ("gained", "high"),
        ("lost", "medium"),
    ]


def test_cells_are_joined_only_to_whole_blocks() -> None:
    base = objects()
    grants = {"service": "payments-api", "environments": ["dev", "prod"], "scopes": ["charges:read"]}
    head = {
        **base,
        "IssuanceRule/r": {"spec": a_rule_spec(grants=grants)},
        "IssuanceRule/s": {"spec": a_rule_spec(grants={**grants, "environments": ["dev"], "scopes": ["reports:read"]})},
    }
    blocks = [(tuple(name for name, _ in each.scopes), each.environments) for each in planned(base, head).capabilities]
    assert sorted(blocks) == [(("charges:read",), ("dev", "prod")), (("reports:read",), ("dev",))]


def test_files_may_hold_many_documents() -> None:
    whole = objects(RULE)
    assert read_files(files_of(whole, per_file=5)).policy.digest == read(whole).policy.digest


def test_a_guardrail_is_the_cause_whatever_else_changes_beside_it() -> None:
    base = objects({**RULE, "Guardrail/g": CLOSED})
    head = without(changed(base, "Team/payments", members=["zoe"]), "Guardrail/g")
    head["ApprovalPolicy/aa"] = deepcopy(base["ApprovalPolicy/lead"])
    made = planned(base, head)
    assert str(one(made).cause) == "Guardrail/g"
    assert (made.count(Action.ADDED), made.count(Action.CHANGED), made.count(Action.REMOVED)) == (1, 1, 1)


def test_a_scope_that_is_declared_no_more_is_lost_because_of_its_service() -> None:
    grants = {"service": "payments-api", "environments": ["dev"], "scopes": ["*"]}
    base = objects({"IssuanceRule/r": {"spec": a_rule_spec(grants=grants)}})
    left = [scope for scope in base["Service/payments-api"]["spec"]["scopes"] if scope["name"] != "refunds:write"]
    lost = one(planned(base, changed(base, "Service/payments-api", scopes=left)))
    assert (lost.delta, lost.risk, str(lost.cause)) == (Delta.LOST, "critical", "Service/payments-api")
    assert str(lost.example.after) == "deny UNKNOWN_NAME"  # type: ignore[union-attr] # There is one.
