"""`docs/policy.md` is true: its files load and pass, and every field, code and fact stands in it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keymgr.policy.documents import KINDS
from keymgr.policy.facts import FACTS, OPERATORS
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.policy.testing import run_tests
from tests.policy.folders import ROOT

PAGE = (ROOT / "docs" / "policy.md").read_text()
NOW = datetime(2026, 3, 1, tzinfo=UTC)
FILES = {
    name: text.encode()
    for name, text in re.findall(r"^```yaml\n# ([a-z/-]+\.yaml)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}


def test_the_files_on_the_page_are_a_policy_that_passes_its_tests_with_nothing_left_to_show() -> None:
    assert len(FILES) >= 6
    found = read_policy(FILES, now=NOW)
    assert isinstance(found, ReadPolicy), [str(each) for each in found]
    assert {document.kind for document in found.documents} == set(KINDS)
    report = run_tests(found.documents, found.policy)
    assert [each.message for each in report.failures] == []
    assert report.gaps == ()
    assert len(report.results) >= 5


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_kind_stands_on_the_page_with_its_description(kind: str) -> None:
    schema = KINDS[kind].model_json_schema()
    for part in schema["$defs"].values():
        for name, field in part.get("properties", {}).items():
            row = f"| `{name}` | {field['description']} |"
            assert row in PAGE, row


def test_every_fact_stands_on_the_page_with_its_operators() -> None:
    for fact in FACTS.values():
        operators = ", ".join(f"`{operator}`" for operator in sorted(OPERATORS[fact.type]))
        assert f"| `{fact.name}` | {fact.description} | {operators} |" in PAGE


def test_every_code_stands_on_the_page_and_no_other() -> None:
    modules = [path for room in ("policy", "reconcile") for path in Path(ROOT, "keymgr", room).glob("*.py")]
    source = "".join(path.read_text() for path in modules)
    assert set(re.findall(r"^\| (E\d{3}) \|", PAGE, re.MULTILINE)) == set(re.findall(r'"(E\d{3})"', source))
