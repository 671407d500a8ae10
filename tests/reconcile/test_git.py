"""Which commit a folder is at, asked of a real git; anything in the way is None and never an exception."""

import subprocess
from pathlib import Path

import pytest

from keymgr.reconcile.git import Commit, describe


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ana Ž", "-c", "user.email=ana@example.org", "-c", "init.defaultBranch=main"]
    command = ["git", *identity, "-c", "commit.gpgsign=false", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "one.yaml").write_text("a: b\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_folder_has_a_commit_with_branch_and_author(repository: Path) -> None:
    sha = git(repository, "rev-parse", "HEAD")
    expected = Commit(sha=sha, ref="main", author="Ana Ž <ana@example.org>", dirty=False)
    assert describe(repository / "policies") == expected
    assert describe(str(repository / "policies")) == expected


@pytest.mark.parametrize("name", ["one.yaml", "new.yaml"])
def test_a_changed_or_new_file_makes_the_folder_dirty(repository: Path, name: str) -> None:
    (repository / "policies" / name).write_text("a: c\n")
    commit = describe(repository / "policies")
    assert commit is not None
    assert commit.dirty


def test_changes_beside_the_folder_do_not_count(repository: Path) -> None:
    (repository / "elsewhere.txt").write_text("x")
    commit = describe(repository / "policies")
    assert commit is not None
    assert not commit.dirty


def test_without_a_branch_the_ref_is_none(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    commit = describe(repository / "policies")
    assert commit is not None
    assert commit.ref is None


@pytest.mark.parametrize("name", ["", "nowhere", "a\x00b"])
def test_no_repository_no_folder_and_no_path_are_none(tmp_path: Path, name: str) -> None:
    assert describe(f"{tmp_path}/{name}") is None


def test_a_repository_without_a_commit_is_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert describe(tmp_path) is None


def test_without_git_it_is_none(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert describe(repository / "policies") is None


def test_the_callers_environment_cannot_change_the_answer(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = describe(repository / "policies")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.worktree=/nonexistent'")
    assert describe(repository / "policies") == expected


def test_programs_that_a_repository_names_are_not_run(repository: Path) -> None:
    trap = repository / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {repository}/sprung\n")
    trap.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(trap))
    assert describe(repository / "policies") is not None
    assert not (repository / "sprung").exists()
