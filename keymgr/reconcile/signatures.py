"""Who signed a commit, by keys that the operator trusts: an SSH file of allowed signers, or a GnuPG folder.

What a good signature proves is that the holder of a key made this commit; merges made on a forge's page carry the
forge's key and prove nothing about who approved them.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from keymgr.reconcile.git import ask

_FORMAT = "--format=%G?%n%GS%n%GF"
_NOBODYS = "/nonexistent"
_LETTERS = {
    "B": "its signature is bad",
    "E": "nobody who may sign is known by its key",
    "N": "it is not signed",
    "R": "its key was revoked",
    "U": "nobody who may sign is known by its key",
    "X": "its signature has expired",
    "Y": "its key has expired",
}


@dataclass(frozen=True, slots=True)
class Signers:
    """Whom to trust: a file as ssh-keygen knows it, a folder whose keys all count, or both."""

    ssh_file: Path | None = None
    gpg_home: Path | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """The commit carries the signature of somebody trusted: name and key, as `signer` of a revision."""

    signer: str


@dataclass(frozen=True, slots=True)
class NotSigned:
    """The commit may not be applied; the sentence says why."""

    sentence: str


def verify_commit(folder: Path | str, sha: str, signers: Signers) -> Signed | NotSigned:
    """Ask git whether one of the signers signed this very commit. The repository's own settings do not count."""
    variables = {"GNUPGHOME": str((signers.gpg_home or Path(_NOBODYS)).absolute())}
    settings = _settings(signers)
    verified = ask(folder, *settings, "verify-commit", sha, variables=variables)
    told = ask(folder, *settings, "log", "-1", "--no-show-signature", _FORMAT, sha, variables=variables)
    if verified is None or told is None or told.code:
        return NotSigned(f"Commit {sha[:12]} cannot be checked: git does not answer.")
    letter, name, key = (*told.text.split("\n"), "", "")[:3]
    if verified.code == 0 and letter in ("G", "U"):
        return Signed(f"{name} {key}".strip())
    why = _LETTERS.get(letter, "its signature cannot be checked")
    return NotSigned(f"Commit {sha[:12]} is not from a trusted signer: {why}.")


def _settings(signers: Signers) -> tuple[str, ...]:
    """Return every setting that could change the answer, so that none comes from the repository."""
    allowed = os.devnull if signers.ssh_file is None else str(signers.ssh_file.absolute())
    settings = {
        "gpg.program": "gpg",
        "gpg.openpgp.program": "gpg",
        "gpg.ssh.program": "ssh-keygen",
        "gpg.x509.program": "false",
        "gpg.ssh.allowedSignersFile": allowed,
        "gpg.ssh.revocationFile": "",
        "gpg.minTrustLevel": "undefined",
        "log.showSignature": "false",
    }
    return tuple(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
