"""`keymgr policy schema`: one on stdout, all of them as files, and the names of a set on request."""

import json
import stat
from pathlib import Path

import pytest

from keymgr.cli import commands
from keymgr.policy.documents import KINDS
from keymgr.policy.schema import combined_schema, schema_files, schema_of

ROOT = Path(__file__).parents[2]
BASE = ROOT / "tests/policy/example/base"


@pytest.mark.parametrize("word", ["IssuanceRule", "issuancerule", "ISSUANCERULE"])
def test_a_kind_is_printed(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "schema", word]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == schema_of("IssuanceRule")
    assert told.err == ""


def test_policy_stands_for_any_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "schema", "policy"]) == 0
    assert json.loads(capsys.readouterr().out) == combined_schema()


def test_export_writes_one_file_for_each_kind_and_one_for_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "schemas" / "v1"
    for _ in range(2):
        assert commands.run(["policy", "schema", "export", str(target)]) == 0
        assert capsys.readouterr().out == f"Wrote 12 schemas to {target}.\n"
        written = {path.name: json.loads(path.read_text()) for path in target.iterdir()}
        assert written == schema_files()
        assert set(written) == {"policy.json", *(f"{kind.lower()}.json" for kind in KINDS)}
    assert {stat.S_IMODE(path.stat().st_mode) for path in target.iterdir()} == {0o644}


def test_names_of_a_set_close_the_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "schema", "role", "--with-names", str(BASE)]) == 0
    role = json.loads(capsys.readouterr().out)
    teams = ["analytics", "payments", "platform-security"]
    assert role["definitions"]["RoleSpec"]["properties"]["teams"]["items"]["enum"] == teams
    assert commands.run(["policy", "schema", "export", str(tmp_path), "--with-names", str(BASE)]) == 0
    assert json.loads((tmp_path / "role.json").read_text()) == role


def test_a_set_that_does_not_load_is_3_and_stdout_stays_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "a.yaml").write_text("kind: Teem\n")
    target = tmp_path / "out"
    for arguments in (["role"], ["export", str(target)]):
        assert commands.run(["policy", "schema", *arguments, "--with-names", str(policies)]) == 3
        told = capsys.readouterr()
        assert told.out == ""
        assert f"keymgr: {policies}/a.yaml:1:7: E203" in told.err
    assert commands.run(["policy", "schema", "role", "--with-names", str(tmp_path / "nowhere")]) == 3
    assert "E120" in capsys.readouterr().err
    assert not target.exists()


def test_a_folder_that_cannot_be_written_is_1_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert commands.run(["policy", "schema", "export", str(tmp_path / "file")]) == 1
    assert f"The schemas cannot be written: File exists: {tmp_path}/file." in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["export"], ["role", "somewhere"], ["teem"], ["role", "--format", "json"]])
def test_wrong_usage_is_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["policy", "schema", *arguments]) == 64
    assert capsys.readouterr().out == ""
