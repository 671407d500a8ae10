"""Admin pages, the password asked for again, and a sign-in about to end, in Chromium."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect
from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from keymgr.store.people import SignInSession
from tests.databases import fresh_file
from tests.web.browsing import Watched, serving
from tests.web.conftest import Template
from tests.web.house import PASSWORDS, make_app
from tests.web.test_browser import GRANTED, look

MINUTE_MS = 60_000
LISTEN = """window.told = []; new MutationObserver(() => told.push(document.querySelector('#live').textContent))
    .observe(document.querySelector('#live'), {childList: true, characterData: true, subtree: true})"""


@dataclass(frozen=True, slots=True)
class Site:
    """A portal on a port of its own."""

    base: str
    url: str

    def grow_old(self) -> None:
        """Let every sign-in be longer ago than the limit."""
        engine = connect(self.url)
        with Session(engine) as session, session.begin():
            session.execute(update(SignInSession).values(signed_in_at=datetime.now(UTC) - timedelta(minutes=16)))
        engine.dispose()


@pytest.fixture(scope="module")
def site(
    lived_in: Template, tmp_path_factory: pytest.TempPathFactory, compiled_templates: FileSystemBytecodeCache
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = Site(f"http://127.0.0.1:{port}", fresh_file(lived_in.file, folder))
    app = make_app(found.url, folder, KEYMGR_PUBLIC_URL=found.base)
    app.jinja_env.bytecode_cache = compiled_templates
    with serving(app, port):
        yield found
    app.extensions["keymgr.api"].close()


@pytest.mark.parametrize("scripted", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_password_again_and_the_key_is_there_with_nothing_lost(
    chromium: Chromium, site: Site, *, scripted: bool
) -> None:
    context = chromium.new_context(java_script_enabled=scripted)
    ben = Watched(context.new_page(), site.base)
    ben.sign_in()
    ben.open(GRANTED)
    ben.page.fill("#name", "after lunch <b>")
    site.grow_old()
    ben.page.click("#send")
    expect(ben.page.locator("h1")).to_have_text("Confirm that it is you")
    if scripted:
        assert ben.focused == "password_again"
    ben.page.fill("#password_again", "not the right one")
    ben.page.click("text=Confirm and go on")
    expect(ben.page.locator("#problems")).to_contain_text("not your password")
    ben.page.fill("#password_again", PASSWORDS["ben"])
    ben.page.click("text=Confirm and go on")
    expect(ben.page.locator("h1")).to_contain_text("“after lunch <b>” is ready")
    assert ben.page.input_value("#token").count(".") == 2
    assert ben.faults == []
    context.close()


def test_a_sign_in_that_is_about_to_end_says_so_once_and_goes_on_with_a_click(chromium: Chromium, site: Site) -> None:
    context = chromium.new_context()
    ben = Watched(context.new_page(), site.base)
    ben.sign_in()
    ben.page.clock.install()
    ben.open("/keys/new")
    ben.page.fill("#name", "half filled in")
    ending = ben.page.locator("#ending")
    ben.page.clock.fast_forward(55 * MINUTE_MS)
    expect(ending).to_be_hidden()
    ben.page.evaluate(LISTEN)
    ben.page.clock.fast_forward(5 * MINUTE_MS // 2)
    expect(ending).to_be_visible()
    ben.page.clock.fast_forward(MINUTE_MS // 2)
    assert ben.page.evaluate("told") == ["Your sign-in ends in less than 3 minutes."]
    assert look(ben, "about to end") == []
    ben.page.click("text=Stay signed in")
    expect(ending).to_be_hidden()
    assert ben.focused != "body"
    assert ben.page.input_value("#name") == "half filled in"
    context.close()
    assert ben.faults == []


def test_a_sign_in_that_has_ended_says_so_and_leaves_what_was_typed(chromium: Chromium, site: Site) -> None:
    context = chromium.new_context()
    ben = Watched(context.new_page(), site.base)
    ben.sign_in()
    ben.page.clock.install()
    ben.open("/keys/new")
    ben.page.fill("#name", "half filled in")
    ben.page.clock.fast_forward(61 * MINUTE_MS)
    expect(ben.page.locator("#ending")).to_contain_text("Your sign-in has ended")
    expect(ben.page.locator("text=Stay signed in")).to_be_hidden()
    assert ben.page.input_value("#name") == "half filled in"
    context.close()
    assert ben.faults == []
