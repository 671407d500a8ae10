"""Whatever is thrown at the loader, it answers with documents or problems, never with an exception."""

import json
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from keymgr.policy.load import Loaded, load
from keymgr.policy.problems import Problem
from keymgr.policy.read import ReadPolicy, read_policy
from tests.policy.folders import documents_of

HERE = Path(__file__).parent / "example" / "base"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
FILES = sorted(HERE.rglob("*.yaml"))
DOCUMENTS = documents_of(HERE)
TOKENS = [
    b"\t",
    b"*a",
    b"&a ",
    b"!!str ",
    b"<<: ",
    b"- ",
    b"---\n",
    b"...\n",
    b"[",
    b"]",
    b"{",
    b"}",
    b": ",
    b"\n",
    b"'",
]
TOKENS += [
    b'"',
    b"%",
    b"#",
    b"|\n",
    b">\n",
    b"? ",
    b"NO",
    b"1:30",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"\x00",
    b"null",
    b"@",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(FILES)).read_bytes())
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 0, 1, 2, 10, 100]))
        content[place : place + length] = draw(st.sampled_from(TOKENS) | st.binary(max_size=4))
    return bytes(content)


def told(problems: tuple[Problem, ...], content: bytes) -> None:
    lines = content.count(b"\n") + content.count(b"\r") + 2
    assert problems
    for each in problems:
        assert 1 <= each.line <= lines
        assert each.column >= 1
        assert each.message
        assert each.remedy
        assert "\n" not in str(each)


@settings(max_examples=300, deadline=None)
@given(mutated() | st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_documents_or_problems(content: bytes) -> None:
    found = load({"a.yaml": content})
    if not isinstance(found, Loaded):
        told(found, content)


SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 10**16) | st.sampled_from(["", "*", "a:b", "90d", "prod", "none", "é"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, inner in entries for deeper in paths(inner, (*path, key)))]


@st.composite
def sets_with_one_odd_value(draw: st.DrawFn) -> dict[str, bytes]:
    files = {f"{number}.yaml": document.data for number, document in enumerate(DOCUMENTS)}
    name = draw(st.sampled_from(sorted(files)))
    data = json.loads(json.dumps(files[name]))
    *above, last = draw(st.sampled_from(paths(data)[1:]))
    place = data
    for step in above:
        place = place[step]
    if draw(st.booleans()):
        place[last] = draw(VALUES)
    elif isinstance(place, dict):
        place[draw(st.text(max_size=6))] = place.pop(last)
    else:
        place.pop(last)
    # JSON is YAML as well, with every text in quotes.
    return {each: json.dumps(files[each] if each != name else data, ensure_ascii=False).encode() for each in files}


@settings(max_examples=80, deadline=None)
@given(sets_with_one_odd_value())
def test_any_value_in_any_place_is_a_policy_or_problems(files: dict[str, bytes]) -> None:
    found = read_policy(files, now=NOW)
    if not isinstance(found, ReadPolicy):
        told(found, max(files.values(), key=len))
