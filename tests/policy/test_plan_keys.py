"""What a change does to live keys: the verdict of both sides for each, and what follows."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from keymgr.policy.asking import FactValue
from keymgr.policy.existing import LiveKey, Verdict, standing_of
from keymgr.policy.model import Asker, Condition, OwnerKind
from keymgr.policy.plan import plan
from keymgr.policy.plan_keys import Effect, KeyReport, key_impact
from tests.policy.builders import (
    DAY,
    LIMITS,
    a_guardrail,
    a_person,
    a_policy,
    a_rule,
    a_waiver,
    an_account,
    at,
    limits,
)
from tests.policy.plan_folders import NOW, Objects, example, planned, read, sets, unhurried

MFA: dict[str, FactValue] = {"issuance.mfa": True}


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def a_key(name: str = "k", *, days: int = 30, used: int | None = None, **changes: object) -> LiveKey:
    key = LiveKey(
        asker=an_account(),
        service="payments",
        environment="dev",
        scopes=frozenset({"charges:read"}),
        cidrs=(),
        issued_at=NOW - DAY,
        expires_at=NOW + (days - 1) * DAY,
        facts={},
        rule="r",
        last_used_at=used,
        id=name,
    )
    return replace(key, **changes)  # type: ignore[arg-type] # Any field.


def the_seven() -> list[LiveKey]:
    """Return keys such as the reference's: four of seven would break, one moves with its rule, two stay."""
    pay = Asker("svc:pay-ci", OwnerKind.SERVICE_ACCOUNT, frozenset({"payments"}))
    ana = Asker("user:ana", OwnerKind.USER, frozenset({"analytics"}))
    write = a_key(
        asker=pay,
        service="payments-api",
        environment="prod",
        scopes=frozenset({"charges:write"}),
        cidrs=("10.20.4.0/24",),
        facts=MFA,
        rule="payments-prod-write",
    )
    report = a_key(
        asker=ana,
        service="payments-api",
        environment="prod",
        scopes=frozenset({"reports:read"}),
        cidrs=("10.40.1.0/24",),
        rule="analytics-reports",
    )
    return [
        replace(write, id="kp_7Qd2", expires_at=write.issued_at + 70 * DAY, last_used_at=NOW - 120),
        replace(write, id="kp_9Lm0", cidrs=("2001:db8:20:1::/64",), last_used_at=NOW - 3600),
        replace(report, id="kp_3Xe8", last_used_at=NOW - 3 * DAY + DAY),
        replace(report, id="kp_5Tn6"),
        replace(report, id="kp_stays", environment="staging"),
        replace(write, id="kp_fits"),
        replace(write, id="kp_dev", environment="dev", cidrs=(), rule="payments-nonprod"),
    ]


def test_of_the_seven_keys_of_the_reference_four_would_break() -> None:
    made = plan(example("base"), example("pull-request"), now=NOW, keys=the_seven())
    assert made.keys is not None
    assert made.keys.counts == {Effect.BREAKS: 4, Effect.MOVES: 1, Effect.UNTOUCHED: 2}
    assert (made.keys.checked, made.keys.losing) == (7, 4)
    breaking = made.keys.of(Effect.BREAKS)
    assert [(each.key.id, each.team, each.after.reasons[0].reason.value) for each in breaking] == [
        ("kp_7Qd2", "payments", "LIMIT_TTL"),
        ("kp_9Lm0", "payments", "LIMIT_CIDR"),
        ("kp_3Xe8", "analytics", "NO_RULE"),
        ("kp_5Tn6", "analytics", "NO_RULE"),
    ]
    assert {(each.after.action, each.due_at) for each in breaking} == {("flag", NOW + 14 * DAY)}
    (moved,) = made.keys.of(Effect.MOVES)
    assert (moved.after.verdict, moved.after.rule, moved.due_at) == (Verdict.OK, "analytics-settlement", None)
    (trip,) = made.guards.trips
    assert (trip.guard, trip.value, trip.limit) == ("max_keys_losing_access", 4, 3)


def report(before: object, after: object, *keys: LiveKey) -> KeyReport:
    return key_impact(keys, before, after, NOW)  # type: ignore[arg-type] # Policies.


def effects(found: KeyReport) -> dict[str, str]:
    return {impact.key.id: impact.effect.value for impact in found.impacts}


def test_every_verdict_has_its_effect() -> None:
    mfa = Condition("issuance.mfa", "equals", True, at("r.yaml", 1))  # noqa: FBT003 - The value.
    short = a_rule("r", limits=replace(LIMITS, max_ttl_seconds=7 * DAY, default_ttl_seconds=DAY))
    asks = a_rule("r", conditions=[mfa])
    keys = (a_key("long", days=30), a_key("week", days=7), a_key("proved", days=7, facts=MFA))
    free = a_policy(a_rule("r"))
    assert effects(report(free, a_policy(short), *keys)) == {"long": "breaks"}
    assert effects(report(a_policy(short), free, *keys)) == {"long": "mended"}
    assert effects(report(a_policy(short), a_policy(replace(short, owner="x")), *keys)) == {"long": "still_breaks"}
    assert effects(report(free, a_policy(asks), *keys)) == {"long": "unknown", "week": "unknown"}
    assert effects(report(a_policy(asks), a_policy(replace(asks, owner="x")), *keys)) == {
        "long": "still_unknown",
        "week": "still_unknown",
    }
    assert effects(report(a_policy(asks), a_policy(short), a_key("k"))) == {"k": "breaks"}
    assert effects(report(free, a_policy(a_rule("r")), *keys)) == {}
    other = a_policy(a_rule("other"))
    assert effects(report(free, other, a_key("k"))) == {"k": "moves"}
    assert effects(report(None, a_policy(short), *keys)) == {"long": "breaks"}


def test_an_exempt_key_is_told_with_the_change_that_made_it_one() -> None:
    wall = a_guardrail("wall", deny="no", waivable=True)
    waived = a_policy(a_rule("r"), guardrails=[wall], waivers=[a_waiver("wall", expires_at=NOW + DAY)])
    key = a_key("k", asker=a_person())
    assert effects(report(a_policy(a_rule("r")), waived, key)) == {"k": "exempt"}


def test_a_renamed_rule_goes_on_saying_what_happens_to_its_keys() -> None:
    before = a_policy(a_rule("r"))
    after = a_policy(replace(a_rule("s"), limits=replace(LIMITS, max_ttl_seconds=DAY, default_ttl_seconds=DAY)))
    (impact,) = key_impact([a_key("k")], before, after, NOW, {"r": "s"}).impacts
    assert impact.after.grace_seconds == 14 * DAY
    moved = key_impact([a_key("k")], before, a_policy(a_rule("s")), NOW, {"r": "s"})
    assert moved.of(Effect.MOVES)[0].after.verdict is Verdict.OK


def test_keys_used_most_recently_come_first() -> None:
    gone = a_policy(a_rule("other", teams=["security"]))
    keys = [a_key("never"), a_key("now", used=NOW), a_key("old", used=NOW - DAY), a_key("also-never")]
    found = report(a_policy(a_rule("r")), gone, *keys)
    assert [impact.key.id for impact in found.impacts] == ["now", "old", "also-never", "never"]
    assert found.checked_by_team == {"payments": 4}


def test_a_key_without_a_team_says_so() -> None:
    (impact,) = report(a_policy(), a_policy(a_rule("x")), a_key("k", asker=an_account(teams=()))).impacts
    assert impact.team == "no team"


def test_an_owner_who_changes_teams_with_the_policy_is_judged_on_each_side_as_they_are() -> None:
    key = a_key("k", asker=an_account(teams=["analytics"]), asker_before=an_account())
    assert effects(report(a_policy(a_rule("r")), a_policy(a_rule("r")), key)) == {"k": "breaks"}


asked_keys = st.builds(
    a_key,
    st.uuids().map(str),
    days=st.integers(1, 100),
    asker=st.sampled_from([a_person(), an_account(), a_person("ana", teams=["analytics"])]),
    service=st.sampled_from(["payments-api", "gone"]),
    environment=st.sampled_from(["dev", "prod"]),
    scopes=st.sampled_from([frozenset({"charges:read"}), frozenset({"charges:read", "refunds:write"})]),
    cidrs=st.sampled_from([(), ("10.20.4.0/24",)]),
    facts=st.sampled_from([{}, MFA]),
    rule=st.sampled_from([None, "rule-0", "rule-1"]),
)


@unhurried
@given(sets(), sets(), st.lists(asked_keys, max_size=6))
def test_what_is_remembered_is_what_each_key_would_be_told_alone(
    base: Objects, head: Objects, keys: list[LiveKey]
) -> None:
    made = planned(base, head, keys=keys)
    assert made.keys is not None
    assert made.keys.checked == len(keys) == sum(made.keys.counts.values())
    before, after = read(base).policy, read(head).policy
    for impact in made.keys.impacts:
        assert impact.before is not None
        assert impact.before.verdict is standing_of(before, impact.key, NOW).verdict
        assert impact.after.verdict is standing_of(after, impact.key, NOW).verdict


def test_age_and_use_are_never_remembered_for_another_key() -> None:
    idle = Condition("key.last_used_days", "at_most", 3, at("r.yaml", 1))
    policy = a_policy(a_rule("r", conditions=[idle], limits=limits()))
    keys = [a_key("used", used=NOW), a_key("unused", issued_at=NOW - 9 * DAY)]
    assert effects(report(a_policy(a_rule("r")), policy, *keys)) == {"unused": "breaks"}
