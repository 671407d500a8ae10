"""The list of keys in Chromium: what is a step of the history, and several keys with and without a script."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route, expect

from tests.databases import fresh_file
from tests.web.browsing import Watched, serving
from tests.web.conftest import Template
from tests.web.house import make_app
from tests.web.test_key_list import multiply


@pytest.fixture(scope="module")
def site(lived_in: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A portal in which ben has 124 keys."""
    folder: Path = tmp_path_factory.mktemp("list")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app = make_app(fresh_file(lived_in.file, folder), folder, KEYMGR_PUBLIC_URL=base)
    multiply(app, lived_in.seeded.expiring, 120)
    with serving(app, port):
        yield base
    app.extensions["keymgr.api"].close()


@pytest.fixture
def ben(chromium: Chromium, site: str) -> Iterator[Watched]:
    context = chromium.new_context()
    watched = Watched(context.new_page(), site)
    watched.sign_in()
    yield watched
    context.close()
    assert watched.faults == []


def steps(page: Page) -> int:
    return int(page.evaluate("history.length"))


def test_typing_a_search_is_no_step_and_order_and_pages_and_filters_are(ben: Watched) -> None:
    page = ben.page
    ben.open("/keys")
    begun = steps(page)
    page.locator("#q").press_sequentially("copy", delay=30)
    expect(page.locator("#found")).to_have_text(re.compile(r"^\s*120 of"))
    assert (steps(page), ben.focused) == (begun, "q")
    page.click("#sort-1")
    expect(page.locator("#rows .name").first).to_have_text("copy 000")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Name")
    assert (steps(page), ben.focused) == (begun + 1, "sort-1")
    for number, first in ((2, "copy 050"), (3, "copy 100")):
        page.click("#page-next")
        expect(page.locator("#rows .name").first).to_have_text(first)
        assert (steps(page), ben.focused) == (begun + number, "page-next")
    page.focus("#f-status")
    page.select_option("#f-status", "Revoked")
    expect(page.locator("#found")).to_have_text(re.compile(r"^\s*0 of"))
    assert (steps(page), ben.focused) == (begun + 4, "f-status")


def test_back_goes_through_filters_pages_and_order_with_the_whole_page_around_them(ben: Watched) -> None:
    page = ben.page
    ben.open("/keys?q=copy")
    page.click("#sort-1")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Name")
    page.click("#page-next")
    expect(page.locator(".pages .quiet")).to_have_text("Page 2 of 3")
    page.select_option("#f-status", "Revoked")
    expect(page.locator("#found")).to_have_text(re.compile(r"^\s*0 of"))
    assert "sort=name" in page.url
    for seen in ("Page 2 of 3", "Page 1 of 3"):
        page.go_back()
        expect(page.locator(".pages .quiet")).to_have_text(seen)
        expect(page.locator("#q")).to_have_value("copy")
        expect(page.locator("#f-status")).to_have_value("")
        expect(page.locator("nav[aria-label=Main]")).to_have_count(1)
    page.go_back()
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Expires")
    page.go_forward()
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Name")


def test_a_whole_key_is_not_sent_by_the_search(ben: Watched, site: str) -> None:
    asked: list[str] = []
    ben.page.on("request", lambda request: asked.append(request.url))
    ben.open("/keys")
    for secret in ("eyJhbGciOiJFUzI1NiIs" * 10, "km_dev_01jd0000000000000000000000_" + "S" * 49):
        ben.page.fill("#q", secret)
        ben.page.press("#q", "Enter")
        ben.page.fill("#q", "smoke")
        ben.page.press("#q", "Enter")
        expect(ben.page.locator("#rows .name")).to_have_text(["ci smoke test"])
    assert ben.page.url.startswith(site + "/keys?")
    assert not [url for url in asked if "eyJ" in url or "km_dev" in url]


def test_a_search_that_does_not_arrive_says_so_and_can_be_sent_again(ben: Watched) -> None:
    ben.open("/keys")
    gone = iter([True])
    ben.page.route("**/keys?*", lambda route: route.abort() if next(gone, False) else route.continue_())
    ben.page.fill("#q", "smoke")
    note = ben.page.locator(".inline-note")
    expect(note).to_contain_text("Not sent")
    assert ben.page.input_value("#q") == "smoke"
    note.get_by_role("button").click()
    expect(ben.page.locator("#rows .name")).to_have_text(["ci smoke test"])
    expect(note).to_have_count(0)
    ben.faults = [fault for fault in ben.faults if "htmx:sendError" not in fault]


def test_a_key_is_identified_and_the_answer_has_the_focus(ben: Watched) -> None:
    ben.open("/keys/identify")
    ben.page.fill("#token", "zebra")
    ben.page.press("#token", "Enter")
    expect(ben.page.locator("#answer")).to_have_text("This is not one of yours")
    assert ben.focused == "answer"
    assert ben.page.input_value("#another") == ""


def test_one_box_ticks_a_page_and_a_double_click_does_it_once(ben: Watched) -> None:
    ben.open("/keys?q=copy+00")
    ben.page.get_by_label("All 10 on this page").check()
    expect(ben.page.locator("#rows .check input:checked")).to_have_count(10)
    ben.page.get_by_label("Choose copy 004").uncheck()
    ben.page.get_by_role("button", name="Revoke the chosen keys").click()
    expect(ben.page.locator("h1")).to_have_text("Revoke 9 keys")
    ben.page.check("input[value=not_needed]")
    ben.page.get_by_role("button", name="Revoke 9 keys").dblclick()
    expect(ben.page.locator("#sum")).to_have_text("9 revoked, 0 failed")


def test_without_a_script_several_keys_are_looked_at_and_revoked(chromium: Chromium, site: str) -> None:
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
    ben = Watched(context.new_page(), site)
    ben.sign_in()
    ben.open("/keys?q=copy+01&sort=name")
    assert not ben.page.locator("[data-all]").is_visible()
    for name in ("copy 011", "copy 012"):
        ben.page.get_by_label(f"Choose {name}").check()
    ben.page.get_by_role("button", name="Revoke the chosen keys").click()
    expect(ben.page.locator("main .name")).to_have_text(["copy 011", "copy 012"])
    ben.page.get_by_role("button", name="Revoke 2 keys").click()
    expect(ben.page.locator("#problems")).to_contain_text("Choose why the keys are revoked.")
    ben.page.check("input[value=leaked]")
    ben.page.get_by_role("button", name="Revoke 2 keys").click()
    expect(ben.page.locator("#sum")).to_have_text("2 revoked, 0 failed")
    ben.page.get_by_role("link", name="Back to my keys").click()
    ben.open("/keys?q=copy+01&status=Revoked")
    expect(ben.page.locator("#found")).to_contain_text("2 of your keys match")
    context.close()


def test_a_slow_earlier_search_never_overwrites_a_later_one(ben: Watched) -> None:
    page = ben.page
    ben.open("/keys")
    held: list[Route] = []
    page.route("**/keys?*", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/keys?*"):
        page.fill("#q", "copy")
    with page.expect_event("requestfailed"):
        page.fill("#q", "copy 119")
    expect(page.locator("#found")).to_have_text(re.compile(r"^\s*1 of"))
    held[0].continue_()
    expect(page.locator("#rows .name")).to_have_text("copy 119")
    assert page.input_value("#q") == "copy 119"
