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
from tests.web.test_browser import SCREENS, chromium, look

__all__ = ("chromium",)
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


@pytest.mark.parametrize(
    "screen", SCREENS, ids=lambda screen: f"{screen['viewport']['width']} {screen['color_scheme']}"
)
def test_axe_finds_nothing_on_any_page_or_state(people: People, seeded: Seeded, screen: dict[str, Any]) -> None:
    ben, eli, ada = (people.enter(name, **screen) for name in ("ben", "eli", "ada"))
    found = of_asking(ben, seeded)
    request_id = send(ben, f"axe {screen['viewport']['width']} {screen['color_scheme']}")
    found += of_deciding(eli, seeded, request_id)
    ada.open(f"/approvals/{seeded.two_step}")
    ada.page.click("text=Emergency: grant it alone")
    ada.page.click("text=Grant without approvals")
    ada.page.wait_for_selector("#emergency-wrong")
    found += look(ada, "emergency without a reason")
    assert found == []


def of_asking(ben: Watched, seeded: Seeded) -> list[str]:
    ids = (seeded.waiting, seeded.approved, seeded.refused, seeded.two_step)
    paths = ["/requests", "/requests?state=zebra", *(f"/requests/{one}" for one in ids)]
    paths += [f"/requests/{seeded.approved}/claim", f"/requests/{seeded.refused}/claim"]
    paths += [f"/requests/{seeded.two_step}/edit", f"/requests/{seeded.refused}/edit"]
    paths += ["/approvals", f"/approvals/{seeded.two_step}", "/approvals?service=ledger"]
    found = []
    for path in paths:
        ben.open(path)
        found += look(ben, path)
    ben.open(f"/requests/{seeded.two_step}")
    ben.page.click("text=Send")
    ben.page.wait_for_selector("#problems")
    return found + look(ben, "answer with problems")


def of_deciding(eli: Watched, seeded: Seeded, request_id: str) -> list[str]:
    found = []
    for path in ("/approvals", f"/approvals/{seeded.two_step}", f"/approvals/{seeded.refused}"):
        eli.open(path)
        found += look(eli, f"eli {path}")
    eli.open(f"/approvals/{request_id}")
    eli.page.check("input[value=change]")
    found += look(eli, "approve with changes")
    eli.page.check("input[value=refuse]")
    eli.page.click("text=Send decision")
    eli.page.wait_for_selector("#problems")
    found += look(eli, "refuse without a reason")
    eli.page.fill("#reason", "Not today.")
    eli.page.click("text=Send decision")
    eli.page.wait_for_selector("#result-heading")
    return found + look(eli, "refused")


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
    expect(ben.page.locator("#send")).to_have_text("Create key")
    assert ben.focused == "environment-dev"
    assert ben.page.url.endswith("/edit")
