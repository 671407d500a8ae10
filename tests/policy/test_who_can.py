"""Who can hold what: groups with their terms, the people that the policy names, and unknown names told."""

from dataclasses import replace

from keymgr.policy.who_can import Holder, UnknownName, who_can
from tests.policy.builders import LIMITS, NOW, a_policy, a_rule, steps
from tests.policy.plan_folders import example


def holders(**question: str) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...], str, int]]:
    found = who_can(example("base").policy, "payments-api", now=NOW, **question)
    assert isinstance(found, tuple)
    return [
        (
            str(each.subject),
            each.kind.value,
            each.scopes,
            each.environments,
            each.capability.deciding.rule.name,
            each.capability.deciding.steps,
        )
        for each in found
    ]


def test_of_the_example_who_may_write_charges_in_prod() -> None:
    assert holders(scope="charges:write", environment="prod") == [
        ("payments", "service_account", ("charges:write",), ("prod",), "payments-prod-write", 2)
    ]
    assert holders(scope="refunds:write") == []


def test_cells_on_the_same_terms_are_one_group() -> None:
    assert [line[:4] for line in holders() if line[0] == "payments"] == [
        ("payments", "service_account", ("charges:read", "charges:write"), ("prod",)),
        ("payments", "service_account", ("charges:read", "charges:write", "reports:read"), ("dev", "staging")),
        ("payments", "user", ("charges:read", "charges:write", "reports:read"), ("dev", "staging")),
    ]


def test_a_name_that_is_not_declared_is_told_with_those_that_are() -> None:
    policy = a_policy(a_rule("r"))
    assert who_can(policy, "pay", now=NOW) == UnknownName("service", "pay", ("payments",))
    scope = who_can(policy, "payments", "charges", now=NOW)
    assert isinstance(scope, UnknownName)
    assert (scope.noun, scope.known[0]) == ("scope", "charges:read")
    where = who_can(policy, "payments", None, "lab", now=NOW)
    assert where == UnknownName("environment", "lab", ("dev", "staging", "prod"))


def test_people_are_named_and_service_accounts_are_not() -> None:
    policy = a_policy(a_rule("r"), a_rule("s", approval=steps(1), limits=replace(LIMITS, max_keys_per_owner=9)))
    team = replace(policy.teams["payments"], members=frozenset({"ana"}))
    found = who_can(replace(policy, teams={**policy.teams, "payments": team}), "payments", now=NOW)
    assert isinstance(found, tuple)
    assert all(isinstance(each, Holder) for each in found)
    assert [(each.kind.value, each.people, len(each.capability.ways)) for each in found] == [
        ("service_account", (), 2),
        ("user", ("ana",), 2),
    ]
