"""Guards stop accidents: judged by the stricter side, excused only by an acknowledgement that fits exactly."""

from copy import deepcopy
from typing import Any

import pytest

from keymgr.policy.acks import AckState, acks_in
from keymgr.policy.documents_set import ChangeGuard
from keymgr.policy.guards import ack_document
from keymgr.policy.guards_strict import Threshold, is_looser
from keymgr.policy.model import Enforcement, Risk
from keymgr.policy.plan import Plan, plan
from tests.policy.builders import DAY, a_guardrail
from tests.policy.plan_folders import (
    NOW,
    Objects,
    a_rule_spec,
    changed,
    example,
    objects,
    planned,
    read,
    renamed,
    without,
)
from tests.policy.test_plan_keys import a_key, the_seven

EVERYTHING = [
    "guardrail_removed",
    "guardrail_loosened",
    "prod_scope_widened",
    "admin_changed",
]
WALL = {"applies_to": {"environments": ["prod"]}, "enforcement": "enforce", "ceilings": {"max_ttl": "90d"}}
PROD = {"service": "payments-api", "environments": ["prod"], "scopes": ["charges:read"]}


def guarded(**guards: Any) -> Objects:  # noqa: ANN401 - any guard.
    return objects(
        {
            "Guardrail/wall": {"spec": WALL},
            "Role/chief": {"spec": {"members": ["ana", "ben"], "portal": ["admin"]}},
            "IssuanceRule/r": {"spec": a_rule_spec()},
        },
        guards,
    )


def trips(made: Plan) -> dict[str, tuple[int, int, tuple[str, ...]]]:
    return {trip.guard.value: (trip.value, trip.limit, trip.items) for trip in made.guards.trips}


def acked(head: Objects, base: Objects, name: str = "a", /, **changes: Any) -> Objects:  # noqa: ANN401 - any field.
    spec = {
        "guard": "guardrail_removed",
        "base": read(base).policy.digest,
        "expires_at": "2026-03-08T00:00:00Z",
        "reason": "meant",
        **changes,
    }
    return {**head, f"ChangeAck/{name}": {"spec": spec}}


def test_a_removed_guardrail_and_one_under_another_name() -> None:
    base = guarded(always_ack=EVERYTHING)
    gone = without(base, "Guardrail/wall")
    assert trips(planned(base, gone)) == {"guardrail_removed": (1, 0, ("Guardrail/wall",))}
    assert trips(planned(base, renamed(base, "Guardrail/wall", "fence"))) == {}
    loose = renamed(base, "Guardrail/wall", "fence")
    loose["Guardrail/fence"]["spec"]["enforcement"] = "warn"
    assert trips(planned(base, loose)) == {"guardrail_loosened": (1, 0, ("Guardrail/fence",))}
    assert trips(planned(guarded(), without(guarded(), "Guardrail/wall"))) == {}


@pytest.mark.parametrize(
    ("before", "after", "looser"),
    [
        ({}, {"services": ["payments"]}, True),
        ({"services": ["payments"]}, {}, False),
        ({"services": ["payments"]}, {"services": ["payments", "x"]}, False),
        ({"risks": [Risk.HIGH]}, {"risks": [Risk.LOW]}, True),
        ({}, {"enforcement": Enforcement.WARN}, True),
        ({"enforcement": Enforcement.AUDIT}, {"enforcement": Enforcement.WARN}, False),
        ({"max_ttl": DAY}, {"max_ttl": 2 * DAY}, True),
        ({"max_ttl": DAY}, {}, True),
        ({}, {"max_ttl": DAY}, False),
        ({"rotate_every": DAY}, {"rotate_every": 60}, False),
        ({"max_keys": 1}, {"max_keys": 2}, True),
        ({"cidrs_required": True}, {}, True),
        ({"steps_min": 2}, {"steps_min": 1}, True),
        ({"forbidden": ["10.0.0.0/8"]}, {}, True),
        ({"deny": "no"}, {}, True),
        ({"deny": "no"}, {"deny": "never"}, False),
        ({}, {"waivable": True}, True),
        ({"waivable": True}, {"waivable": True}, False),
    ],
)
def test_a_guardrail_is_looser_when_it_may_let_something_through(
    before: dict[str, Any], after: dict[str, Any], *, looser: bool
) -> None:
    assert is_looser(a_guardrail("g", **before), a_guardrail("g", **after)) is looser


def test_widening_prod_trips_and_widening_elsewhere_does_not() -> None:
    base = guarded(always_ack=EVERYTHING)
    wide = {**base, "IssuanceRule/s": {"spec": a_rule_spec(grants=PROD)}}
    items = tuple(f"payments / {kind} payments-api charges:read prod" for kind in ("service_account", "user"))
    (trip,) = planned(base, wide).guards.trips
    assert (trip.guard, trip.value, tuple(sorted(trip.items))) == ("prod_scope_widened", 2, items)
    assert trips(planned(wide, base)) == {}
    nonprod = {**PROD, "environments": ["staging"]}
    assert trips(planned(base, {**base, "IssuanceRule/s": {"spec": a_rule_spec(grants=nonprod)}})) == {}


def test_an_environment_that_stops_being_prod_still_counts_as_prod() -> None:
    base = {**guarded(always_ack=EVERYTHING), "IssuanceRule/s": {"spec": a_rule_spec(grants=PROD)}}
    base["Guardrail/closed"] = {
        "spec": {
            "applies_to": {"tiers": ["prod"]},
            "enforcement": "enforce",
            "waivable": True,
            "deny": {"reason": "no"},
        }
    }
    environments = [{"name": name, "tier": "nonprod"} for name in ("dev", "staging", "prod")]
    assert set(trips(planned(base, changed(base, "PolicySet/acme", environments=environments)))) == {
        "prod_scope_widened"
    }


def test_admins_who_come_and_go() -> None:
    base = guarded(always_ack=EVERYTHING)
    head = changed(base, "Role/chief", members=["ana", "cleo"], idp_groups=["g1"])
    said = trips(planned(base, head))["admin_changed"]
    assert said[2] == ("cleo becomes an admin", "ben is an admin no more", "the people of group g1 become admins")
    assert trips(planned(head, base))["admin_changed"][2][-1] == "the people of group g1 are admins no more"
    by_team = changed(base, "Role/chief", teams=["security"])
    assert trips(planned(base, by_team))["admin_changed"][2] == ("security-lead becomes an admin",)


def test_too_few_admins_is_told_only_of_the_change_that_makes_it_so() -> None:
    base = guarded(min_portal_admins=2)
    fewer = changed(base, "Role/chief", members=["ana"])
    assert trips(planned(base, fewer)) == {"min_portal_admins": (1, 2, ("ana",))}
    assert trips(planned(fewer, changed(fewer, "IssuanceRule/r", approval="lead"))) == {}
    raised = changed(base, "PolicySet/acme", guards={"min_portal_admins": 3})
    assert trips(planned(base, raised)) == {"min_portal_admins": (1, 3, ("ana", "ben"))}
    assert trips(planned(base, changed(fewer, "Role/chief", idp_groups=["g1"]))) == {}


def test_required_admins_stay_admins_whoever_drops_the_guard() -> None:
    base = guarded(required_admins=["ana", "break-glass"])
    head = changed(base, "Role/chief", members=["ben", "cleo"])
    assert trips(planned(base, head)) == {"required_admins": (1, 0, ("ana",))}
    dropped = changed(head, "PolicySet/acme", guards={})
    assert set(trips(planned(base, dropped))) == {"required_admins", "guards_loosened"}
    asked = changed(guarded(), "PolicySet/acme", guards={"required_admins": ["zoe"]})
    assert trips(planned(guarded(), asked)) == {"required_admins": (1, 0, ("zoe",))}


def test_pruned_objects_are_counted_always_and_as_a_share_from_twenty_up() -> None:
    many = {f"Team/extra-{number}": {"spec": {"members": ["x"]}} for number in range(30)}
    base = {**guarded(max_objects_pruned={"count": 9, "percent": 10}), **many}
    total = len(base)
    assert trips(planned(base, without(base, *list(many)[:4]))) == {}
    over = planned(base, without(base, *list(many)[:5]))
    assert trips(over)["max_objects_pruned"][:2] == (5, total // 10)
    small = guarded(max_objects_pruned={"count": 1, "percent": 1})
    assert trips(planned(small, without(small, "Guardrail/wall"))) == {}
    assert trips(planned(small, without(small, "Guardrail/wall", "ScopeBundle/readonly")))["max_objects_pruned"][0] == 2
    always = guarded(always_ack=["max_objects_pruned"])
    assert trips(planned(always, without(always, "Guardrail/wall")))["max_objects_pruned"][:2] == (1, 0)


def test_thresholds_take_the_stricter_of_count_and_percent() -> None:
    assert Threshold(3, 5).most(19) == 3
    assert Threshold(3, 5).most(20) == 1
    assert Threshold(3, 5).most(1_000) == 3


def test_the_stricter_of_base_and_head_judges() -> None:
    base = guarded(max_objects_pruned={"count": 0})
    head = changed(without(base, "Guardrail/wall"), "PolicySet/acme", guards={"max_objects_pruned": {"count": 9}})
    assert trips(planned(base, head)) == {
        "guards_loosened": (1, 0, ("max_objects_pruned 0 or 100 % -> 9 or 100 %",)),
        "max_objects_pruned": (1, 0, ("Guardrail/wall",)),
    }
    late = changed(without(guarded(), "Guardrail/wall"), "PolicySet/acme", guards={"max_objects_pruned": {"count": 0}})
    assert set(trips(planned(guarded(), late))) == {"max_objects_pruned"}


def test_loosening_any_guard_is_told() -> None:
    base = guarded(
        min_portal_admins=2,
        required_admins=["ana"],
        always_ack=EVERYTHING,
        max_keys_losing_access={"count": 1, "percent": 1},
    )
    said = trips(planned(base, changed(base, "PolicySet/acme", guards={"always_ack": EVERYTHING[1:]})))
    assert said["guards_loosened"][2] == (
        "min_portal_admins 2 -> 0",
        "required_admins without ana",
        "max_keys_losing_access 1 or 1 % -> none",
        "always_ack without guardrail_removed",
    )


def test_nothing_goes_to_zero_unseen() -> None:
    base = guarded()
    assert trips(planned(base, without(base, "Role/chief"))) == {"goes_to_zero": (1, 0, ("portal admins",))}
    rules = without(base, "IssuanceRule/r")
    assert trips(planned(base, rules))["goes_to_zero"][2] == ("rules of the service payments-api",)
    key = a_key("k", service="payments-api")
    kept = {**rules, "IssuanceRule/s": {"spec": a_rule_spec(subjects={"teams": ["security"]})}}
    assert trips(planned(base, kept, keys=[key]))["goes_to_zero"][2] == ("live keys of the team payments",)
    half = changed(base, "IssuanceRule/r", limits={"max_ttl": "7d"})
    assert trips(planned(base, half, keys=[key, a_key("w", days=7, service="payments-api")])) == {}


def test_a_service_under_another_name_keeps_its_rules() -> None:
    base = guarded()
    head = renamed(base, "Service/payments-api", "pay")
    head = changed(head, "ScopeBundle/readonly", service="pay")
    head = changed(head, "IssuanceRule/r", grants={**a_rule_spec()["grants"], "service": "pay"})
    assert "goes_to_zero" not in trips(planned(base, head))


def test_protected_objects_ask_to_be_acknowledged() -> None:
    base = guarded()
    base["Guardrail/wall"]["metadata"] = {"protect": True}
    base["IssuanceRule/r"]["metadata"] = {"protect": True}
    head = without(changed(base, "IssuanceRule/r", approval="lead"), "Guardrail/wall")
    assert trips(planned(base, head)) == {
        "protected_object_changed": (2, 0, ("Guardrail/wall", "IssuanceRule/r")),
    }
    unprotected = deepcopy(base)
    del unprotected["Guardrail/wall"]["metadata"]
    assert set(trips(planned(base, unprotected))) == {"protected_object_changed"}


def test_without_keys_nobody_judges_what_they_lose() -> None:
    assert planned(guarded(), guarded()).guards.keys_judged is False
    assert planned(guarded(), guarded(), keys=[]).guards.keys_judged is True


def test_the_first_policy_has_nothing_to_guard() -> None:
    assert plan(None, read(guarded(min_portal_admins=9)), now=NOW).guards.trips == ()


def test_an_ack_excuses_its_guard_up_to_its_maximum() -> None:
    base = guarded(always_ack=EVERYTHING)
    gone = without(base, "Guardrail/wall")
    for changes in ({}, {"max": 1}, {"base": read(base).policy.digest[:19]}):
        made = planned(base, acked(gone, base, **changes))
        assert not made.is_blocked
        assert made.guards.trips[0].excused_by is not None
        assert made.guards.trips[0].excused_by.name == "a"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"max": 0}, AckState.TOO_SMALL),
        ({"base": "sha256:000000000000"}, AckState.WRONG_BASE),
        ({"expires_at": "2026-03-01T12:00:00Z"}, AckState.EXPIRED),
        ({"guard": "admin_changed"}, AckState.NOT_NEEDED),
    ],
)
def test_an_ack_that_does_not_fit_excuses_nothing(changes: dict[str, Any], state: AckState) -> None:
    base = guarded(always_ack=EVERYTHING)
    made = planned(base, acked(without(base, "Guardrail/wall"), base, **changes))
    assert made.is_blocked
    assert [result.state for result in made.guards.acks] == [state]


def test_an_ack_works_once() -> None:
    base = guarded(always_ack=EVERYTHING)
    head = acked(without(base, "Guardrail/wall"), base)
    (ack,) = acks_in(read(head).documents)
    spent = planned(base, head, spent={ack.digest})
    assert spent.is_blocked
    assert spent.guards.acks[0].state is AckState.SPENT
    copied = acked(without(base, "Guardrail/wall"), base, "another-name")
    assert planned(base, copied, spent={ack.digest}).is_blocked


def test_a_guard_that_counts_needs_a_maximum() -> None:
    base = guarded(max_objects_pruned={"count": 0})
    head = acked(without(base, "Guardrail/wall"), base, guard="max_objects_pruned")
    made = planned(base, head)
    assert (made.is_blocked, made.guards.acks[0].state) == (True, AckState.NO_MAXIMUM)
    enough = acked(head, base, "b", guard="max_objects_pruned", max=1)
    assert not planned(base, enough).is_blocked


def test_the_ack_that_a_plan_offers_is_one_that_excuses() -> None:
    base = guarded(max_objects_pruned={"count": 0})
    head = without(base, "Guardrail/wall")
    made = planned(base, head)
    offered: dict[str, Any] = dict(ack_document(made.guards.trips[0], made.base_digest or ""))
    assert not planned(base, acked(head, base, **offered)).is_blocked


def test_every_guard_has_a_word_in_the_schema() -> None:
    assert {"goes_to_zero", "guards_loosened"} <= {guard.value for guard in ChangeGuard}


def test_of_the_worked_example_one_guard_trips() -> None:
    made = plan(example("base"), example("pull-request"), now=NOW, keys=the_seven())
    assert trips(made) == {"max_keys_losing_access": (4, 3, ("kp_7Qd2", "kp_9Lm0", "kp_3Xe8", "kp_5Tn6"))}
