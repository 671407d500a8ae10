"""The key's page, home and one's own page in Chromium: focus, the countdown, shortcuts, and what axe finds."""

import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, StorageState, expect
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keymgr.keys.usage import Calls, record_batch
from keymgr.store.engine import connect
from keymgr.store.keys import Credential
from keymgr.tokens.verdicts import VerdictCode
from tests.databases import fresh_file
from tests.web.browsing import Watched, serving
from tests.web.conftest import Template
from tests.web.house import Seeded, address_of, make_app
from tests.web.test_browser import look


@pytest.fixture(scope="module")
def portal(
    lived_in: Template, tmp_path_factory: pytest.TempPathFactory, compiled_templates: FileSystemBytecodeCache
) -> Iterator[tuple[str, Flask]]:
    """A portal on a port of its own, where an old secret and each outcome was seen."""
    folder: Path = tmp_path_factory.mktemp("site")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app = make_app(fresh_file(lived_in.file, folder), folder, KEYMGR_PUBLIC_URL=base)
    app.jinja_env.bytecode_cache = compiled_templates
    use(app, lived_in.seeded)
    with serving(app, port):
        yield base, app
    app.extensions["keymgr.api"].close()


def use(app: Flask, seeded: Seeded) -> None:
    now = datetime.now(UTC)
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        of_key = select(Credential.id).where(Credential.key_id == seeded.grace).order_by(Credential.generation)
        old, new = session.scalars(of_key)
        begun = now - timedelta(hours=4)
        session.execute(update(Credential).where(Credential.id == new).values(issued_at=begun))
        for hour in range(5):
            for credential, calls in ((old, 90 - 20 * hour), (new, 30 + 40 * hour)):
                record_batch(
                    session,
                    [Calls(seeded.grace, credential, VerdictCode.OK, calls, begun + timedelta(hours=hour), "10.2.0.7")],
                )
        current = session.query(Credential).filter_by(key_id=seeded.active).one().id
        for day in range(7):
            for number, code in enumerate(VerdictCode):
                record_batch(
                    session, [Calls(seeded.active, current, code, 20 * number + day, now - timedelta(days=day))]
                )
    engine.dispose()


@pytest.fixture(scope="module")
def cookies(chromium: Chromium, portal: tuple[str, Flask]) -> dict[str, StorageState]:
    """What the browser keeps of each person after signing in once."""
    states = {}
    for name in ("ada", "ben"):
        context = chromium.new_context()
        Watched(context.new_page(), portal[0]).sign_in(name)
        states[name] = context.storage_state()
        context.close()
    return states


@pytest.fixture
def context(chromium: Chromium, cookies: dict[str, StorageState]) -> Iterator[BrowserContext]:
    made = chromium.new_context(storage_state=cookies["ben"])
    yield made
    made.close()


@pytest.fixture
def ben(context: BrowserContext, portal: tuple[str, Flask]) -> Iterator[Watched]:
    watched = Watched(context.new_page(), portal[0])
    yield watched
    assert [fault for fault in watched.faults if "console: htmx:" not in fault] == []


def test_problems_of_these_forms_are_told_to_everybody(
    chromium: Chromium, portal: tuple[str, Flask], cookies: dict[str, StorageState], seeded: Seeded
) -> None:
    context = chromium.new_context(storage_state=cookies["ada"], viewport={"width": 360, "height": 800})
    ada = Watched(context.new_page(), portal[0])
    ada.open(f"/keys/{seeded.active}/suspend")
    ada.page.click("main form button")
    ada.page.wait_for_selector("#problems")
    assert ada.focused == "problems"
    found = look(ada, "suspend with problems")
    context.close()
    assert found + ada.faults == []


def test_a_chosen_span_swaps_the_chart_alone_and_the_focus_stays(ben: Watched, seeded: Seeded) -> None:
    ben.open(f"/keys/{seeded.active}")
    ben.page.evaluate("document.querySelector('h1').dataset.here = 'yes'")
    ben.page.focus("#range-30d")
    ben.page.keyboard.press("Enter")
    expect(ben.page.locator("#range-30d")).to_have_attribute("aria-current", "true")
    expect(ben.page.locator("#usage tbody tr")).to_have_count(30)
    assert ben.focused == "range-30d"
    assert ben.page.locator("h1[data-here]").count() == 1, "the page was loaded anew"
    assert ben.page.url.endswith("range=30d")
    ben.page.reload()
    expect(ben.page.locator("#usage tbody tr")).to_have_count(30)


def test_the_countdown_is_refreshed_each_minute_and_not_where_nobody_looks(
    ben: Watched, portal: tuple[str, Flask], seeded: Seeded
) -> None:
    asked: list[str] = []
    page = ben.page
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/grace") else None)
    page.clock.install()
    ben.open(f"/keys/{seeded.grace}")
    page.focus("text=End grace now")
    end_in(portal[1], seeded.grace, timedelta(minutes=31))
    with page.expect_response("**/grace"):
        page.clock.fast_forward(61_000)
    expect(page.locator("#grace-now")).to_contain_text(re.compile(r"in 3\d min|in 30 min"))
    expect(page.locator("#grace-now .banner.stop")).to_be_visible()
    assert page.evaluate("document.activeElement.textContent").strip() == "End grace now"

    page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    before = len(asked)
    page.clock.fast_forward(61_000)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert len(asked) == before
    page.evaluate("delete document.hidden")
    with page.expect_response("**/grace"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def end_in(app: Flask, key_id: str, left: timedelta) -> None:
    """Move the end of a grace, as time would."""
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        old = update(Credential).where(Credential.key_id == key_id, Credential.retires_at.is_not(None))
        session.execute(old.values(retires_at=datetime.now(UTC) + left))
    engine.dispose()


def test_the_number_of_hours_is_asked_for_only_where_it_is_chosen(ben: Watched, seeded: Seeded) -> None:
    ben.open(f"/keys/{seeded.active}/rotate")
    expect(ben.page.locator("#hours")).to_be_hidden()
    ben.page.locator("input[value=custom]").check()
    expect(ben.page.locator("#hours")).to_be_visible()
    ben.page.click("main form button")
    ben.page.wait_for_selector("#problems")
    ben.page.click("#problems a")
    assert ben.focused == "hours"


def switch_shortcuts(ben: Watched, *, on: bool) -> None:
    ben.open("/me")
    ben.page.locator("input[name=shortcuts]").set_checked(on)
    ben.page.click("text=Set times and shortcuts")
    ben.page.wait_for_selector(f"text=Shortcuts are {'on' if on else 'off'}.")


def test_single_keys_do_nothing_until_they_are_switched_on_and_never_while_typing(ben: Watched) -> None:
    page = ben.page
    ben.open("/")
    page.keyboard.press("n")
    page.keyboard.press("?")
    assert page.url == ben.base + "/"
    switch_shortcuts(ben, on=True)

    ben.open("/")
    page.keyboard.press("Control+n")
    page.keyboard.press("g")
    page.keyboard.press("k")
    page.wait_for_url("**/keys")
    page.keyboard.press("/")
    expect(page.locator("main input[name=q]").first).to_be_focused()
    page.keyboard.type("n?gk")
    expect(page.locator("main input[name=q]").first).to_have_value("n?gk")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.wait_for_url("**/me#shortcuts")
    page.keyboard.press("n")
    page.wait_for_url("**/keys/new")

    switch_shortcuts(ben, on=False)


def test_series_can_be_told_apart_without_colours(
    chromium: Chromium, portal: tuple[str, Flask], cookies: dict[str, StorageState], seeded: Seeded
) -> None:
    context = chromium.new_context(storage_state=cookies["ben"], forced_colors="active")
    ben = Watched(context.new_page(), portal[0])
    ben.open(f"/keys/{seeded.active}")
    fills = {
        ben.page.locator(f".series .{mark}").evaluate("mark => mark.getAttribute('fill') ?? 'solid'")
        for mark in ("s1", "s2", "s3", "s4")
    }
    colours = {
        ben.page.locator(f".series .{mark}").evaluate("mark => getComputedStyle(mark).color")
        for mark in ("s1", "s2", "s3", "s4")
    }
    assert len(fills) == 4
    assert len(colours) == 1
    context.close()
    assert ben.faults == []
