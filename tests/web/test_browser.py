"""The portal in Chromium: no finding of axe, no complaint of the browser, and the secret only where it belongs."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Dialog, Page, Route, StorageState, expect

from tests.databases import fresh_file
from tests.web.browsing import Watched, serving
from tests.web.conftest import Template
from tests.web.house import Seeded, make_app

GRANTED = "/keys/new?name=checkout+worker&service=payments&environment=dev&scope=charges:read"
MIXED = "/keys/new?service=payments&environment=prod&scope=charges:read&scope=refunds:write&scope=payouts:admin"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def site(
    lived_in: Template, tmp_path_factory: pytest.TempPathFactory, compiled_templates: FileSystemBytecodeCache
) -> Iterator[str]:
    """A portal on a port of its own, shared by the tests of this module."""
    folder: Path = tmp_path_factory.mktemp("site")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app: Flask = make_app(fresh_file(lived_in.file, folder), folder, KEYMGR_PUBLIC_URL=base)
    app.jinja_env.bytecode_cache = compiled_templates
    with serving(app, port):
        yield base
    app.extensions["keymgr.api"].close()


@pytest.fixture(scope="module")
def cookies(chromium: Chromium, site: str) -> StorageState:
    """What the browser keeps after signing in once."""
    context = chromium.new_context()
    Watched(context.new_page(), site).sign_in()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def context(chromium: Chromium, cookies: StorageState) -> Iterator[BrowserContext]:
    made = chromium.new_context(storage_state=cookies)
    yield made
    made.close()


@pytest.fixture
def ben(context: BrowserContext, site: str) -> Iterator[Watched]:
    watched = Watched(context.new_page(), site)
    yield watched
    # htmx writes down each request that was replaced by a newer one or not answered: that is what the tests arrange.
    assert [fault for fault in watched.faults if "console: htmx:" not in fault] == []


def issue(ben: Watched, path: str = GRANTED) -> str:
    ben.open(path)
    ben.page.click("#send")
    return ben.page.input_value("#token")


def look(watched: Watched, name: str) -> list[str]:
    """Return what axe finds, and whether the page scrolls sideways."""
    found = [f"{name}: scrolls sideways"] if watched.overflows else []
    result = Axe().run(watched.page, options=RULES)
    return found + [
        f"{name}: {violation['id']} at {[node['target'] for node in violation['nodes']][:3]}"
        for violation in result.response["violations"]
    ]


SCREENS = [
    {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    for width in (360, 1280)
    for scheme in ("light", "dark")
]


def test_the_matrix_is_a_table_on_wide_screens_and_a_list_on_phones(ben: Watched) -> None:
    ben.open("/policy/matrix?service=payments&environment=prod")
    expect(ben.page.locator("table.matrix")).to_be_visible()
    expect(ben.page.locator(".matrix-list")).to_be_hidden()
    ben.page.set_viewport_size({"width": 360, "height": 800})
    expect(ben.page.locator("table.matrix")).to_be_hidden()
    ben.page.select_option("#who", "payments.service_account")
    ben.page.click("text=Show")
    expect(ben.page.locator(".matrix-list h2")).to_contain_text("service accounts")
    assert not ben.overflows


def test_what_if_shows_the_fields_of_the_chosen_owner_only(ben: Watched) -> None:
    ben.open("/policy/what-if")
    expect(ben.page.locator(".if-group")).to_be_hidden()
    ben.page.locator("input[name=as][value=group]").check()
    expect(ben.page.locator(".if-group")).to_be_visible()
    expect(ben.page.locator(".if-person")).to_be_hidden()


def test_what_if_offers_the_scopes_to_tick(ben: Watched) -> None:
    ben.open("/policy/what-if?service=payments")
    ben.page.get_by_role("checkbox", name="charges:write").check()
    ben.page.get_by_role("button", name="Explain").click()
    expect(ben.page.get_by_role("checkbox", name="charges:write")).to_be_checked()
    expect(ben.page.get_by_role("heading", name="Every rule that was considered")).to_be_visible()


def test_the_panel_follows_the_form_and_focus_stays(ben: Watched) -> None:
    ben.open("/keys/new")
    ben.page.focus("#service")
    ben.page.select_option("#service", "payments")
    ben.page.wait_for_selector("#environment-prod")
    assert ben.focused == "service"
    ben.page.locator("#environment-prod").check()
    ben.page.locator("#scope-1").check()
    expect(ben.page.locator("#send")).to_have_text(re.compile("Send for approval"))
    assert ben.focused == "scope-1"
    expect(ben.page.locator("#justification")).to_be_visible()
    expect(ben.page.locator("#live")).to_contain_text("needs approval")
    ben.page.locator("#environment-dev").check()
    expect(ben.page.locator("#send")).to_have_text(re.compile("Create key"))
    expect(ben.page.locator("#justification")).to_be_hidden()
    assert ben.focused == "environment-dev"
    ben.page.locator("#scope-4").check()
    expect(ben.page.locator(".why .refused")).to_be_visible()
    ben.page.locator("#scope-4").uncheck()
    expect(ben.page.locator(".why .refused")).to_have_count(0)


def test_enter_asks_for_the_whole_wish_and_buttons_do_what_they_say(context: BrowserContext, ben: Watched) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    ben.open("/keys/new?name=reader&service=payments&environment=dev&scope=charges:read&scope=payouts:admin")
    ben.page.press("#name", "Enter")
    ben.page.wait_for_selector("#problems")
    assert ben.page.is_checked("#scope-4")
    ben.page.click("text=Copy link")
    assert "scope=payouts:admin" in ben.page.evaluate("navigator.clipboard.readText()")
    ben.page.click("text=Select read-only")
    expect(ben.page.locator("#send")).to_have_class("button primary")
    assert ben.page.is_checked("#scope-1")
    assert not ben.page.is_checked("#scope-4")
    ben.page.locator("#scope-4").check()
    ben.page.click("#send-allowed")
    expect(ben.page.locator("#main .scopes").first).to_have_text("charges:read")
    with ben.page.expect_download():
        ben.page.click("#download")


def hold_first(page: Page, pattern: str) -> list[Route]:
    """Keep the first such request waiting; whoever asked for it lets it go on."""
    held: list[Route] = []
    page.route(pattern, lambda route: route.continue_() if held else held.append(route))
    return held


def test_a_slow_answer_never_overwrites_a_later_one(ben: Watched) -> None:
    ben.open("/keys/new?service=payments&environment=dev")
    held = hold_first(ben.page, "**/keys/new?*")
    with ben.page.expect_request("**/keys/new?*environment=prod*"):
        ben.page.locator("#environment-prod").check()
    expect(ben.page.locator("#explain")).to_have_attribute("aria-busy", "true")
    ben.page.fill("#name", "typed meanwhile")
    with ben.page.expect_event("requestfailed", lambda request: "scope" not in request.url):
        ben.page.locator("#scope-1").check()
    expect(ben.page.locator("#send")).to_have_text(re.compile("Send for approval"))
    held[0].continue_()
    expect(ben.page.locator("#explain")).not_to_have_attribute("aria-busy", "true")
    assert ben.page.is_checked("#environment-prod")
    assert ben.page.is_checked("#scope-1")
    assert ben.page.input_value("#name") == "typed meanwhile"
    assert ben.focused == "scope-1"
    ben.page.fill("#cidrs", "10.20.4.0/24")
    ben.page.locator("#environment-dev").check()
    expect(ben.page.locator("#send")).to_have_text(re.compile("Create key"))
    assert ben.page.input_value("#cidrs") == "10.20.4.0/24"
    assert ben.page.is_checked("#scope-1")


def test_what_was_asked_before_sending_never_lands_in_the_answer(ben: Watched) -> None:
    ben.open(GRANTED)
    held = hold_first(ben.page, "**/keys/new?*")
    with ben.page.expect_request("**/keys/new?*"):
        ben.page.locator("#scope-4").check()
    ben.page.fill("#name", "")
    with ben.page.expect_event("requestfailed"):
        ben.page.click("#send")
    ben.page.wait_for_selector("#problems")
    held[0].continue_()
    assert ben.focused == "problems"
    assert ben.page.is_checked("#scope-4")
    expect(ben.page.locator(".why .refused")).to_be_visible()


def test_a_key_is_asked_for_copied_and_tested(context: BrowserContext, ben: Watched) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    token = issue(ben)
    assert token.startswith("eyJ")
    assert ben.focused == "h1"
    ben.page.click("text=Copy key")
    expect(ben.page.locator("#said")).to_have_text("Key copied.")
    assert ben.page.evaluate("navigator.clipboard.readText()") == token
    assert ben.focused == "button"
    ben.page.click("#test")
    expect(ben.page.locator("#test-result")).to_contain_text("200 ok")
    assert ben.focused == "test"


def test_copying_never_says_copied_when_it_was_not(ben: Watched) -> None:
    issue(ben)
    ben.page.evaluate(
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: () => Promise.reject(new Error('no'))}});"
        "document.execCommand = () => false"
    )
    ben.page.click("text=Copy key")
    expect(ben.page.locator("#said")).to_contain_text("Copy failed")
    assert ben.focused == "token"


def test_without_a_clipboard_the_old_way_copies(context: BrowserContext, ben: Watched) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    token = issue(ben)
    ben.page.evaluate(
        "window.read = navigator.clipboard.readText.bind(navigator.clipboard);"
        "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
    )
    ben.page.click("text=Copy key")
    expect(ben.page.locator("#said")).to_have_text("Key copied.")
    assert ben.page.evaluate("window.read()") == token


def test_the_download_is_made_in_the_page(ben: Watched) -> None:
    token = issue(ben)
    sent: list[str] = []
    ben.page.on("request", lambda request: sent.append(request.method))
    with ben.page.expect_download() as download:
        ben.page.click("#download")
    assert download.value.path().read_text() == f"PAYMENTS_API_KEY={token}\n"
    assert "POST" not in sent


def test_leaving_asks_until_the_key_is_saved(ben: Watched, site: str) -> None:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    ben.page.on("dialog", stay)
    issue(ben)
    ben.page.click("h1")
    ben.page.get_by_role("link", name="My keys").click(no_wait_after=True)
    ben.page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    assert ben.page.input_value("#token")
    with ben.page.expect_download():
        ben.page.click("#download")
    ben.page.get_by_role("link", name="My keys").click()
    ben.page.wait_for_url(site + "/keys")
    assert asked == ["beforeunload"]


def test_after_leaving_the_secret_is_nowhere(ben: Watched, site: str) -> None:
    token = issue(ben)
    assert token not in ben.page.url
    with ben.page.expect_download():
        ben.page.click("#download")
    ben.page.get_by_role("link", name="Requests").click()
    ben.page.wait_for_url(site + "/requests")
    assert token not in ben.storage
    for step in (ben.page.go_back, ben.page.reload, ben.page.go_forward, ben.page.go_back):
        step()
        ben.page.wait_for_load_state()
        assert token not in ben.page.content()
        assert not ben.page.locator("#token").count() or not ben.page.input_value("#token")
        assert ben.page.locator("#main").count() == 1
    assert token not in ben.storage


def test_a_double_click_makes_one_key_and_shows_its_secret(ben: Watched) -> None:
    ben.open(GRANTED.replace("checkout", "double"))
    ben.page.dblclick("#send")
    assert ben.page.input_value("#token").startswith("eyJ")
    with ben.page.expect_download():
        ben.page.click("#download")
    ben.open("/keys?q=double")
    assert ben.page.locator("#rows .name").count() == 1


def test_paper_and_narrow_screens_are_safe(ben: Watched) -> None:
    token = issue(ben)
    ben.page.set_viewport_size({"width": 360, "height": 700})
    area = "document.querySelector('#token')"
    assert ben.page.evaluate(
        f"{area}.scrollWidth <= {area}.clientWidth && {area}.scrollHeight <= {area}.clientHeight + 1"
    )
    ben.page.emulate_media(media="print")
    assert not ben.page.is_visible("#token")
    assert token


def test_problems_get_the_focus_and_lead_to_their_fields(ben: Watched) -> None:
    ben.open("/keys/new?service=payments&environment=dev")
    ben.page.click("#send")
    ben.page.wait_for_selector("#problems")
    assert ben.focused == "problems"
    assert ben.page.title().startswith("Error:")
    ben.page.click("#problems a[href='#name']")
    assert ben.focused == "name"
    assert ben.page.get_attribute("#name", "aria-invalid") == "true"


def test_an_ended_session_leads_to_sign_in_and_back_with_the_draft(context: BrowserContext, ben: Watched) -> None:
    ben.open("/keys/new?service=payments&environment=dev&scope=charges:read")
    ben.page.fill("#name", "kept over sign-in")
    context.clear_cookies()
    ben.page.click("#send")
    ben.page.wait_for_url(re.compile(r"/login\?next="))
    assert ben.page.locator("main").count() == 1
    ben.page.fill("#name", "ben")
    ben.page.fill("#password", "ben-likes-blue-doors")
    ben.page.click("main button")
    ben.page.wait_for_url(re.compile(r"/keys/new"))
    assert ben.page.input_value("#name") == "kept over sign-in"
    assert ben.page.is_checked("#scope-1")


def test_when_the_server_is_gone_it_says_so_beside_the_form_and_retries(ben: Watched) -> None:
    ben.open(GRANTED)
    gone = iter([True])
    ben.page.route("**/keys", lambda route: route.abort() if next(gone, False) else route.continue_())
    ben.page.click("#send")
    expect(ben.page.locator(".inline-note")).to_contain_text("Not sent")
    assert ben.page.input_value("#name") == "checkout worker"
    ben.page.click(".inline-note button")
    assert ben.page.input_value("#token").startswith("eyJ")
    with ben.page.expect_download():
        ben.page.click("#download")


def test_typing_a_search_adds_no_history_and_back_keeps_it(ben: Watched) -> None:
    ben.open("/keys")
    ben.page.locator("#q").press_sequentially("smoke", delay=30)
    ben.page.wait_for_url(re.compile(r"q=smoke"))
    expect(ben.page.locator("#rows .name")).to_have_count(1)
    assert ben.focused == "q"
    ben.page.locator("#rows .name").click()
    ben.page.wait_for_url(re.compile(r"/keys/key_"))
    ben.page.go_back()
    ben.page.wait_for_url(re.compile(r"q=smoke"))
    expect(ben.page.locator("#rows .name")).to_have_count(1)
    assert ben.page.locator("nav[aria-label=Main]").count() == 1


def issue_plainly(page: Page, site: str) -> str:
    """Sign in on the way to the form, fill it in with its own buttons, and send it."""
    page.goto(site + "/keys/new")
    page.fill("#name", "ben")
    page.fill("#password", "ben-likes-blue-doors")
    page.click("main button")
    page.fill("#name", "plain")
    page.select_option("#service", "payments")
    page.click("text=Show environments and scopes")
    page.check("#scope-1")
    page.click("text=Check")
    expect(page.locator("#explain")).to_contain_text("You get this key at once")
    assert page.input_value("#name") == "plain"
    page.click("#send")
    return page.input_value("#token")


def test_without_javascript_the_main_job_is_done(chromium: Chromium, site: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    token = issue_plainly(page, site)
    with context.expect_page() as opened:
        page.click("#test")
    expect(opened.value.locator("#test-result")).to_contain_text("200 ok")
    with page.expect_download() as download:
        page.click("#download")
    assert token in download.value.path().read_text()
    page.click("text=go to the key")
    page.click("text=Revoke")
    page.check("input[value=leaked]")
    if page.locator("#typed").count():
        page.fill("#typed", "plain")
    page.click("button.danger")
    expect(page.locator("#main")).to_contain_text("is revoked.")
    context.close()


def test_in_forced_colours_a_status_is_still_word_and_icon_and_the_focus_is_seen(
    chromium: Chromium, site: str, cookies: StorageState, seeded: Seeded
) -> None:
    context = chromium.new_context(forced_colors="active", storage_state=cookies)
    ben = Watched(context.new_page(), site)
    ben.open("/keys")
    statuses = ben.page.locator(".status")
    assert statuses.count() > 0
    for number in range(statuses.count()):
        assert statuses.nth(number).inner_text().strip()
        assert statuses.nth(number).locator("svg").is_visible()
    for path in ("/keys", f"/keys/{seeded.active}", MIXED):
        ben.open(path)
        for _ in range(12):
            ben.page.keyboard.press("Tab")
            ring = "(({outlineStyle: style, outlineWidth: width}) => style !== 'none' && parseFloat(width) >= 2)"
            assert ben.page.evaluate(f"{ring}(getComputedStyle(document.activeElement))"), (path, ben.focused)
    context.close()


def test_two_clicks_without_a_script_make_one_key(chromium: Chromium, cookies: StorageState, site: str) -> None:
    context = chromium.new_context(java_script_enabled=False, storage_state=cookies)
    plain = Watched(context.new_page(), site)
    plain.open(GRANTED.replace("name=", "name=twice+"))
    plain.page.locator("#send").dblclick()
    expect(plain.page.locator("h1")).to_contain_text(re.compile("is ready|already"))
    plain.open("/keys?q=twice")
    expect(plain.page.locator("#rows .name")).to_have_count(1)
    context.close()
