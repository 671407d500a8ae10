"""A secret that was shown is in nothing that stays, in the browser or on the server; copying tells the truth."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, Request, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent
from tests.databases import fresh_file
from tests.web.conftest import Template
from tests.web.house import PASSWORDS, Seeded
from tests.web.open_site import ARGUMENTS, EXECUTABLE, Site, opened

GRANTED = "/keys/new?name=plain+http&service=payments&environment=dev&scope=charges:read"
VALUES = (
    "[...document.querySelectorAll('input, textarea')].map((node) => node.value).join(' ') + document.body.innerText"
)


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


def claim(page: Page, seeded: Seeded) -> None:
    page.goto(f"/requests/{seeded.approved}/claim")
    page.click("text=Make and show the key")


def turn(page: Page, seeded: Seeded) -> None:
    page.goto(f"/keys/{seeded.expiring}/rotate")
    page.click("main form [type=submit]")


def credential(page: Page, _seeded: Seeded) -> None:
    page.goto("/admin/service-credentials")
    page.select_option("main select", "reports")
    page.locator("main form:has(select) [type=submit]").click()


def password(page: Page, _seeded: Seeded) -> None:
    page.goto("/admin/people/finn")
    page.locator("form[action$=password] [type=submit]").click()


REVEALS: Mapping[str, tuple[str, Callable[[Page, Seeded], None]]] = {
    "claim": ("ben", claim),
    "rotation": ("ben", turn),
    "service credential": ("ada", credential),
    "first password": ("ada", password),
}


@pytest.mark.parametrize("what", REVEALS)
def test_a_secret_that_was_shown_is_in_nothing_that_stays(
    site: Site, seeded: Seeded, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    name, reveal = REVEALS[what]
    watched = site.enter(name, base_url=site.base)
    page, sent = watched.page, []
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.on("request", lambda request: sent.append(trace(request)))
    reveal(page, seeded)
    secret = page.locator("[data-secret]").input_value()
    assert len(secret) > 11
    page.get_by_role("button", name=re.compile("^Copy")).first.click()
    expect(page.locator("#said")).to_contain_text("copied")
    page.get_by_role("link", name="Requests", exact=True).click()
    page.wait_for_url("**/requests")
    for step in (page.go_back, page.reload, page.go_forward, page.go_back, page.reload):
        again(page, step)
        assert secret not in page.evaluate(f"JSON.stringify(history.state) + location.href + {VALUES}")
    watched.open("/requests")
    kept = [watched.storage, str(page.context.cookies()), caplog.text, *sent]
    with Session(site.app.config["KEYMGR_ENGINE"]) as session:
        kept += [str(event.__dict__) for event in session.scalars(select(AuditEvent))]
    assert not [text for text in kept if secret in text]


def trace(request: Request) -> str:
    """What the server, a proxy and its log can know of a request."""
    return f"{request.url} {request.headers} {request.post_data}"


def again(page: Page, step: Callable[[], object]) -> None:
    """Take a step in the history; Chromium refuses to show a form's answer that may not be kept."""
    try:
        step()
    except BrowserError as error:
        if "ERR_CACHE_MISS" not in str(error):
            raise
        page.wait_for_url(re.compile("^chrome-error:"))


def test_where_the_page_may_not_copy_the_old_way_copies_or_says_that_it_did_not(site: Site) -> None:
    """Plain http on another name than localhost: there is no clipboard, and nothing is stubbed but the last case."""
    args = [*ARGUMENTS, "--host-resolver-rules=MAP portal.test 127.0.0.1"]
    plain = site.chromium.browser_type.launch(executable_path=EXECUTABLE, args=args)
    page = plain.new_page(base_url=site.base.replace("127.0.0.1", "portal.test"))
    page.goto("/login")
    page.fill("#name", "ben")
    page.fill("#password", PASSWORDS["ben"])
    page.click("main button")
    page.goto(GRANTED)
    page.click("#send")
    token = page.input_value("#token")
    assert page.evaluate("[window.isSecureContext, navigator.clipboard === undefined]") == [False, True]
    page.evaluate("document.execCommand = () => false; null")
    page.get_by_role("button", name="Copy key").click()
    expect(page.locator("#said")).to_contain_text("Copy failed")
    assert page.evaluate("getSelection().toString() || document.activeElement.id") in {token, "token"}
    page.evaluate("delete document.execCommand")
    page.get_by_role("button", name="Copy key").click()
    expect(page.locator("#said")).to_have_text("Key copied.")
    page.goto("/keys/identify")
    page.focus("#token")
    page.keyboard.press("Control+V")
    expect(page.locator("#token")).to_have_value(token)
    plain.close()
