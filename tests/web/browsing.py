"""A real browser against a real server: what it did wrong is collected and must stay empty."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import Flask
from playwright.sync_api import ConsoleMessage, Page
from werkzeug.serving import make_server

from tests.web.house import PASSWORDS

# Chromium prints one line for every 4xx it fetches; that is the network speaking, not a script.
_NETWORK = "Failed to load resource"
# Chromium says so of a page that came too late to fade in; it shows it without.
_NOT_FADED = "Transition was "
# htmx writes the same way of a question that a newer one replaced.
_REPLACED = ("htmx:sendAbort", "htmx:afterRequest")


@dataclass
class Watched:
    """A page whose console, errors and outward requests are written down."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._failed(str(error)))
        self.page.on("request", lambda request: self._left(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        expected = _NETWORK in message.text or message.text.startswith(_REPLACED)
        if message.type in {"error", "warning"} and not expected:
            self.faults.append(f"console: {message.text}")

    def _failed(self, error: str) -> None:
        if not error.startswith(_NOT_FADED):
            self.faults.append(f"error: {error}")

    def _left(self, url: str) -> None:
        if not url.startswith((self.base, "blob:", "data:")):
            self.faults.append(f"left the site: {url}")

    def open(self, path: str) -> None:
        """Go to a page of the portal."""
        self.page.goto(self.base + path)

    def sign_in(self, name: str = "ben") -> None:
        """Sign in through the form."""
        self.open("/login")
        self.page.fill("#name", name)
        self.page.fill("#password", PASSWORDS[name])
        self.page.click("main button")
        self.page.wait_for_url(self.base + "/")

    @property
    def focused(self) -> str:
        """Name the element that has the focus."""
        return str(self.page.evaluate("document.activeElement.id || document.activeElement.tagName.toLowerCase()"))

    @property
    def overflows(self) -> bool:
        """Tell whether the page scrolls sideways."""
        width = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(width))

    @property
    def storage(self) -> str:
        """Everything a script could keep in this browser."""
        return str(
            self.page.evaluate(
                "async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie,"
                " window.isSecureContext ? await caches.keys() : [], await indexedDB.databases()])"
            )
        )


@contextmanager
def serving(app: Flask, port: int) -> Iterator[None]:
    """Serve the application on loopback while the block runs."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
