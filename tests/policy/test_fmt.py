"""The canonical layout: what it changes, what it never does, and that doing it twice is doing it once."""

from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keymgr.policy.compile import compile_policy
from keymgr.policy.layout import canonical, laid_out
from keymgr.policy.layout_pieces import UnusualError
from keymgr.policy.model import Policy
from tests.policy.folders import ROOT, documents_in

SETS = [ROOT / "policies", *(ROOT / "tests/policy/example" / name for name in ("base", "pull-request"))]
HEAD = "apiVersion: keymgr/v1\nkind: Team\n"


def digest_of(files: dict[str, str]) -> str:
    policy = compile_policy(documents_in(files))
    assert isinstance(policy, Policy)
    return policy.digest


DIGESTS = {folder: digest_of({str(path): path.read_text() for path in folder.rglob("*.yaml")}) for folder in SETS}


def shaped(text: str) -> str:
    """Return the layout of a text, sure that it is one and lasts."""
    found = laid_out(text)
    assert list(yaml.safe_load_all(found)) == list(yaml.safe_load_all(text))
    assert laid_out(found) == found
    assert comments(found) == comments(text)
    return found


def comments(text: str) -> list[str]:
    return sorted(line.partition("#")[2].strip() for line in text.splitlines() if "#" in line)


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_the_example_sets_mean_the_same_afterwards(folder: Path) -> None:
    before = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.yaml")}
    after = {name: shaped(text) for name, text in before.items()}
    assert digest_of(after) == digest_of(before)
    assert len(documents_in(after)) == len(documents_in(before))
    assert {name: canonical(text.encode()).decode() for name, text in before.items()} == after


def test_the_worked_example_is_laid_out_as_it_should_be() -> None:
    for path in (ROOT / "policies").rglob("*.yaml"):
        assert canonical(path.read_bytes()) == path.read_bytes()


def test_what_it_does_to_a_messy_file() -> None:
    before = """

    ---
    # head


    kind:   PolicyTest    # the kind
    spec:
        subjects: { teams : [a,b],
           # in flow
           roles: [c, 'it''s', 'back\\slash']
        }   # tail
        list:
        - name: x
          z: 'q'
          # end of x
        # about next

        -   - 1
            - {}
        # the list ends
    # about api
    apiVersion: keymgr/v1

    # the tail

    ---


    # second
    apiVersion: keymgr/v1
    spec:
       a: [ ]
    kind: Z


    """
    after = """\
    # head

    # about api
    apiVersion: keymgr/v1
    kind: PolicyTest    # the kind
    spec:
      subjects: {teams: [a, b],
          # in flow
          roles: [c, 'it''s', 'back\\slash']
        }   # tail
      list:
        - name: x
          z: "q"
          # end of x
        # about next

        - - 1
          - {}
        # the list ends

    # the tail
    ---
    # second
    apiVersion: keymgr/v1
    kind: Z
    spec:
      a: []
    """
    assert shaped(dedent(before)) == dedent(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: |\n      x\n\n        y\n\n\nb: c\n", "a: |\n  x\n\n    y\n\nb: c\n"),
        ("a:\n    - |+\n      x\n\n\n    - b\n", "a:\n  - |+\n    x\n\n\n  - b\n"),
        ("a:\n- |2-  # why\n    x\n", "a:\n  - |2-  # why\n      x\n"),
        ("a: |1\n  x\n   \n y\n", "a: |1\n  x\n   \n y\n"),
        ("a: >-\n\n", "a: >-\n"),
        ('a: "one\n  two\n\n   three"\nb: x\n   y\n', 'a: "one\n  two\n\n  three"\nb: x\n  y\n'),
        ("a:\n      b\nc:\n        {d: e}\n", "a:\n  b\nc:\n  {d: e}\n"),
        ("a:\n    -\n        b: c\n", "a:\n  -\n    b: c\n"),
        ("# only\n--- # said\na: b\n", "# only\n--- # said\na: b\n"),
        ("--- # said\na: b\n", "--- # said\na: b\n"),
        ("---\n{a: b}", "{a: b}\n"),
        ("# head\n\n---\n\n# more\na: b\n", "# head\n\n# more\na: b\n"),
        ("a: {b: c,\n d: [e,\n f]}\n", "a: {b: c,\n    d: [e,\n      f]}\n"),
        ("a:\n  b: c\n\n   # odd\nd: e\n", "a:\n  b: c\n\n  # odd\nd: e\n"),
        ("'kind': a\n\"apiVersion\": b\nx: c\n", '"apiVersion": b\n"kind": a\nx: c\n'),
        ("kind: a\n\n# of api\napiVersion: b\n# end\n", "# of api\napiVersion: b\nkind: a\n# end\n"),
    ],
)
def test_each_case_has_its_layout(before: str, after: str) -> None:
    assert shaped(before) == after


@pytest.mark.parametrize("text", ["? a\n: b\n", "a: b\n...\n"])
def test_what_nobody_writes_in_policies_is_left_alone(text: str) -> None:
    with pytest.raises(UnusualError):
        laid_out(text)
    whole = HEAD + "metadata: {name: a, owner: a}\nspec:\n" + "".join(f"    {line}\n" for line in text.splitlines())
    if "..." not in text:
        assert canonical(whole.encode()) == whole.encode()
    assert canonical((whole + "...\n").encode()) == (whole + "...\n").encode()


@pytest.mark.parametrize("content", [b"\xff", b"a: NO\n", b"", b"a: [\n"])
def test_what_does_not_load_is_left_alone(content: bytes) -> None:
    assert canonical(content) == content


def test_a_file_whose_end_is_part_of_its_meaning_is_left_alone() -> None:
    cut_short = b"kind: a\nx: |\n    no line feed at the end"
    assert canonical(cut_short) == cut_short


def test_windows_line_ends_become_ours() -> None:
    assert canonical(b"a: b\r\nc:   d\r\n") == b"a: b\nc: d\n"


WORDS = st.sampled_from(
    ["alpha", "beta-2", "10.20.0.0/16", "90d", "it is", "a:b", "#not", "- x", "'", '"', "\\", "é", ""]
)
SCALARS = st.one_of(WORDS, st.integers(0, 99), st.booleans(), st.just("two\nlines\n"), st.just("no end\n\n  deep"))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcde"), inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
)
DOCUMENTS = st.lists(
    st.permutations(["apiVersion", "kind", "metadata", "spec"]).flatmap(
        lambda keys: st.tuples(*(VALUES for _ in keys)).map(lambda values: dict(zip(keys, values, strict=True)))
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def messy(
    draw: st.DrawFn,
    documents: st.SearchStrategy[list[dict[str, object]]],
    styles: tuple[str | None, ...] = (None, None, "'", '"', "|"),
) -> str:
    """Return documents as PyYAML writes them in one of its ways, with comments and blank lines strewn in."""
    text: str = yaml.safe_dump_all(
        draw(documents),
        indent=draw(st.integers(2, 7)),
        default_flow_style=draw(st.sampled_from([None, False, True])),
        default_style=draw(st.sampled_from(styles)),
        width=draw(st.sampled_from([20, 80])),
        allow_unicode=True,
        sort_keys=False,
        explicit_start=draw(st.booleans()),
    )
    lines: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith(("apiVersion:", "kind:", "metadata:", "spec:", "- a", "a:")) and "|" not in text:
            lines += [""] * draw(st.integers(0, 2))
            lines += [f"{' ' * draw(st.integers(0, 8))}# {len(lines)}"] * draw(st.integers(0, 1))
        lines.append(line)
    return "\n".join(lines) + "\n"


def whole_comments(text: str) -> list[str]:
    return sorted(line.strip() for line in text.splitlines() if line.strip().startswith("# "))


@given(messy(DOCUMENTS))
def test_any_file_means_the_same_keeps_its_comments_and_is_laid_out_once(text: str) -> None:
    try:
        found = laid_out(text)
    except UnusualError:
        return
    assert list(yaml.safe_load_all(found)) == list(yaml.safe_load_all(text))
    assert laid_out(found) == found
    assert whole_comments(found) == whole_comments(text)


EXAMPLES = {folder: {path: path.read_text() for path in sorted(folder.rglob("*.yaml"))} for folder in SETS}


@settings(max_examples=10, deadline=None)
@given(st.data())
@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_however_a_set_is_written_its_digest_stays(folder: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(EXAMPLES[folder])))
    documents = list(yaml.safe_load_all(EXAMPLES[folder][path]))
    shuffled = [dict(data.draw(st.permutations(list(each.items())))) for each in documents]
    # PyYAML writes tags beside any other style, and those do not load.
    text = data.draw(messy(st.just(shuffled), styles=(None,)))
    others = {str(other): text for other, text in EXAMPLES[folder].items() if other != path}
    after = canonical(text.encode()).decode()
    assert digest_of({**others, str(path): after}) == DIGESTS[folder]
    assert canonical(after.encode()).decode() == after
