"""Every file in `malformed/` is refused exactly where and why its first lines say, and nothing else is told."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keymgr.policy.problems import Problem
from keymgr.policy.read import ReadPolicy, read_policy

HERE = Path(__file__).parent
NOW = datetime(2026, 3, 1, tzinfo=UTC)
BASE = {
    path.relative_to(HERE / "example" / "base").as_posix(): path.read_bytes()
    for path in (HERE / "example" / "base").rglob("*.yaml")
}
MALFORMED = sorted((HERE / "malformed").iterdir())


def problems(content: bytes) -> tuple[Problem, ...]:
    found = read_policy({**BASE, "tests/zz.yaml": content}, now=NOW)
    return () if isinstance(found, ReadPolicy) else found


def test_the_corpus_is_large_and_the_set_around_it_is_good() -> None:
    assert len(MALFORMED) >= 80
    assert isinstance(read_policy(BASE, now=NOW), ReadPolicy)


@pytest.mark.parametrize("path", MALFORMED, ids=[path.stem for path in MALFORMED])
def test_a_malformed_file_is_refused_at_the_very_place_and_for_nothing_else(path: Path) -> None:
    content = path.read_bytes()
    expected = [
        (code.decode(), int(line), int(column))
        for code, line, column in re.findall(rb"# expect (E\d+) (\d+):(\d+)\n", content)
    ]
    found = problems(content)
    assert expected
    assert [(each.code, each.line, each.column) for each in found] == sorted(expected, key=lambda each: each[1:]), found
    assert {each.file for each in found} == {"tests/zz.yaml"}
    for each in found:
        assert each.message
        assert each.remedy
        assert "\n" not in str(each)
        assert str(each).isprintable()
