"""Loading whole folders: all or nothing, everything told in one run, bombs refused early, snapshots that come back."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keymgr.policy.compile import compile_policy
from keymgr.policy.load import Loaded, from_snapshot, load, to_snapshot
from keymgr.policy.model import Policy
from keymgr.policy.problems import Problem
from keymgr.policy.read import ReadPolicy, read_policy
from keymgr.policy.yaml_reader import read_yaml
from tests.policy.folders import ROOT, documents_of, policy_of

HERE = Path(__file__).parent / "example"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEAM = "apiVersion: keymgr/v1\nkind: Team\nmetadata: {name: NAME, owner: payments}\nspec: {members: [ana]}\n"


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.yaml")}


BASE = files_of(HERE / "base")


def refused(files: dict[str, bytes]) -> list[str]:
    found = read_policy(files, now=NOW)
    assert not isinstance(found, ReadPolicy)
    return [f"{each.file}:{each.line}:{each.column} {each.code}" for each in found]


@pytest.mark.parametrize(
    "folder", [HERE / "base", HERE / "pull-request", ROOT / "policies"], ids=lambda path: path.name
)
def test_the_examples_are_valid(folder: Path) -> None:
    assert isinstance(read_policy(files_of(folder), now=datetime(2026, 11, 22, tzinfo=UTC)), ReadPolicy)


def test_no_files_at_all_is_an_error_and_never_an_empty_policy() -> None:
    found = load({})
    assert not isinstance(found, Loaded)
    assert [each.code for each in found] == ["E123"]


def test_files_without_a_policy_set_are_an_error() -> None:
    files = {"team.yaml": TEAM.replace("NAME", "payments").encode()}
    assert isinstance(load(files), Loaded)
    assert refused(files) == [".:1:1 E306"]
    assert compile_policy(()) == (
        Problem("E306", ".", 1, 1, "there is no document at all", "write one document of kind PolicySet"),
    )


def test_every_problem_of_every_file_is_told_in_one_run_and_in_the_order_of_places() -> None:
    files = {
        **BASE,
        "b.yaml": b"apiVersion: keymgr/v1\nkind: Teem\n",
        "a.yaml": TEAM.replace("NAME", "One").replace("ana", "NO").encode(),
        "c.yaml": TEAM.replace("NAME", "three").replace("owner: payments", "owner: paymets").encode(),
    }
    # A name may have been declared in what could not be read, so the misspelt owner waits for the next run.
    assert refused(files) == ["a.yaml:3:18 E208", "a.yaml:4:18 E105", "b.yaml:2:7 E203"]


def test_a_file_that_cannot_be_read_makes_no_noise_in_the_others() -> None:
    files = {
        **BASE,
        "teams/teams.yaml": b"apiVersion: [\n",
        "services/payments-api.yaml": b"\xff",
        "policyset.yaml": b"",
    }
    assert refused(files) == [
        "policyset.yaml:1:1 E113",
        "services/payments-api.yaml:1:1 E101",
        "teams/teams.yaml:2:1 E104",
    ]


def test_what_does_not_depend_on_the_unreadable_file_is_told_all_the_same() -> None:
    files = {
        **BASE,
        "broken.yaml": b"a: [\n",
        "rules/payments.yaml": BASE["rules/payments.yaml"].replace(b"90d", b"100d"),
    }
    found = refused(files)
    assert "broken.yaml:2:1 E104" in found
    assert "rules/payments.yaml:18:14 E311" in found


def test_several_documents_of_a_file_keep_their_own_places() -> None:
    text = "---\n".join(TEAM.replace("NAME", name) for name in ("one", "two"))
    loaded = load({"teams.yml": text.encode()})
    assert isinstance(loaded, Loaded)
    assert [(each.name, str(each.source)) for each in loaded.documents] == [
        ("one", "teams.yml:1:1"),
        ("two", "teams.yml:6:1"),
    ]
    assert str(loaded.documents[1].marks["spec.members.0"]) == "teams.yml:9:18"


def test_line_ends_of_another_system_change_nothing() -> None:
    plain, other = load(BASE), load({name: text.replace(b"\n", b"\r\n") for name, text in BASE.items()})
    assert plain == other


def test_utf_16_is_refused() -> None:
    found = load({"a.yaml": TEAM.encode("utf-16")})
    assert not isinstance(found, Loaded)
    assert [each.code for each in found] == ["E101"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("0", 0), ("-12", -12), ("999999999999999", 999999999999999)]
    + [(text, text) for text in ("90d", "1.2.3", "10.20.0.0/16", "2001:db8::/32", "charges:read", "a b", "0.0.0.0/0")]
    + [('"NO"', "NO"), ("'1:30'", "1:30"), ('"0755"', "0755"), ("null", None), ("", None)],
)
def test_a_scalar_has_the_one_meaning_that_all_readers_give_it(text: str, value: object) -> None:
    parsed = read_yaml("a.yaml", f"a: {text}\n".encode())
    assert parsed.problems == ()
    assert parsed.documents[0].entries[0].value.value == value  # type: ignore[union-attr] # the text above is a mapping.


def nested_aliases() -> str:
    levels = [f"  l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, 9)]
    return "\n".join(["labels:", "  l0: &l0 [a, a]", *levels])


def nested_merges() -> str:
    levels = [f"l{level}: &l{level} {{<<: [{', '.join([f'*l{level - 1}'] * 9)}]}}" for level in range(1, 9)]
    return "\n".join(["l0: &l0 {a: b}", *levels])


BOMBS = {
    "aliases": nested_aliases(),
    "merges": nested_merges(),
    "5000 nested lists": "[" * 5000,
    "5000 nested mappings": "{a: " * 5000,
    "5000 nested block lists": "- " * 5000,
    "a megabyte in one scalar": f"a: {'x' * 1_000_000}",
    "60000 keys": "".join(f"k{number:x}:\n" for number in range(60_000)),
    "60000 keys of one letter": "{" + "a," * 60_000 + "}",
    "half a megabyte of documents": "---\n" * 130_000,
    "half a megabyte of ambiguous words": "[" + "NO," * 170_000 + "]",
    "half a megabyte of escapes": 'a: "' + "\\n" * 260_000,
    "half a megabyte of tabs": "\t" * 520_000,
    "a number of half a megabyte": f"a: {'1' * 520_000}",
    "a date that goes on": f"a: 2025-01-01 {'1' * 520_000}",
    "minutes that go on": f"a: 1{':30' * 170_000}",
    "an underscore that goes on": f"a: 1{'_' * 520_000}x.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_bounded_time(name: str) -> None:
    content = BOMBS[name].encode()
    began = time.process_time()
    found = load({"bomb.yaml": content})
    seconds = time.process_time() - began
    assert not isinstance(found, Loaded)
    assert seconds < 5
    assert len(found) <= 201
    assert max(len(str(each)) for each in found) < 500


def test_no_bomb_takes_more_than_fifty_megabytes(tmp_path: Path) -> None:
    for number, bomb in enumerate(BOMBS.values()):
        (tmp_path / f"{number}.yaml").write_text(bomb)
    program = (
        "import pathlib, resource, sys\n"
        "from keymgr.policy.load import load\n"
        "load({})\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir(): load({path.name: path.read_bytes()})\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 50_000


def test_a_file_cut_anywhere_is_refused_or_is_another_policy_that_the_digest_tells_apart() -> None:
    name = "guardrails/org.yaml"
    whole, policy = load({name: BASE[name]}), policy_of(documents_of(HERE / "base"))
    assert isinstance(whole, Loaded)
    refusals = 0
    known = [each.data for each in whole.documents]
    last = known
    for length in range(len(BASE[name])):
        cut = load({name: BASE[name][:length]})
        if not isinstance(cut, Loaded):
            refusals += 1
            assert {each.file for each in cut} == {name}
        elif (data := [each.data for each in cut.documents]) not in (known, last):
            last = data
            assert len(cut.documents) <= len(whole.documents)
            smaller = read_policy({**BASE, name: BASE[name][:length]}, now=NOW)
            assert not isinstance(smaller, ReadPolicy) or smaller.policy.digest != policy.digest
    assert refusals > 0.8 * len(BASE[name])


@pytest.mark.parametrize("folder", [HERE / "base", ROOT / "policies"], ids=lambda path: path.name)
def test_a_snapshot_comes_back_from_json_as_the_very_same_policy_with_the_very_same_places(folder: Path) -> None:
    documents = documents_of(folder)
    stored = json.loads(json.dumps(to_snapshot(documents)))
    assert from_snapshot(stored) == documents
    policy = compile_policy(from_snapshot(stored))
    assert isinstance(policy, Policy)
    assert policy == compile_policy(documents)
    assert all(rule.marks["spec.approval"].line > 1 for rule in policy.rules.values())


def test_a_snapshot_of_another_version_is_problems_and_not_an_exception() -> None:
    stored = to_snapshot(documents_of(HERE / "base"))
    for entry in stored:
        if entry["kind"] == "Team":
            entry["data"]["spec"]["nickname"] = "x"
        if entry["kind"] == "ScopeBundle":
            entry["kind"] = entry["data"]["kind"] = "Bundle"
    found = compile_policy(from_snapshot(stored))
    assert not isinstance(found, Policy)
    assert {each.code for each in found} >= {"E203", "E204"}
    assert {str(each.file) for each in found if each.code == "E204"} == {"teams/teams.yaml"}


def test_problems_sort_by_place_and_read_as_one_line() -> None:
    later = Problem("E101", "b.yaml", 1, 1, "m", "r")
    first = Problem("E301", "a.yaml", 2, 1, "one\ntwo", "mend it")
    assert sorted([later, first]) == [first, later]
    assert str(first) == "a.yaml:2:1: E301 one\\ntwo (mend it)"
