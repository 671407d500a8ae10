"""A real Git repository with a policy in it, for tests that commit, branch, rebase and clone."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.reconcile.small_policy import small_policy

ANA = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "init.defaultBranch=main")


class Repository:
    """One repository whose policy lies in `policies/`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "policies"

    def git(self, *arguments: str) -> str:
        command = ["git", *ANA, "-c", "commit.gpgsign=false", "-C", str(self.root), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.strip()

    def write(self, files: Mapping[str, bytes]) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for path, content in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(content)

    def commit(self, days: int, *more: str) -> str:
        """Commit a policy whose rules allow keys for so many days; `more` are arguments of git commit."""
        self.write(small_policy(days))
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", f"{days} days", *more)
        return self.git("rev-parse", "HEAD")


def new_repository(root: Path) -> Repository:
    root.mkdir(parents=True, exist_ok=True)
    repository = Repository(root)
    repository.git("init", "-q")
    return repository
