"""The explanation: the whole wish beside each scope on its own."""

from keymgr.policy.decide import decide
from keymgr.policy.decision import Allowed, Denied, NeedsApproval
from keymgr.policy.explain import explain
from keymgr.policy.model import Risk, Wish
from tests.policy.builders import NOW, a_person, a_policy, a_rule, a_wish, evidence, steps

READS = a_rule("reads")
REFUNDS = a_rule("refunds", scopes=["charges:read", "refunds:write"], approval=steps(1))
POLICY = a_policy(READS, REFUNDS)


def test_all_three_answers_stand_in_one_explanation_in_the_order_of_declaration() -> None:
    wish = a_wish("reports:read", "refunds:write", "charges:read")
    explained = explain(POLICY, a_person(), wish, evidence(), NOW)
    assert isinstance(explained.whole, Denied)
    lines = [(line.scope, line.risk, type(line.decision)) for line in explained.lines]
    assert lines == [
        ("charges:read", Risk.LOW, Allowed),
        ("refunds:write", Risk.CRITICAL, NeedsApproval),
        ("reports:read", Risk.MEDIUM, Denied),
    ]
    assert explained.lines[0].description == "May charges:read"


def test_the_whole_is_what_decide_says() -> None:
    wish = a_wish("refunds:write", "charges:read")
    explained = explain(POLICY, a_person(), wish, evidence(), NOW)
    assert explained.whole == decide(POLICY, a_person(), wish, evidence(), NOW)
    assert isinstance(explained.whole, NeedsApproval)


def test_one_scope_alone_has_the_answer_of_the_whole() -> None:
    explained = explain(POLICY, a_person(), a_wish("charges:read"), evidence(), NOW)
    assert [line.decision for line in explained.lines] == [explained.whole]


def test_unknown_scopes_come_last_without_a_risk() -> None:
    explained = explain(POLICY, a_person(), a_wish("zebra:ride", "charges:read"), evidence(), NOW)
    assert [(line.scope, line.risk, line.description) for line in explained.lines][1] == ("zebra:ride", None, "")


def test_an_unknown_service_is_explained_too() -> None:
    explained = explain(POLICY, a_person(), a_wish("a:b", service="nope"), evidence(), NOW)
    assert isinstance(explained.lines[0].decision, Denied)


def test_no_scopes_leave_no_lines() -> None:
    wish = Wish("payments", "dev", frozenset())
    explained = explain(POLICY, a_person(), wish, evidence(), NOW)
    assert explained.lines == ()
    assert isinstance(explained.whole, Denied)
