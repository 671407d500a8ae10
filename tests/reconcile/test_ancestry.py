"""Whether one commit comes after another, in real repositories: whole, shallow, rebased, and not there at all."""

import subprocess
from pathlib import Path

import pytest

from keymgr.reconcile.ancestry import Descent, descends, resolve
from keymgr.reconcile.origin import NoOrigin, Origin, find_origin
from tests.reconcile.repository import Repository, new_repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "origin")


def shallow(repository: Repository, folder: Path, depth: int) -> Repository:
    address = f"file://{repository.root}"
    subprocess.run(["git", "clone", "-q", "--depth", str(depth), address, str(folder)], check=True, timeout=60)
    return Repository(folder)


def origin_of(repository: Repository, revision: str | None = None, *, allow_dirty: bool = False) -> Origin:
    found = find_origin(repository.folder, revision=revision, allow_dirty=allow_dirty)
    assert isinstance(found, Origin), found
    return found


def refused(repository: Repository, revision: str | None = None) -> str:
    found = find_origin(repository.folder, revision=revision, allow_dirty=False)
    assert isinstance(found, NoOrigin), found
    return found.sentence


def test_a_commit_comes_after_itself_and_after_what_is_before_it(repository: Repository) -> None:
    first, second = repository.commit(30), repository.commit(31)
    assert descends(repository.folder, second, first) is Descent.YES
    assert descends(repository.folder, second, second) is Descent.YES
    assert descends(repository.folder, second, f"{first}-dirty") is Descent.YES
    assert descends(repository.folder, second, first[:12]) is Descent.YES
    assert descends(repository.folder, first, second) is Descent.NO


def test_a_merge_comes_after_both_sides_and_a_branch_not_after_the_other(repository: Repository) -> None:
    base = repository.commit(30)
    repository.git("checkout", "-q", "-b", "side")
    side = repository.commit(31)
    repository.git("checkout", "-q", "main")
    main = repository.commit(32)
    assert descends(repository.folder, side, main) is Descent.NO
    repository.git("merge", "-q", "-s", "ours", "-m", "merged", "side")
    merged = repository.git("rev-parse", "HEAD")
    assert [descends(repository.folder, merged, each) for each in (base, side, main)] == [Descent.YES] * 3


def test_after_a_rebase_the_old_commit_is_no_ancestor_even_when_it_is_gone(repository: Repository) -> None:
    repository.commit(30)
    old = repository.commit(31)
    new = repository.commit(32, "--amend")
    assert descends(repository.folder, new, old) is Descent.NO
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "-q", "--prune=now")
    assert resolve(repository.folder, old) is None
    assert descends(repository.folder, new, old) is Descent.NO


def test_a_shallow_clone_says_yes_or_that_it_cannot_tell(repository: Repository, tmp_path: Path) -> None:
    first, second, third = (repository.commit(days) for days in (30, 31, 32))
    clone = shallow(repository, tmp_path / "clone", 2)
    assert descends(clone.folder, third, third) is Descent.YES
    assert descends(clone.folder, third, second) is Descent.YES
    assert descends(clone.folder, second, third) is Descent.NO
    assert descends(clone.folder, third, first) is Descent.UNKNOWN
    assert descends(clone.folder, third, "0" * 40) is Descent.UNKNOWN


@pytest.mark.parametrize("label", ["release-7", "--upload-pack=/bin/sh", "", "0" * 64 + "1"])
def test_a_label_that_is_no_commit_cannot_be_judged(repository: Repository, label: str) -> None:
    head = repository.commit(30)
    assert descends(repository.folder, head, label) is Descent.UNKNOWN


def test_files_come_from_the_commit_with_branch_and_author(repository: Repository) -> None:
    first = repository.commit(30)
    second = repository.commit(31)
    head = origin_of(repository)
    assert (head.label, head.sha, head.ref, head.author) == (second, second, "main", "Ana <ana@example.org>")
    assert isinstance(head.files, dict)
    assert b"31d" in head.files["rules/a.yaml"]
    earlier = origin_of(repository, first[:10])
    assert (earlier.label, earlier.ref, earlier.author) == (first, None, "Ana <ana@example.org>")
    assert isinstance(earlier.files, dict)
    assert b"30d" in earlier.files["rules/a.yaml"]


def test_a_dirty_folder_is_refused_or_read_from_the_disk_and_labelled(repository: Repository) -> None:
    head = repository.commit(30)
    (repository.folder / "rules/a.yaml").write_bytes(b"# changed\n")
    assert "--allow-dirty" in refused(repository)
    taken = origin_of(repository, allow_dirty=True)
    assert (taken.label, taken.sha) == (f"{head}-dirty", None)
    assert isinstance(taken.files, dict)
    assert taken.files["rules/a.yaml"] == b"# changed\n"
    assert taken.descends(head) is Descent.YES


def test_changes_on_the_disk_do_not_reach_a_commit_that_is_named(repository: Repository) -> None:
    first = repository.commit(30)
    repository.commit(31)
    (repository.folder / "rules/a.yaml").write_bytes(b"# changed\n")
    named = origin_of(repository, first)
    assert isinstance(named.files, dict)
    assert b"30d" in named.files["rules/a.yaml"]


def test_a_symbolic_link_in_a_commit_is_a_problem(repository: Repository) -> None:
    repository.commit(30)
    (repository.folder / "more.yaml").symlink_to("/etc/passwd")
    repository.git("add", "-A")
    repository.git("commit", "-qm", "a link")
    found = origin_of(repository)
    assert isinstance(found.files, tuple)
    assert [problem.code for problem in found.files] == ["E121"]


def test_a_commit_that_is_not_here_is_refused(repository: Repository) -> None:
    repository.commit(30)
    assert "no commit feedbeef" in refused(repository, "feedbeef")


def test_a_folder_that_git_ignores_or_is_in_no_repository_goes_by_its_label(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit(30)
    (repository.root / ".gitignore").write_text("var/\n")
    repository.git("add", "-A")
    repository.git("commit", "-qm", "ignored")
    ignored = repository.root / "var" / "policies"
    ignored.mkdir(parents=True)
    (ignored / "a.yaml").write_bytes(b"a: b\n")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.yaml").write_bytes(b"a: b\n")
    for folder in (ignored, outside):
        found = find_origin(folder, revision="v7", allow_dirty=False)
        assert isinstance(found, Origin)
        assert (found.label, found.sha, found.files) == ("v7", None, {"a.yaml": b"a: b\n"})
        assert found.descends("anything") is Descent.UNKNOWN


def test_a_repository_that_git_cannot_read_needs_a_label_and_never_gets_an_empty_one(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write({"a.yaml": b"a: b\n"})
    assert "--revision" in refused(repository)
    assert origin_of(repository, "v7").label == "v7"
    repository.commit(30)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "git is not installed" in refused(repository)
    assert origin_of(repository, "v7").sha is None


def test_a_folder_that_is_not_there_is_a_problem_and_not_an_empty_policy(repository: Repository) -> None:
    found = find_origin(repository.root / "nowhere", revision=None, allow_dirty=False)
    assert isinstance(found, Origin)
    assert isinstance(found.files, tuple)
    assert found.files[0].code == "E120"
