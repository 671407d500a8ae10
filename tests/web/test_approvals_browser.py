"""Requests and approvals in Chromium: what axe finds, where the focus goes, and what two tabs do to each other."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, StorageState, expect

from tests.databases import fresh_file
from tests.web.browsing import Watched, serving
from tests.web.conftest import Template
from tests.web.house import Seeded, make_app

ASK = "/keys/new?service=payments&environment=prod&scope=charges:read&lifetime=604800&name="


@pytest.fixture(scope="module")
def site(
    lived_in: Template, tmp_path_factory: pytest.TempPathFactory, compiled_templates: FileSystemBytecodeCache
) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("site")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app = make_app(fresh_file(lived_in.file, folder), folder, KEYMGR_PUBLIC_URL=base)
    app.jinja_env.bytecode_cache = compiled_templates
    with serving(app, port):
        yield base
    app.extensions["keymgr.api"].close()


@pytest.fixture(scope="module")
def signed_in(chromium: Chromium, site: str) -> dict[str, StorageState]:
    """What the browser keeps of each person after signing in once."""
    states = {}
    for name in ("ada", "ben", "cleo", "eli"):
        context = chromium.new_context()
        Watched(context.new_page(), site).sign_in(name)
        states[name] = context.storage_state()
        context.close()
    return states


class People:
    """Browsers of several people at once; nothing may go wrong in any of them."""

    def __init__(self, chromium: Chromium, site: str, states: dict[str, StorageState]) -> None:
        self._chromium, self._site, self._states = chromium, site, states
        self._contexts: list[BrowserContext] = []
        self._watched: list[Watched] = []

    def enter(self, name: str, **screen: Any) -> Watched:  # noqa: ANN401 - Playwright's own options.
        context = self._chromium.new_context(storage_state=self._states[name], **screen)
        self._contexts.append(context)
        watched = Watched(context.new_page(), self._site)
        self._watched.append(watched)
        return watched

    def leave(self) -> list[str]:
        for context in self._contexts:
            context.close()
        return [fault for watched in self._watched for fault in watched.faults if "console: htmx:" not in fault]


@pytest.fixture
def people(chromium: Chromium, site: str, signed_in: dict[str, StorageState]) -> Iterator[People]:
    entered = People(chromium, site, signed_in)
    yield entered
    assert entered.leave() == []


def send(ben: Watched, name: str) -> str:
    """Ask for something that needs one approval; return the id of the request."""
    ben.open(ASK + name)
    ben.page.fill("#justification", "Looking into refund 4411.")
    ben.page.click("#send")
    expect(ben.page.locator("h1")).to_have_text(name)
    return ben.page.url.rpartition("/")[2]


def test_a_decision_moves_the_focus_to_its_result_and_the_count_along(people: People, seeded: Seeded) -> None:
    ben, cleo = people.enter("ben"), people.enter("cleo")
    request_id = send(ben, "focus")
    cleo.open(f"/approvals/{request_id}")
    before = int(cleo.page.locator("#waiting-count").inner_text().split()[0])
    cleo.page.click("text=Send decision")
    expect(cleo.page.locator("#problems")).to_be_focused()
    assert cleo.page.title().startswith("Error:")
    cleo.page.click("#problems a")
    expect(cleo.page.locator("input[value=approve]")).to_be_in_viewport()
    cleo.page.check("input[value=approve]")
    cleo.page.click("text=Send decision")
    expect(cleo.page.locator("#result-heading")).to_be_focused()
    expect(cleo.page.locator("#waiting-count")).to_contain_text(str(before - 1))
    cleo.page.get_by_role("link", name="Next:").click()
    expect(cleo.page.get_by_role("heading", name="Your decision")).to_be_visible()
    ben.open(f"/requests/{request_id}")
    expect(ben.page.locator("main")).to_contain_text("Ready to claim")
    assert seeded.waiting


def test_two_tabs_the_second_decision_hears_of_the_first(people: People) -> None:
    ben, cleo, eli = (people.enter(name) for name in ("ben", "cleo", "eli"))
    request_id = send(ben, "two tabs")
    for approver in (cleo, eli):
        approver.open(f"/approvals/{request_id}")
        approver.page.check("input[value=approve]")
    cleo.page.click("text=Send decision")
    expect(cleo.page.locator("#result-heading")).to_be_focused()
    eli.page.click("text=Send decision")
    expect(eli.page.locator("#stale")).to_be_focused()
    expect(eli.page.locator("#stale")).to_contain_text("is approved by cleo")
    eli.page.locator("#stale").get_by_role("link", name="Load current").click()
    expect(eli.page.locator("main")).to_contain_text("Ready to claim")


def test_the_fields_for_changes_appear_with_their_choice_only(people: People, seeded: Seeded) -> None:
    eli = people.enter("eli")
    eli.open(f"/approvals/{seeded.two_step}")
    expect(eli.page.locator("#lifetime")).to_be_hidden()
    eli.page.check("input[value=change]")
    expect(eli.page.locator("#lifetime")).to_be_visible()
    expect(eli.page.get_by_role("checkbox", name="charges:write")).to_be_checked()


def test_editing_follows_the_form_as_asking_does(people: People, seeded: Seeded) -> None:
    ben = people.enter("ben")
    ben.open(f"/requests/{seeded.two_step}/edit")
    expect(ben.page.locator("#send")).to_have_text("Send for approval")
    ben.page.locator("#environment-dev").check()
    expect(ben.page.locator("#send")).to_have_text("Ask all the same")
    assert ben.focused == "environment-dev"
    assert ben.page.url.endswith("/edit")
