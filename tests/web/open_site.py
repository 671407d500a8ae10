"""A portal on a port of its own for robust tests, and browsers that are signed in without the form."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, Route

from tests.web.browsing import Watched, serving
from tests.web.house import Browser, make_app

EXECUTABLE = "/usr/bin/chromium"
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def hold_first(page: Page, pattern: str) -> list[Route]:
    """Keep the first such request waiting; whoever asked for it lets it go on."""
    held: list[Route] = []
    page.route(pattern, lambda route: route.continue_() if held else held.append(route))
    return held


@dataclass
class Site:
    """The application that is served, and the browsers of people who use it."""

    app: Flask
    base: str
    chromium: Chromium
    contexts: list[BrowserContext] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)

    def client(self, name: str) -> Browser:
        """Come in as somebody without a browser."""
        browser = Browser(self.app)
        browser.enter(name)
        return browser

    def enter(self, name: str, **options: Any) -> Watched:  # noqa: ANN401 - Playwright's own options.
        """Open a browser in which somebody is signed in."""
        cookie = self.client(name).client.get_cookie("keymgr")
        assert cookie
        context = self.chromium.new_context(**options)
        context.add_cookies([{"name": "keymgr", "value": cookie.value, "url": self.base}])
        self.contexts.append(context)
        return self.tab(context)

    def tab(self, context: BrowserContext) -> Watched:
        """Open one more page in a browser."""
        watched = Watched(context.new_page(), self.base)
        self.watched.append(watched)
        return watched

    def leave(self) -> list[str]:
        """Close all browsers; return what went wrong in any of them."""
        for context in self.contexts:
            context.close()
        faults = [fault for watched in self.watched for fault in watched.faults if "console: htmx:" not in fault]
        self.contexts, self.watched = [], []
        return faults


@contextmanager
def opened(chromium: Chromium, database_url: str, folder: Path) -> Iterator[Site]:
    """Serve the portal while the block runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app = make_app(database_url, folder, KEYMGR_PUBLIC_URL=base, KEYMGR_ALLOWED_HOSTS="127.0.0.1,localhost,portal.test")
    with serving(app, port):
        yield Site(app, base, chromium)
    app.extensions["keymgr.api"].close()
