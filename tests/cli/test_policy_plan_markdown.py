"""The comment on a pull request: verdict first, never too long, nothing destructive lost, nothing taken for markup."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgr.cli import plan_github, plan_human, plan_markdown
from keymgr.cli.plan_folding import Row, Section, fitted
from keymgr.cli.plan_markdown import CHARACTERS_MAX, code
from keymgr.cli.plan_review import Review, clean, shown
from keymgr.policy.plan import Plan, plan
from keymgr.policy.plan_capabilities import CapabilityChange
from keymgr.policy.plan_fields import FieldChange
from keymgr.policy.plan_keys import Effect, KeyImpact, KeyReport
from keymgr.policy.plan_objects import Action, ObjectChange
from keymgr.policy.problems import Problem
from keymgr.policy.testing import TestReport, run_tests
from tests.policy.builders import at
from tests.policy.plan_folders import NOW, Objects, a_rule_spec, changed, example, objects, read, unhurried, without
from tests.policy.test_plan_keys import the_seven

CODE_SPAN = re.compile(r"`[^`]*`")


def review_of(made: Plan, **changes: Any) -> Review:  # noqa: ANN401 - any part of a plan.
    head = example("pull-request")
    return Review(replace(made, **changes), head, run_tests(head.documents, head.policy), "policies", "main")


@pytest.fixture(scope="module")
def made() -> Plan:
    return plan(example("base"), example("pull-request"), now=NOW, keys=the_seven())


def between(base: Objects, head: Objects) -> Review:
    before, after = read(base), read(head)
    return Review(plan(before, after, now=NOW), after, TestReport((), ()), "policies", "main")


def test_the_verdict_and_the_totals_come_first(made: Plan) -> None:
    lines = plan_markdown.render(review_of(made)).splitlines()
    assert lines[:2] == ["<!-- keymgr-plan:acme -->", "### Policy plan for `acme`: blocked by 1 guard"]
    top = "\n".join(lines[:20])
    for line in (
        "| Objects | 3 changed (1 renamed), 0 added, 0 removed |",
        "| **Capabilities** | **+2 gained (1 critical scope)**, 4 lost, 2 limited |",
        "| **Live keys** | **4 of 7 would break this policy**, 0 unknown, 2 untouched |",
        "| Tests | 2 of 11 failed |",
        "| Guards | 1 tripped |",
        "**Next:** fix 2 policy tests; then narrow the change, or add a ChangeAck to it.",
        "> `payments` (service_account) gain **`refunds:write` (critical)** on `payments-api` in `dev`, `staging`.",
    ):
        assert line in top


def test_everything_else_is_folded_away(made: Plan) -> None:
    text = plan_markdown.render(review_of(made))
    assert text.count("<details>") == text.count("</details>") == 5
    for title in (
        "Guards (1)",
        "Capabilities gained or widened (2)",
        "Capabilities lost or narrowed (6)",
        "Live keys (5)",
        "Objects added and changed (5)",
    ):
        assert f"<details><summary>{title}</summary>" in text
    assert "| **breaks** | `kp_7Qd2` | `payments` | `prod` | `LIMIT_TTL` " in text
    assert "| moves | `kp_stays` | `analytics` | `staging` | now by `analytics-settlement` | `nothing` |" in text


def test_live_keys_are_told_on_the_terminal_and_in_one_line(made: Plan) -> None:
    human = plan_human.render(review_of(made))
    assert "7 checked   4 would break   0 become unknown   1 kept by another or renamed rule   2 untouched" in human
    assert "  breaks         kp_7Qd2   payments prod   LIMIT_TTL At most 30 days" in human
    assert "flag, due 2026-03-15T12:00:00Z" in human
    assert "Live keys: 7 checked 4 would break" in plan_github.render(review_of(made))


def test_a_key_that_broke_before_keeps_its_time(made: Plan) -> None:
    assert made.keys is not None
    still = tuple(replace(impact, effect=Effect.STILL_BREAKS, due_at=None) for impact in made.keys.impacts[:1])
    keys = KeyReport(1, {Effect.STILL_BREAKS: 1}, still, {})
    assert "flag, as before" in plan_human.render(review_of(made, keys=keys))
    assert "1 break already" in plan_human.render(review_of(made, keys=keys))


def many_capabilities(made: Plan, number: int) -> tuple[CapabilityChange, ...]:
    lost = next(change for change in made.capabilities if change.delta.value == "lost")
    return tuple(
        replace(lost, service=f"service-{index % 900}", environments=(f"env-{index}",)) for index in range(number)
    )


def many_objects(number: int, action: Action) -> tuple[ObjectChange, ...]:
    source = at("rules/many.yaml", 1)
    field = FieldChange("spec.limits.max_ttl", "90d", "30d", source)
    return tuple(
        ObjectChange(action, "IssuanceRule", f"rule-{index}", source, changes=() if index % 2 else (field,))
        for index in range(number)
    )


def many_keys(made: Plan, number: int) -> KeyReport:
    assert made.keys is not None
    one = made.keys.impacts[0]
    impacts = tuple(replace(one, key=replace(one.key, id=f"key-{index}")) for index in range(number))
    return KeyReport(number, {Effect.BREAKS: number}, impacts, {"payments": number})


def test_ten_thousand_changes_fit_and_are_all_counted(made: Plan) -> None:
    review = review_of(
        made,
        capabilities=many_capabilities(made, 10_000),
        objects=(*many_objects(10_000, Action.REMOVED), *many_objects(10_000, Action.ADDED)),
        keys=many_keys(made, 10_000),
    )
    text = plan_markdown.render(review)
    assert len(text) <= CHARACTERS_MAX
    assert "10000 of 10000 would break" in text
    for title in (
        "Capabilities lost or narrowed (40000), folded",
        "Live keys (10000), folded",
        "Objects removed (10000)",
    ):
        assert title in text
    assert "| 10000 keys |" in text


def test_what_is_destructive_keeps_its_lines_when_the_rest_is_folded(made: Plan) -> None:
    objects_ = (*many_objects(60, Action.REMOVED), *many_objects(10_000, Action.ADDED))
    text = plan_markdown.render(review_of(made, capabilities=many_capabilities(made, 20), objects=objects_))
    assert len(text) <= CHARACTERS_MAX
    assert all(f"`IssuanceRule/rule-{index}`" in text for index in range(60))
    assert all(f"`env-{index}`" in text for index in range(20))
    assert all(f"`{key.id}`" in text for key in the_seven()[:4])
    assert "Objects added and changed (10000), folded" in text


@unhurried
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 3_000), st.text(max_size=20)),
        max_size=6,
    ),
    st.integers(3_000, 60_000),
)
def test_folding_never_goes_over_and_never_loses_a_count(parts: list[tuple[int, int, str]], room: int) -> None:
    sections = [
        Section(
            f"s{index}",
            ("", "what"),
            tuple(Row((code(f"{name}{row}"), "x"), ((f"{row % 50}",), ("all",))) for row in range(number)),
            "rows",
            rank,
        )
        for index, (rank, number, name) in enumerate(parts)
    ]
    text = fitted(sections, room)
    assert len(text) <= room
    assert all(f"s{index} ({number})" in text for index, (_, number, _) in enumerate(parts))


HOSTILE = [
    "a|b",
    "`; rm -rf /`",
    "<img src=x onerror=alert(1)>",
    "@acme/everyone",
    "line\nbreak",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "[link](https://example.org)",
    "<!-- keymgr-plan:other -->",
    "</details>",
    "~~~",
    "#1 &amp; **bold**",
    "\\",
    "",
]


def hostile_review(made: Plan, name: str) -> Review:
    """Return a plan with the name everywhere a name can stand."""
    assert made.keys is not None
    change, source = next(each for each in made.capabilities if each.widens), at(name or "x", 1)
    hostile = replace(
        change,
        subject=replace(change.subject, teams=frozenset({name})),
        service=name,
        scopes=((name, change.risk),),
        environments=(name,),
        cause=replace(change.cause, name=name, source=source),
        limits=tuple(replace(each, before=name, after=name) for each in made.capabilities[-1].limits),
    )
    field = FieldChange(f"spec.{name}", name, [name], source, via=name)
    objects_ = (ObjectChange(Action.RENAMED, "IssuanceRule", name, source, name, changes=(field,)),)
    impact = made.keys.impacts[0]
    after = replace(impact.after, reasons=(replace(impact.after.reasons[0], sentence=name),))
    key = KeyImpact(replace(impact.key, id=name), impact.before, after, impact.effect, NOW)
    return review_of(made, capabilities=(hostile,), objects=objects_, keys=KeyReport(1, {Effect.BREAKS: 1}, (key,), {}))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_names_in_markdown(made: Plan, name: str) -> None:
    text = plan_markdown.render(hostile_review(made, name))
    bare = CODE_SPAN.sub("", text)
    assert not any(part in bare for part in ("@", "onerror", "example.org", "`"))
    assert bare.count("<!--") == 1
    assert bare.count("</details>") == bare.count("<details>")
    for row in (line for line in text.splitlines() if line.startswith("| ")):
        assert row.replace("\\|", "").count("|") in (3, 4, 6, 7, 8)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text_in_every_format(made: Plan, name: str) -> None:
    review = hostile_review(made, name)
    for told in (plan_markdown.render(review), plan_human.render(review), plan_github.render(review)):
        assert not any(character in told for character in "\x1b\u202e\u200b")
    assert all(line.startswith("::") for line in plan_github.render(review).splitlines())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_code_span_is_one_line_without_a_way_out(text: str) -> None:
    span = code(text)
    assert "\n" not in span
    assert span.count("`") in (0, 2)
    assert "|" not in span.replace("\\|", "")


def test_long_texts_are_cut_in_a_cell_and_many_names_counted() -> None:
    assert len(code("x" * 5_000)) == 302
    assert clean("a\tb") == "a\\u0009b"


def test_values_are_written_as_in_policy_files() -> None:
    assert shown({"a": [True, None, 5]}) == "{a: [true, (none), 5]}"


def test_many_critical_gains_are_cut_in_the_caution_and_listed_below() -> None:
    base = objects()
    grants = {"service": "payments-api", "environments": ["dev"], "scopes": ["refunds:write"]}
    teams = {f"Team/team-{number}": {"spec": {"members": ["x"]}} for number in range(8)}
    rules = {
        f"IssuanceRule/r-{number}": {"spec": a_rule_spec(subjects={"teams": [f"team-{number}"]}, grants=grants)}
        for number in range(8)
    }
    review = between({**base, **teams}, {**base, **teams, **rules})
    text = plan_markdown.render(review)
    assert "> … and 3 more below." in text
    assert "**+16 gained (1 critical scope)**" in text
    assert "**Next:** write a policy test." in text
    assert "| + | `IssuanceRule/r-0` |  | added |" in text
    wider = changed({**base, **teams, **rules}, "PolicySet/acme", defaults={"max_ttl": "99d", "max_keys_per_owner": 3})
    assert "may do more with **`refunds:write` (critical)**" in plan_markdown.render(
        between({**base, **teams, **rules}, wider)
    )
    back = between({**base, **teams, **rules}, {**base, **teams})
    assert "`IssuanceRule/r-0` (removed)" in plan_markdown.render(back)
    assert "by IssuanceRule/r-0 (removed)" in plan_human.render(back)


def test_a_touched_rule_is_counted_and_said() -> None:
    base = objects({"IssuanceRule/r": {"spec": a_rule_spec()}})
    head = changed(base, "PolicySet/acme", defaults={"max_ttl": "30d", "max_keys_per_owner": 3})
    text = plan_human.render(between(base, head))
    assert "   1 touched by them" in text
    assert "      limits.max_ttl: 90d -> 30d (by PolicySet/acme)" in text


def test_lists_show_what_comes_and_goes() -> None:
    base = objects({"IssuanceRule/r": {"spec": a_rule_spec(subjects={"teams": ["payments"], "roles": ["lead"]})}})
    base["Role/lead"] = {"spec": {"members": ["ana", "ben"]}}
    head = changed(base, "Role/lead", members=["ben", "cleo"])
    assert "      members: - ana, + cleo" in plan_human.render(between(base, head))


def test_examples_name_roles_networks_facts_and_held_keys() -> None:
    spec = a_rule_spec(
        subjects={"roles": ["lead"]},
        limits={"max_keys_per_owner": 5, "allowed_cidrs": {"max_entries": 9}},
        conditions=[{"fact": "issuance.mfa", "equals": True}],
    )
    base = objects({"Role/lead": {"spec": {"members": ["ana"]}}, "IssuanceRule/r": {"spec": spec}})
    fewer = changed(base, "IssuanceRule/r", limits={"max_keys_per_owner": 4, "allowed_cidrs": {"max_entries": 9}})
    told = plan_human.render(between(base, fewer))
    assert (
        "service_account of role lead, dev, charges:read, ttl 1h, issuance.mfa: true, holding 4 keys: allow -> deny"
        in told
    )
    entries = changed(base, "IssuanceRule/r", limits={"max_keys_per_owner": 5, "allowed_cidrs": {"max_entries": 8}})
    assert "cidr 192.0.2.3, …, issuance.mfa: true: allow -> deny LIMIT_CIDR" in plan_human.render(
        between(base, entries)
    )
    rates = {**spec["limits"], "rate_limits": [{"name": "burst", "requests": 5, "per": "10s"}]}
    assert "allow, on other terms" in plan_human.render(between(base, changed(base, "IssuanceRule/r", limits=rates)))


def test_without_an_example_there_is_no_line_for_it() -> None:
    base = objects({"IssuanceRule/r": {"spec": a_rule_spec()}})
    wall = {"applies_to": {"teams": ["security"]}, "enforcement": "enforce", "deny": {"reason": "no"}}
    review = between(base, {**base, "Guardrail/g": {"spec": wall}})
    assert "example:" not in plan_human.render(review)
    assert "e. g." not in plan_markdown.render(review)


def test_guards_that_trip_together_are_told_together() -> None:
    base = objects({"IssuanceRule/r": {"spec": a_rule_spec()}}, {"max_objects_pruned": {"count": 0}})
    review = between(base, without(base, "IssuanceRule/r"))
    assert review.next_step.endswith("add a ChangeAck for each guard to it.")
    assert (
        "| `max_objects_pruned counts 1, 0 allowed` | `IssuanceRule/r` | add `kind ChangeAck,"
        in plan_markdown.render(review)
    )


def test_problems_are_a_comment_that_fits() -> None:
    problems = tuple(
        Problem("E203", "x.yaml", line, 1, "there is no kind <b>", "write @it") for line in range(1, 3_000)
    )
    text = plan_markdown.render_problems("acme", "policies", problems)
    assert len(text) <= CHARACTERS_MAX
    assert "**Next:** mend 2999 problems." in text
    assert "| E203 |" in text
    few = plan_markdown.render_problems("acme", "policies", problems[:2])
    assert "| `policies/x.yaml:1:1` | E203 | `there is no kind <b>` | `write @it` |" in few


def test_colour_only_on_a_terminal(made: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in plan_human.render(review_of(made))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in plan_human.render(review_of(made))
