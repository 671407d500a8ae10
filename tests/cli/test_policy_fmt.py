"""`keymgr policy fmt`: what it writes, what it lists, and what it does not touch."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from keymgr.cli import atomic_file, commands

ROOT = Path(__file__).parents[2]
BASE = ROOT / "tests/policy/example/base"
MESSY = "tests/payments_test.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the base example, of which one file is not laid out as it should be."""
    return Path(shutil.copytree(BASE, tmp_path / "policies"))


def everything(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return every file with its content, its permissions and when it was written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_check_lists_the_files_writes_nothing_and_is_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(folder)
    assert commands.run(["policy", "fmt", str(folder), "--check"]) == 3
    assert capsys.readouterr().out == f"{folder}/{MESSY}\n1 file of 8 to lay out: run keymgr policy fmt.\n"
    assert everything(folder) == before


def test_fmt_writes_only_what_changes_with_the_permissions_it_had(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / MESSY).chmod(0o640)
    before = everything(folder)
    assert commands.run(["policy", "fmt", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}/{MESSY}\nLaid out 1 file of 8.\n"
    after = everything(folder)
    assert {name for name in before if before[name] != after[name]} == {MESSY}
    assert set(after) == set(before)
    assert stat.S_IMODE((folder / MESSY).stat().st_mode) == 0o640
    for arguments in ([], ["--check"]):
        assert commands.run(["policy", "fmt", str(folder), *arguments]) == 0
        assert capsys.readouterr().out == "Nothing to do: 8 files laid out as they should be.\n"
    assert everything(folder) == after


def test_the_digest_and_the_tests_stay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for command in ("validate", "fmt", "validate"):
        assert commands.run(["policy", command, str(folder)]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[2]
    assert commands.run(["policy", "test", str(folder)]) == 0


@pytest.mark.parametrize("check", [True, False])
def test_one_file_that_does_not_load_keeps_all_from_being_touched(
    folder: Path, capsys: pytest.CaptureFixture[str], *, check: bool
) -> None:
    (folder / "zz.yaml").write_text("kind:   Teem\n")
    before = everything(folder)
    assert commands.run(["policy", "fmt", str(folder), *(["--check"] if check else [])]) == 3
    assert "zz.yaml:1:9: E203" in capsys.readouterr().out
    assert everything(folder) == before
    assert commands.run(["policy", "fmt", str(folder / "nowhere")]) == 3
    assert "E120" in capsys.readouterr().out


def test_a_name_that_leads_nowhere_is_no_reason_to_refuse(folder: Path) -> None:
    (folder / "zz.yaml").write_text("apiVersion: keymgr/v1\nkind: Team\nmetadata: {name: a,owner: nobody}\nspec: {}\n")
    assert commands.run(["policy", "fmt", str(folder)]) == 0
    assert "{name: a, owner: nobody}" in (folder / "zz.yaml").read_text()


def test_json_lists_what_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, exit_code, changed in ((["--check"], 3, [MESSY]), ([], 0, [MESSY]), (["--check"], 0, [])):
        assert commands.run(["policy", "fmt", str(folder), *arguments, "--format", "json"]) == exit_code
        answer = json.loads(capsys.readouterr().out)
        assert (answer["changed"], answer["files"], answer["exit_code"]) == (changed, 8, exit_code)
    (folder / "zz.yaml").write_text("kind:   Teem\n")
    assert commands.run(["policy", "fmt", str(folder), "--format", "json"]) == 3
    assert "E203" in [each["code"] for each in json.loads(capsys.readouterr().out)["problems"]]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(folder)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert commands.run(["policy", "fmt", str(folder)]) == 1
    assert everything(folder) == before


def test_a_new_file_may_be_read_by_all(tmp_path: Path) -> None:
    atomic_file.write_whole(tmp_path / "new", b"x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
