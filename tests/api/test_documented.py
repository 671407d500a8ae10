"""Every code and every member of an answer is in the documentation, in words."""

import re

import pytest

from keymgr.api.problem import ProblemCode
from keymgr.api.shortcut import ROADS
from keymgr.keys.verdict import MESSAGES
from keymgr.tokens.verdicts import VerdictCode
from tests.api.machine import ROOT
from tests.api.test_verify_call import MEMBERS

ERRORS = (ROOT / "docs" / "errors" / "README.md").read_text()
VERIFICATION = (ROOT / "docs" / "verification.md").read_text()


@pytest.mark.parametrize("code", [*VerdictCode, *ProblemCode])
def test_every_code_has_its_section(code: str) -> None:
    assert re.search(rf"^### {code}\n[^\n#]{{20,}}", ERRORS, re.MULTILINE)


def test_no_section_describes_a_code_that_is_gone() -> None:
    assert set(re.findall(r"^### (\S+)$", ERRORS, re.MULTILINE)) == {*VerdictCode, *ProblemCode}


@pytest.mark.parametrize("code", list(VerdictCode))
def test_every_verdict_is_in_the_table_and_has_its_words(code: VerdictCode) -> None:
    assert f"| `{code}` |" in VERIFICATION
    assert MESSAGES[code].endswith(".")


@pytest.mark.parametrize("member", sorted(MEMBERS))
def test_every_member_of_an_answer_is_shown(member: str) -> None:
    assert f'"{member}"' in VERIFICATION


@pytest.mark.parametrize("path", list(ROADS))
def test_every_road_round_flask_is_described(path: str) -> None:
    assert path in VERIFICATION
