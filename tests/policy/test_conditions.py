"""Conditions over facts: what holds, what does not, and what is not known."""

import time
from collections.abc import Mapping

import pytest

from keymgr.policy.decide import decide
from keymgr.policy.decision import Allowed, Denied, Reason
from keymgr.policy.model import Condition, FactValue
from keymgr.policy.patterns import fits, pattern_fault
from tests.policy.builders import DAY, NOW, a_person, a_policy, a_rule, a_wish, an_account, at, evidence

HERE = at("rules/r.yaml", 9, 7)


def outcome(condition: tuple[str, str, FactValue], facts: Mapping[str, FactValue] | None = None, **wish: object) -> str:
    rule = a_rule("r", scopes=["charges:read", "reports:read"], conditions=[Condition(*condition, HERE)])
    asked = a_wish("charges:read", "reports:read", **wish)  # type: ignore[arg-type] # Only the wish's own fields.
    decision = decide(a_policy(rule), a_person(), asked, evidence(facts), NOW)
    if isinstance(decision, Allowed):
        return "holds"
    assert isinstance(decision, Denied)
    (unmet,) = decision.reasons
    assert unmet.source == HERE
    return f"{unmet.reason}: {unmet.sentence}"


@pytest.mark.parametrize(
    ("condition", "facts"),
    [
        (("owner.status", "equals", "active"), {}),
        (("owner.kind", "in", ("user",)), {}),
        (("owner.teams", "in", ("payments", "analytics")), {}),
        (("owner.teams", "not_in", ("analytics",)), {}),
        (("service.status", "equals", "active"), {}),
        (("environment.tier", "equals", "nonprod"), {}),
        (("scope.risk", "equals", "medium"), {}),
        (("scope.risk", "at_most", "medium"), {}),
        (("scope.risk", "at_least", "low"), {}),
        (("key.ttl", "at_most", 30 * DAY), {}),
        (("key.ttl", "at_least", 30 * DAY), {}),
        (("key.age", "at_most", DAY), {}),
        (("key.last_used_days", "at_most", 30), {}),
        (("key.last_used_days", "equals", 0), {}),
        (("issuance.mfa", "equals", True), {"issuance.mfa": True}),
        (("issuance.source_ip", "in", ("10.0.0.0/8",)), {"issuance.source_ip": "10.1.2.3"}),
        (("issuance.source_ip", "not_in", ("10.0.0.0/8",)), {"issuance.source_ip": "192.0.2.1"}),
        (("issuance.ticket", "matches", "^(INC|CHG)-[0-9]+$"), {"issuance.ticket": "CHG-4411"}),
        (("issuance.approvers", "in", ("eli",)), {"issuance.approvers": ("ada", "eli")}),
    ],
)
def test_a_condition_that_holds_lets_the_rule_accept(
    condition: tuple[str, str, FactValue], facts: Mapping[str, FactValue]
) -> None:
    assert outcome(condition, facts) == "holds"


@pytest.mark.parametrize(
    ("condition", "facts", "words"),
    [
        (("owner.kind", "equals", "service_account"), {}, "The kind of owner has to be service account; it is user."),
        (
            ("owner.teams", "in", ("analytics",)),
            {},
            "The team of the owner has to be one of analytics; it is payments.",
        ),
        (("owner.teams", "not_in", ("payments",)), {}, "has to be none of payments; it is payments."),
        (("scope.risk", "at_most", "low"), {}, "The highest risk of the scopes has to be at most low; it is medium."),
        (("scope.risk", "at_least", "nonsense"), {}, "FACT_MISMATCH"),
        (("key.ttl", "at_most", 7 * DAY), {}, "The lifetime has to be at most 7 days; it is 30 days."),
        (("key.ttl", "at_most", "7d"), {}, "FACT_MISMATCH"),
        (("key.ttl", "at_most", True), {}, "FACT_MISMATCH"),
        (("key.last_used_days", "at_least", 3), {}, "has to be at least 3; it is 0."),
        (("issuance.mfa", "equals", True), {"issuance.mfa": False}, "It needs a sign-in with a second factor"),
        (("issuance.mfa", "equals", True), {"issuance.mfa": 1}, "FACT_MISMATCH"),
        (
            ("issuance.mfa", "equals", False),
            {"issuance.mfa": True},
            "The second factor at sign-in has to be no; it is yes.",
        ),
        (("issuance.source_ip", "in", ("10.0.0.0/8",)), {"issuance.source_ip": "192.0.2.1"}, "it is 192.0.2.1."),
        (("issuance.source_ip", "in", ("10.0.0.0/8",)), {"issuance.source_ip": "somewhere"}, "FACT_MISMATCH"),
        (("issuance.source_ip", "in", ("nowhere",)), {"issuance.source_ip": "10.0.0.1"}, "FACT_MISMATCH"),
        (("issuance.source_ip", "not_in", ("nowhere",)), {"issuance.source_ip": "10.0.0.1"}, "FACT_MISMATCH"),
        (("issuance.source_ip", "not_in", ("10.0.0.0/8",)), {"issuance.source_ip": "10.0.0.1"}, "FACT_MISMATCH"),
        (("key.cidrs", "in", ("10.0.0.0/8",)), {}, "Every network of the key has to be inside 10.0.0.0/8; it is none."),
        (("key.cidrs", "not_in", ("10.0.0.0/8",)), {}, "FACT_MISMATCH"),
        (("issuance.ticket", "matches", "CHG-[0-9]+"), {"issuance.ticket": "CHG-1 or so"}, "of the form CHG-[0-9]+"),
        (("issuance.ticket", "matches", "CHG-[0-9]+"), {"issuance.ticket": ""}, "it is not."),
        (("issuance.ticket", "matches", "[0-9]+"), {"issuance.ticket": 7}, "FACT_MISMATCH"),
        (("issuance.ticket", "looks_like", "CHG-1"), {"issuance.ticket": "CHG-1"}, "FACT_MISMATCH"),
        (("issuance.ticket", "matches", "CHG-[0-9]+"), {}, "FACT_UNKNOWN: The ticket has to be of the form"),
        (("issuance.mfa", "equals", True), {}, "FACT_UNKNOWN: It needs a sign-in with a second factor"),
        (("issuance.reason", "not_in", ("none",)), {}, "FACT_UNKNOWN"),
        (("issuance.shoe_size", "at_most", 44), {}, "FACT_UNKNOWN"),
    ],
)
def test_a_condition_that_does_not_hold_says_so_in_words(
    condition: tuple[str, str, FactValue], facts: Mapping[str, FactValue], words: str
) -> None:
    assert words in outcome(condition, facts)


def test_networks_of_the_key_have_to_lie_inside_the_condition() -> None:
    condition = ("key.cidrs", "in", ("10.0.0.0/8",))
    assert outcome(condition, cidrs=["10.1.0.0/16"]) == "holds"
    assert "FACT_MISMATCH" in outcome(condition, cidrs=["10.1.0.0/16", "192.0.2.0/24"])
    assert outcome(("key.cidrs", "not_in", ("10.0.0.0/8",)), cidrs=["192.0.2.0/24"]) == "holds"
    assert "FACT_MISMATCH" in outcome(("key.cidrs", "not_in", ("10.0.0.0/8",)), cidrs=["0.0.0.0/0"])


def test_evidence_cannot_talk_over_what_we_know_ourselves() -> None:
    rule = a_rule("r", conditions=[Condition("owner.kind", "equals", "user", HERE)])
    claimed = evidence({"owner.kind": "user"})
    decision = decide(a_policy(rule), an_account(), a_wish(), claimed, NOW)
    assert isinstance(decision, Denied)
    assert decision.reasons[0].reason is Reason.FACT_MISMATCH


@pytest.mark.parametrize("pattern", ["[A-Z]+-[0-9]+", r"^\d{3}\.\w*$", "(?:a|b)c?", "a{2}b{1,}", "[^x-]+", "é"])
def test_patterns_of_the_small_language_are_accepted(pattern: str) -> None:
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("a" * 201, "at most 200"),
        ("(a+)+", "write it simpler"),
        ("((a))", "write it simpler"),
        (r"(a)\1", "write it simpler"),
        ("(?=a)", "write it simpler"),
        ("a**", "write it simpler"),
        ("[a||b]", "write it simpler"),
        ("", "write it simpler"),
        ("a*a*a*a*", "At most 3 parts"),
        ("(a|b)(a|b)(a|b)(a|b)(a|b)", "at most 16 alternatives"),
        ("[z-a]", "cannot be read: bad character range"),
        ("a{3,2}", "cannot be read"),
    ],
)
def test_patterns_that_could_run_away_or_cannot_be_read_are_refused(pattern: str, words: str) -> None:
    fault = pattern_fault(pattern)
    assert fault is not None
    assert words in fault
    assert not fits(pattern, "a")


def test_a_pattern_has_to_fit_the_whole_text() -> None:
    assert fits("[a-z]+", "abc")
    assert not fits("[a-z]+", "abc1")
    assert not fits("[a-z]+", "abc\n")
    assert not fits("^[a-z]+$", "abc\n")
    assert not fits("[a-z]+", "a" * 201)


def test_the_worst_pattern_and_text_are_answered_at_once() -> None:
    started = time.perf_counter()
    assert not fits("a*a*a*b", "a" * 200)
    assert time.perf_counter() - started < 1
