"""The demo with its policy in a Git repository, for flows that change it, and people who are signed in once."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from keymgr.cli.init import write_env_file
from tests.flows.demo import ROOT, Demo, running_demo
from tests.flows.test_main_job import sign_in
from tests.reconcile.repository import Repository, new_repository
from tests.web.browsing import Watched

FORGE = "https://forge.example/acme/policies/blob/{commit}/{path}#L{line}"
# What the example says otherwise: flows call often and from this machine, leave keys, and trip the guard with few.
_CHANGES = {
    "rules/payments.yaml": {
        "{name: burst, requests: 5, per: 10s}, {name: hourly, requests: 600, per: 1h}": (
            "{name: burst, requests: 5000, per: 10s}"
        ),
        'within: ["10.20.0.0/16", ': 'within: ["127.0.0.0/8", "10.20.0.0/16", ',
        "max_keys_per_owner: 2\n    idle_expiry": "max_keys_per_owner: 5\n    idle_expiry",
    },
    "policyset.yaml": {
        "max_keys_per_owner: 5": "max_keys_per_owner: 20",
        "max_keys_losing_access: {count: 3,": "max_keys_losing_access: {count: 1,",
    },
    "teams/teams.yaml": {"members: [ben, cleo]": "members: [ben, cleo, gus, hal]"},
}


class Office:
    """A running demo, the repository of its policy, and its command line."""

    def __init__(self, demo: Demo, repository: Repository, chromium: Browser) -> None:
        self.demo = demo
        self.repository = repository
        self._chromium = chromium
        self._signed_in: dict[str, StorageState] = {}

    def enter(self, name: str, *, script: bool) -> Page:
        """Open a browser as somebody, who types the password only the first time."""
        state = self._signed_in.get(name)
        context = self._chromium.new_context(java_script_enabled=script, storage_state=state)
        page = context.new_page()
        page.set_default_timeout(15_000)
        if state is None:
            sign_in(page, self.demo, name)
            self._signed_in[name] = context.storage_state()
        return page

    def ask(self, page: Page, name: str, wish: str, *, reason: str = "") -> None:
        """Send what a link of the portal has filled in, such as the one under each answer."""
        page.goto(f"{self.demo.portal}/keys/new?name={name}&{wish}")
        if reason:
            page.get_by_label("Why you need it").fill(reason)
        page.locator("#send").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(name)

    def issue(self, page: Page, name: str, wish: str) -> str:
        """Ask for what is granted at once, and return the secret."""
        self.ask(page, name, wish)
        return secret_of(page)

    def change(self, path: str, old: str, new: str) -> None:
        """Replace one text in a file of the policy."""
        change(self.repository.folder / path, old, new)

    def add(self, path: str, document: str) -> None:
        """Put a document at the end of a file of the policy, which may be new."""
        file = self.repository.folder / path
        file.parent.mkdir(exist_ok=True)
        text = file.read_text() + "---\n" if file.exists() else ""
        file.write_text(text + document)

    def commit(self, message: str) -> str:
        """Commit what was changed, as one who merges a pull request; return the commit."""
        self.repository.git("add", "-A")
        self.repository.git("commit", "-q", "-m", message)
        return self.repository.git("rev-parse", "HEAD")

    def keymgr(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the command line with the settings of the demo, at the root of the repository."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.demo.folder),
            "PYTHONPATH": str(ROOT),
            "KEYMGR_ENV_FILE": str(self.demo.folder / "keymgr.env"),
            "KEYMGR_PUBLIC_URL": self.demo.portal,
            "KEYMGR_POLICIES": str(self.repository.folder),
        }
        return subprocess.run(
            [sys.executable, "-m", "keymgr.cli", *map(str, arguments)],
            cwd=self.repository.root,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def secret_of(page: Page) -> str:
    """Return the secret of the page that shows it once."""
    expect(page.get_by_role("heading", level=1)).to_contain_text("is ready")
    return page.get_by_label("Key", exact=True).input_value()


def reload_until(page: Page, wanted: Locator) -> None:
    """Read the page again until it shows what another process does within seconds."""
    deadline = time.monotonic() + 20
    while not wanted.count():
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        page.reload()


class Entered:
    """Browsers of one test: call it with a name, and somebody is signed in; faults of their pages are written down."""

    def __init__(self, office: Office, *, script: bool) -> None:
        self._office = office
        self._script = script
        self._watched: list[Watched] = []

    def __call__(self, name: str) -> Page:
        page = self._office.enter(name, script=self._script)
        self._watched.append(Watched(page, self._office.demo.portal))
        return page

    def leave(self) -> list[str]:
        """Close all browsers; return what their pages did wrong."""
        for each in self._watched:
            each.page.context.close()
        return [fault for each in self._watched for fault in each.faults]


def change(file: Path, old: str, new: str) -> None:
    """Replace what is there exactly once."""
    text = file.read_text()
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new))


@contextmanager
def running_office(folder: Path, chromium: Browser) -> Iterator[Office]:
    """Run the demo on a repository that holds the example policy, changed a little."""
    repository = new_repository(folder / "repository")
    shutil.copytree(ROOT / "policies", repository.folder)
    for path, changes in _CHANGES.items():
        for old, new in changes.items():
            change(repository.folder / path, old, new)
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "The policy of the house")
    data = folder / "demo"
    data.mkdir(mode=0o700)
    chosen = {"KEYMGR_DATABASE_URL": f"sqlite:///{data / 'keymgr.db'}", "KEYMGR_DEMO": "true"}
    write_env_file(data / "keymgr.env", {**chosen, "KEYMGR_FORGE_URL": FORGE})
    with running_demo(folder, "--policies", str(repository.folder)) as demo:
        yield Office(demo, repository, chromium)
