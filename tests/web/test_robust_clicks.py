"""Every form of every page, pressed twice: one request; a server that is gone is told beside it, and tried again."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ElementHandle, Page, Route, expect

from tests.databases import fresh_file
from tests.security.test_browser_door import ADMINS_RULES, FORMS
from tests.web.browsing import Watched
from tests.web.conftest import Template
from tests.web.house import Seeded
from tests.web.open_site import Site, opened

GRANTED = "/keys/new?name=plain+http&service=payments&environment=dev&scope=charges:read"
TWO_STEPS = {
    "name": "in an emergency",
    "owner": "svc:pay-ci",
    "service": "payments",
    "environment": "prod",
    "scope": ["charges:read", "charges:write"],
    "lifetime": "5184000",
    "cidrs": "10.20.4.0/24",
    "justification": "For the test.",
    "nonce": "robust",
}
SENDERS = """() => {
  document.querySelectorAll('details').forEach((node) => { node.open = true; });
  if (document.querySelector('#ending')) document.querySelector('#ending').hidden = false;
  return [...document.querySelectorAll('button')].filter((node) =>
    node.type === 'submit' && node.form?.method === 'post' && node.checkVisibility());
}"""
ACTION = "node => (node.getAttribute('formaction') ?? node.form.getAttribute('action')).split('?')[0]"
FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


@pytest.fixture(scope="module")
def served(
    chromium: Chromium,
    lived_in: Template,
    tmp_path_factory: pytest.TempPathFactory,
    compiled_templates: FileSystemBytecodeCache,
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("robust")
    with opened(chromium, fresh_file(lived_in.file, folder), folder) as site:
        site.app.jinja_env.bytecode_cache = compiled_templates
        yield site


@pytest.fixture
def site(served: Site) -> Iterator[Site]:
    yield served
    assert served.leave() == []


def pages_with_forms(site: Site, seeded: Seeded) -> Mapping[str, list[str]]:
    """Prepare what some forms are there for, and name the pages on which every form can be pressed."""
    ben, ada = site.client("ben"), site.client("ada")
    ben.get("/keys/new")
    emergency = ben.post("/keys", TWO_STEPS).location.rpartition("/")[2]
    ada.get("/admin")
    ada.post("/admin/service-credentials", {"service": "ledger", "nonce": "robust"})
    page = ada.get(f"/approvals/{emergency}").text
    seen = re.findall(r'name="seen" value="(\w+)"', page)[-1]
    ada.post(f"/approvals/{emergency}/break-glass", {"emergency": "A drill.", "seen": seen, "nonce": "robust"})
    keys = f"key={seeded.active}&key={seeded.grace}"
    return {
        "ben": [
            "/me",
            "/me/password",
            "/keys",
            "/keys/new?service=payments",
            f"/keys/bulk?verb=revoke&{keys}",
            "/keys/identify",
            f"/keys/{seeded.active}/revoke",
            f"/keys/{seeded.active}/rotate",
            f"/keys/{seeded.grace}/grace",
            f"/requests/{seeded.waiting}",
            f"/requests/{seeded.approved}/claim",
            f"/requests/{seeded.two_step}/edit",
            "/policy/what-if?as=me&service=payments&environment=prod&scope=charges:read",
        ],
        "ada": [
            f"/keys/{seeded.active}/suspend",
            f"/keys/{seeded.active}/resume",
            "/policy/overrides",
            "/audit",
            "/admin/people/new",
            "/admin/people/finn",
            "/admin/people/ben",
            "/admin/people/finn/state?to=suspended",
            "/admin/service-accounts",
            "/admin/service-accounts/pay-ci/state?to=suspended",
            "/admin/service-credentials",
            "/admin/signing-keys",
            f"/approvals/{seeded.two_step}",
        ],
        "eli": [f"/approvals/{seeded.two_step}", f"/approvals/{emergency}"],
    }


NOT_PRESSED = {
    *(f"/setup/{step}" for step in ("policy", "signing-key", "test-key", "finish")),  # Gone once there is an admin.
    "/keys/new",  # Only without a script.
    "/keys/env",
    "/keys/test",  # Both read only, and answer in a page of their own.
    "/admin/signing-keys/<kid>/retire",  # There only while a signing key is being replaced.
    "/policy/overrides/<override_id>/lift",  # There only while issuing is stopped.
    "/keys/<key_id>/grace/extend",  # There only while the policy allows a longer overlap.
    "/docs/inspect",  # Reads only; with a script it sends nothing.
}


def test_two_clicks_or_two_enters_send_once_and_a_dead_server_is_told_and_tried_again(
    site: Site, seeded: Seeded
) -> None:
    """The forms of every page: no answer comes until both clicks are done."""
    pressed: set[str] = set()
    for name, paths in pages_with_forms(site, seeded).items():
        watched = site.enter(name)
        for path in paths:
            watched.open(path)
            for number in range(len(senders(watched.page))):
                press(watched, path, number, pressed)
    where = site.app.url_map.bind("localhost")
    found = {where.match(action, method="POST", return_rule=True)[0].rule for action in pressed}
    named = {
        path.format(active="<key_id>", waiting="<request_id>", override="<override_id>", **ADMINS_RULES)
        for path in FORMS
    }
    assert named - found == NOT_PRESSED


def senders(page: Page) -> list[ElementHandle]:
    """Return the buttons that send a form which changes something; what was folded is open."""
    found = page.evaluate_handle(SENDERS).get_properties().values()
    return [element for each in found if (element := each.as_element())]


def press(watched: Watched, path: str, number: int, pressed: set[str]) -> None:
    page = watched.page
    button = senders(page)[number]
    action = button.evaluate(ACTION)
    if action in pressed:
        return
    pressed.add(action)
    held: list[Route] = []
    page.route("**/*", lambda route: hold(route, held))
    button.focus()
    for _ in range(2):
        page.keyboard.press("Enter")
    settle(page, held, f"{path} {action} Enter")
    if button.evaluate("node => node.form.hasAttribute('hx-post')"):
        retried(page, held, button)
    else:
        watched.open(path)
        button = senders(page)[number]
    held.clear()
    button.evaluate("node => { node.click(); node.click(); }")
    settle(page, held, f"{path} {action} click")
    if held[0].request.resource_type != "document":
        held[0].fulfill(status=204)
    page.unroute("**/*")
    watched.open(path)


def hold(route: Route, held: list[Route]) -> None:
    """Let no form through: htmx waits for its answer, and a page stays where it is."""
    if route.request.method != "POST":
        route.continue_()
        return
    held.append(route)
    if route.request.resource_type == "document":
        route.fulfill(status=204)


def settle(page: Page, held: list[Route], what: str) -> None:
    """Wait until the page has done all that the keys and clicks made it do."""
    for _ in range(500):
        if held:
            break
        page.evaluate(FRAME)
    for _ in range(5):
        page.evaluate(FRAME)
    assert len(held) == 1, what


def retried(page: Page, held: list[Route], button: ElementHandle) -> None:
    """The server dies with the request: that is said beside the form, and Retry sends the same once more."""
    before = button.evaluate("node => new URLSearchParams(new FormData(node.form)).toString()")
    first = held.pop()
    first.abort()
    note = page.locator(".inline-note[role=alert]")
    expect(note).to_contain_text("Not sent")
    assert note.evaluate("(note, button) => button.form.contains(note)", button)
    assert button.evaluate("node => new URLSearchParams(new FormData(node.form)).toString()") == before
    note.get_by_role("button", name="Retry").evaluate("node => node.click()")
    expect(note).to_have_count(0)
    settle(page, held, "Retry")
    again = held.pop()
    assert again.request.post_data == first.request.post_data
    with page.expect_event("requestfinished"):
        again.fulfill(status=204)
