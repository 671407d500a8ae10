"""The words of the explanation, and that a proposed rule is one that would help."""

import pytest

from keymgr.policy.compile import compile_policy
from keymgr.policy.decide import decide
from keymgr.policy.decision import Allowed, Denied, NeedsApproval
from keymgr.policy.explain import explain
from keymgr.policy.load import Loaded, load
from keymgr.policy.model import Asker, Evidence, OwnerKind, Policy, Wish
from keymgr.web.explanation import panel_of
from keymgr.web.explanation_lines import Answer
from keymgr.web.forge import Forge
from keymgr.web.proposal import proposed_rule
from tests.policy.builders import a_person, a_policy, a_rule, a_wish, steps
from tests.web.house import ROOT

NOTHING_KNOWN = Evidence({})
FILES = {
    path.relative_to(ROOT / "policies").as_posix(): path.read_bytes() for path in (ROOT / "policies").rglob("*.yaml")
}


def compiled(files: dict[str, bytes]) -> Policy:
    loaded = load(files)
    assert isinstance(loaded, Loaded), loaded
    policy = compile_policy(loaded.documents)
    assert isinstance(policy, Policy), policy
    return policy


@pytest.mark.parametrize(
    ("environment", "scopes", "cidrs"),
    [("dev", {"traffic:read"}, ()), ("prod", {"traffic:read"}, ()), ("prod", {"traffic:read", "settlement:read"}, ())],
)
def test_a_proposed_rule_is_valid_and_grants_the_wish(
    environment: str, scopes: set[str], cidrs: tuple[str, ...]
) -> None:
    policy = compiled(FILES)
    asker = Asker("user:ben", OwnerKind.USER, frozenset({"payments"}), frozenset({"developer"}))
    wish = Wish("reports", environment, frozenset(scopes), None, cidrs)
    assert isinstance(decide(policy, asker, wish, NOTHING_KNOWN, 0), Denied)
    proposal = proposed_rule(policy, asker, wish)
    assert proposal
    widened = compiled({**FILES, "rules/proposed.yaml": proposal.encode()})
    assert isinstance(decide(widened, asker, wish, NOTHING_KNOWN, 0), Allowed | NeedsApproval)


def test_nobody_without_team_and_role_is_proposed_a_rule() -> None:
    policy = compiled(FILES)
    asker = Asker("user:x", OwnerKind.USER, frozenset())
    assert proposed_rule(policy, asker, Wish("reports", "dev", frozenset({"traffic:read"}))) is None
    alone = Asker("user:x", OwnerKind.USER, frozenset(), frozenset({"developer"}))
    assert 'roles: ["developer"]' in (
        proposed_rule(policy, alone, Wish("reports", "dev", frozenset({"traffic:read"}))) or ""
    )
    assert proposed_rule(policy, alone, Wish("nothing", "dev", frozenset({"a:b"}))) is None


def test_scopes_that_only_go_in_two_keys_say_so() -> None:
    policy = a_policy(
        a_rule("reading", scopes=["charges:read"]),
        a_rule("writing", scopes=["charges:write"]),
    )
    asker = a_person("ana")
    wish = a_wish("charges:read", "charges:write")
    explanation = explain(policy, asker, wish, NOTHING_KNOWN, 0)
    panel = panel_of(explanation, policy=policy, asker=asker, wish=wish, forge=Forge(None, "policies", None, 3))
    assert panel.answer is Answer.REFUSED
    assert "not all of them in one key" in panel.sentence
    assert panel.hint == "Ask for separate keys."
    assert [line.answer for line in panel.lines] == [Answer.GRANTED, Answer.GRANTED]
    assert any("Ask for 2 keys" in point.sentence for point in panel.points)


def test_without_a_forge_and_a_commit_a_place_is_a_file_a_line_and_a_revision() -> None:
    policy = a_policy(a_rule("approved", scopes=["charges:read"], approval=steps(2)))
    asker, wish = a_person("ana"), a_wish("charges:read")
    explanation = explain(policy, asker, wish, NOTHING_KNOWN, 0)
    panel = panel_of(explanation, policy=policy, asker=asker, wish=wish, forge=Forge(None, "policies", None, 3))
    place = panel.lines[0].place
    assert place
    assert place.url is None
    assert place.text.startswith("policies/")
    assert place.text.endswith("@ revision 3")
    assert panel.button == "Send for approval"
    assert panel.reason_wanted


def test_every_sentence_ends_like_one() -> None:
    policy = compiled(FILES)
    asker = Asker("user:ben", OwnerKind.USER, frozenset({"payments"}), frozenset({"developer"}))
    for service in policy.services.values():
        for environment in service.environments:
            wish = Wish(service.name, environment, frozenset(service.scopes))
            explanation = explain(policy, asker, wish, NOTHING_KNOWN, 0)
            panel = panel_of(explanation, policy=policy, asker=asker, wish=wish, forge=Forge(None, "", "abc", 1))
            said = [panel.sentence, *(point.sentence for line in panel.lines for point in line.points)]
            said += [line.sentence for line in panel.lines if line.sentence]
            assert all(text[0].isupper() or text[0].islower() for text in said)
            assert all(text.rstrip().endswith((".", "?")) for text in said), said
