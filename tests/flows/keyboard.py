"""Somebody without a mouse: Tab, Enter, Space, arrows and letters, and at each stop the focus has to be seen."""

import re

from playwright.sync_api import Page, expect

_WHERE = """() => {
  const at = document.activeElement, shown = at.closest("label") ?? at;
  const box = shown.getBoundingClientRect(), style = [at, shown].map((each) => getComputedStyle(each));
  return {
    tag: at.tagName.toLowerCase(),
    name: (at.getAttribute("aria-label") || at.labels?.[0]?.innerText || at.innerText || "").trim(),
    outlined: style.some((each) => each.outlineStyle !== "none" && parseFloat(each.outlineWidth) >= 2),
    seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""


class Keyboard:
    """Walks a page and presses what has the focus."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def to(self, name: str) -> None:
        """Press Tab until the focus is on what has this accessible name; on the way there it is always visible."""
        around = 0
        while around <= 1:
            self.page.keyboard.press("Tab")
            where = self.page.evaluate(_WHERE)
            if where["tag"] == "body":  # Past the last stop the focus leaves the page for the browser, then comes back.
                around += 1
                continue
            assert where["outlined"], where
            assert where["seen"], where
            if re.search(name, where["name"]):
                return
        raise AssertionError(f"{name} was not reached on {self.page.url}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def enter(self, name: str, then: str) -> None:
        """Go to a link or a button and press it; `then` is what says that what came of it is there."""
        self.to(name)
        self.page.keyboard.press("Enter")
        expect(self.page.locator(then).first).to_be_visible()
        self.page.wait_for_load_state()

    def type(self, name: str, text: str) -> None:
        """Go to a field and write into it."""
        self.to(name)
        self.page.keyboard.type(text)

    def expect_focus(self, selector: str) -> None:
        """What came is where the focus is, and never the body."""
        expect(self.page.locator(selector).first).to_be_focused()
