"""Applying from a real repository: forward only, whatever is done to its history."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from keymgr.cli.policy_attempt import start
from keymgr.config import load
from keymgr.store.policies import PolicyRevision
from tests.cli.controlled import Installation, install
from tests.reconcile.repository import Repository, new_repository
from tests.reconcile.small_policy import small_policy


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Installation:
    return install(tmp_path, monkeypatch, capsys)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository")


def put(here: Installation, repository: Repository, *more: str) -> dict[str, Any]:
    code, answer = here.json("apply", repository.folder, *more)
    assert code == 0, answer
    return answer


def labels(here: Installation) -> list[tuple[str | None, str | None, str | None, str | None]]:
    with here.session() as session:
        rows = session.query(PolicyRevision).order_by(PolicyRevision.id)
        return [(row.commit, row.ref, row.author, row.signer) for row in rows]


def test_a_commit_is_applied_with_its_label_and_once(here: Installation, repository: Repository) -> None:
    sha = repository.commit(30)
    assert put(here, repository)["changed"] is True
    assert put(here, repository)["changed"] is False
    assert labels(here) == [(sha, "main", "Ana <ana@example.org>", None)]
    assert here.attempts() == [(0, sha), (0, sha)]


def test_an_older_pipeline_that_finishes_last_is_refused(here: Installation, repository: Repository) -> None:
    old, new = repository.commit(30), repository.commit(31)
    put(here, repository)
    code, answer = here.both("apply", repository.folder, "--revision", old)
    assert (code, answer["reason"]) == (7, "not_forward")
    assert new[:12] in here.out
    assert [label for label, *_ in labels(here)] == [new]


def test_another_branch_is_refused_until_it_is_merged(here: Installation, repository: Repository) -> None:
    repository.commit(30)
    repository.git("checkout", "-q", "-b", "side")
    repository.commit(31)
    repository.git("checkout", "-q", "main")
    repository.commit(32)
    put(here, repository)
    repository.git("checkout", "-q", "side")
    assert here.both("apply", repository.folder)[1]["reason"] == "not_forward"
    repository.git("merge", "-q", "-s", "ours", "-m", "merged", "main")
    assert put(here, repository)["changed"] is True


def test_a_branch_that_was_pushed_by_force_is_refused_unless_that_is_said_with_the_base(
    here: Installation, repository: Repository
) -> None:
    repository.commit(30)
    repository.commit(31)
    digest = put(here, repository)["digest"]
    rewritten = repository.commit(32, "--amend")
    assert here.both("apply", repository.folder)[1]["reason"] == "not_forward"
    assert here.both("apply", repository.folder, "--expect-base", digest)[1]["reason"] == "not_forward"
    assert here.json("apply", repository.folder, "--history-rewritten", "--expect-base", "sha256:0")[0] == 7
    assert put(here, repository, "--history-rewritten", "--expect-base", digest)["changed"] is True
    assert labels(here)[-1][0] == rewritten


def test_a_shallow_clone_that_lacks_the_applied_commit_needs_the_base(
    here: Installation, repository: Repository, tmp_path: Path
) -> None:
    repository.commit(30)
    digest = put(here, repository)["digest"]
    repository.commit(31)
    repository.commit(32)
    address = f"file://{repository.root}"
    subprocess.run(["git", "clone", "-q", "--depth", "1", address, str(tmp_path / "clone")], check=True, timeout=60)
    clone = Repository(tmp_path / "clone")
    code, answer = here.both("apply", clone.folder)
    assert (code, answer["reason"]) == (7, "base_needed")
    assert "Fetch the whole history" in here.out
    assert put(here, clone, "--expect-base", digest)["changed"] is True


def test_changes_that_no_commit_holds_are_refused_or_labelled(here: Installation, repository: Repository) -> None:
    sha = repository.commit(30)
    repository.write(small_policy(31))
    code, answer = here.both("apply", repository.folder)
    assert (code, answer["reason"]) == (7, "not_from_here")
    assert put(here, repository, "--allow-dirty")["changed"] is True
    assert labels(here)[0][0] == f"{sha}-dirty"
    repository.git("add", "-A")
    repository.git("commit", "-qm", "kept after all")
    assert put(here, repository)["changed"] is False


def test_a_commit_that_is_not_here_is_refused(here: Installation, repository: Repository) -> None:
    repository.commit(30)
    assert here.both("apply", repository.folder, "--revision", "feedbeef")[0] == 7


def test_after_a_rollback_only_a_descendant_that_differs_is_accepted(
    here: Installation, repository: Repository
) -> None:
    repository.commit(30)
    put(here, repository)
    bad = repository.commit(31)
    put(here, repository)
    assert here.run("rollback", "--to", 1, "--reason", "broke") == 0
    assert here.both("apply", repository.folder)[1]["reason"] == "pinned"
    repository.git("checkout", "-q", "HEAD~1")
    repository.git("checkout", "-q", "-b", "elsewhere")
    repository.commit(33)
    assert here.both("apply", repository.folder)[1]["reason"] == "not_forward"
    repository.git("checkout", "-q", bad)
    repository.commit(32)
    assert put(here, repository)["changed"] is True
    assert here.json("status")[1]["pinned"] is None


def test_a_signed_commit_is_applied_with_its_signer_and_others_are_refused(
    here: Installation, repository: Repository, tmp_path: Path
) -> None:
    key, allowed = tmp_path / "ana", tmp_path / "allowed_signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
    allowed.write_text(f"ana@example.org {key.with_suffix('.pub').read_text()}")
    verify = ("--verify-signature", "head", "--allowed-signers", str(allowed))
    repository.commit(30)
    code, answer = here.both("apply", repository.folder, *verify)
    assert (code, answer["reason"]) == (7, "not_from_here")
    assert "it is not signed" in here.out
    repository.git("config", "gpg.format", "ssh")
    repository.git("config", "user.signingkey", str(key.with_suffix(".pub")))
    repository.commit(31, "-S")
    put(here, repository, *verify)
    assert str(labels(here)[0][3]).startswith("ana@example.org SHA256:")
    assert "Signed by  ana@example.org" in (here.run("show"), here.out)[1]
    repository.write(small_policy(32))
    assert here.json("apply", repository.folder, *verify, "--allow-dirty")[0] == 7


def test_a_killed_apply_is_told_as_begun(here: Installation, repository: Repository) -> None:
    repository.commit(30)
    put(here, repository)
    start(load(), "feedbeef", patience=1)
    _, answer = here.both("status")
    assert (answer["attempted"]["commit"], answer["attempted"]["finished_at"]) == ("feedbeef", None)
    assert "under way, or killed" in here.out
