"""Getting a key in the browser as ben does, for flows that are about what happens to it afterwards."""

from playwright.sync_api import Browser

from tests.flows.demo import Demo
from tests.flows.test_main_job import issue, revoke, sign_in


class Holder:
    """Ben in his browser, with one key in hand."""

    def __init__(self, chromium: Browser, demo: Demo, name: str) -> None:
        self.page = chromium.new_context().new_page()
        self._demo = demo
        self._name = name
        sign_in(self.page, demo, "ben")
        self.token = issue(self.page, demo, script=True, name=name)

    def revoke(self, *, used: bool) -> None:
        revoke(self.page, self._demo, name=self._name, used=used)

    def close(self) -> None:
        self.page.context.close()
