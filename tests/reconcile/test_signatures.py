"""Signed commits, with real keys made in the test: SSH and GnuPG, trusted, unknown, missing and tampered with."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from keymgr.reconcile.signatures import NotSigned, Signed, Signers, verify_commit
from tests.reconcile.repository import Repository, new_repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository")


def ssh_key(folder: Path, name: str) -> Path:
    file = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True, timeout=30)
    return file.with_suffix(".pub")


def allowed(folder: Path, *keys: Path) -> Path:
    file = folder / "allowed_signers"
    file.write_text("".join(f"{key.stem}@example.org {key.read_text()}" for key in keys))
    return file


def ssh_signed(repository: Repository, days: int, key: Path) -> str:
    repository.git("config", "gpg.format", "ssh")
    repository.git("config", "user.signingkey", str(key))
    return repository.commit(days, "-S")


def refused(repository: Repository, sha: str, signers: Signers) -> str:
    found = verify_commit(repository.folder, sha, signers)
    assert isinstance(found, NotSigned), found
    return found.sentence


def test_a_commit_signed_by_an_allowed_ssh_key_has_a_signer(repository: Repository, tmp_path: Path) -> None:
    key = ssh_key(tmp_path, "ana")
    sha = ssh_signed(repository, 30, key)
    found = verify_commit(repository.folder, sha, Signers(ssh_file=allowed(tmp_path, key)))
    assert isinstance(found, Signed), found
    assert found.signer.startswith("ana@example.org SHA256:")


def test_a_key_that_is_not_allowed_no_signature_and_no_file_are_refused(repository: Repository, tmp_path: Path) -> None:
    ana, eve = ssh_key(tmp_path, "ana"), ssh_key(tmp_path, "eve")
    sha, signers = ssh_signed(repository, 30, eve), Signers(ssh_file=allowed(tmp_path, ana))
    assert "nobody who may sign" in refused(repository, sha, signers)
    assert "nobody who may sign" in refused(repository, sha, Signers())
    assert "it is not signed" in refused(repository, repository.commit(31), signers)


def test_the_settings_of_the_repository_do_not_make_a_signer(repository: Repository, tmp_path: Path) -> None:
    eve = ssh_key(tmp_path, "eve")
    sha = ssh_signed(repository, 30, eve)
    says_yes = tmp_path / "yes.sh"
    says_yes.write_text('#!/bin/sh\necho "Good \\"git\\" signature for ana@example.org with ED25519 key SHA256:x"\n')
    says_yes.chmod(0o755)
    repository.git("config", "gpg.ssh.allowedSignersFile", str(allowed(tmp_path, eve)))
    repository.git("config", "gpg.ssh.program", str(says_yes))
    repository.git("config", "gpg.program", str(says_yes))
    assert "nobody who may sign" in refused(repository, sha, Signers())


def test_a_commit_that_was_changed_after_signing_is_refused(repository: Repository, tmp_path: Path) -> None:
    key = ssh_key(tmp_path, "ana")
    sha = ssh_signed(repository, 30, key)
    changed = repository.git("cat-file", "commit", sha).replace("30 days", "99 days")
    (tmp_path / "forged").write_text(changed + "\n")
    forged = repository.git("hash-object", "-t", "commit", "-w", str(tmp_path / "forged"))
    assert "trusted signer" in refused(repository, forged, Signers(ssh_file=allowed(tmp_path, key)))


@pytest.fixture
def gpg_home() -> Iterator[Path]:
    """A folder with a short name, because GnuPG puts sockets into it."""
    with TemporaryDirectory(prefix="keymgr-gpg-") as name:
        yield Path(name)
        subprocess.run(["gpgconf", "--homedir", name, "--kill", "all"], check=True, timeout=30)


def test_a_commit_signed_by_a_key_of_the_gnupg_folder_has_a_signer(
    repository: Repository, gpg_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(gpg_home))
    made = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "Ana <ana@example.org>"]
    subprocess.run([*made, "ed25519", "sign", "0"], check=True, timeout=60, capture_output=True)
    repository.git("config", "user.signingkey", "ana@example.org")
    sha = repository.commit(30, "-S")
    found = verify_commit(repository.folder, sha, Signers(gpg_home=gpg_home))
    assert isinstance(found, Signed), found
    assert found.signer.startswith("Ana <ana@example.org> ")
    (tmp_path / "empty").mkdir(mode=0o700)
    assert "nobody who may sign" in refused(repository, sha, Signers(gpg_home=tmp_path / "empty"))
    assert "nobody who may sign" in refused(repository, sha, Signers())


def test_without_git_nothing_is_signed(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    sha = repository.commit(30)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "git does not answer" in refused(repository, sha, Signers())
