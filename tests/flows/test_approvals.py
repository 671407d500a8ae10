"""A request from end to end: asked for, approved with changes, claimed and verified; also by keyboard alone."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.flows.demo import Demo, ask
from tests.flows.test_main_job import choose, sign_in


def request_key(page: Page, demo: Demo, *, script: bool, name: str) -> str:
    """Ask as ben for what one person has to approve; return the address of the request."""
    page.goto(f"{demo.portal}/keys/new")
    choose(page, script=script, name=name, environment="dev", scopes=["refunds:write"])
    page.get_by_label("Why you need it").fill("Looking into refund 4411.")
    page.get_by_role("button", name="Send for approval").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_role("main")).to_contain_text("Waiting")
    return page.url


def approve_with_changes(page: Page, name: str) -> None:
    """Give a day instead of what was asked for."""
    page.get_by_role("link", name=re.compile("^Approvals")).click()
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("Looking into refund 4411.")
    page.get_by_label("Approve with changes").check()
    page.get_by_label("For", exact=True).select_option("1 day")
    page.get_by_label("Reason or note").fill("A day is enough.")
    page.get_by_role("button", name="Send decision").click()
    expect(page.get_by_role("heading", name="You approved this")).to_be_visible()


def claim(page: Page, address: str, name: str) -> str:
    page.goto(address)
    expect(page.get_by_role("main")).to_contain_text("For 1 day instead of 7 days.")
    page.get_by_role("link", name="Claim the key").click()
    expect(page.get_by_role("main")).to_contain_text("1 day from when you claim it")
    page.get_by_role("button", name="Make and show the key").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"“{name}” is ready")
    return page.get_by_label("Key", exact=True).input_value()


def test_a_request_is_approved_with_changes_claimed_and_verified(
    chromium: Browser, page: Page, demo: Demo, *, script: bool
) -> None:
    sign_in(page, demo, "ben")
    name = f"refunds {id(page)}"
    address = request_key(page, demo, script=script, name=name)

    context = chromium.new_context(java_script_enabled=script)
    cleo = context.new_page()
    sign_in(cleo, demo, "cleo")
    approve_with_changes(cleo, name)
    context.close()

    token = claim(page, address, name)
    assert token not in page.url
    answer = ask(demo.sample, "/refunds", method="POST", token=token)
    assert answer.status == 200, answer.body
    page.goto(address)
    expect(page.get_by_role("main")).to_contain_text("Claimed")
    assert token not in page.content()


def press_until(page: Page, name: str, *, key: str = "Tab") -> None:
    """Walk to what has this accessible name, as somebody without a mouse does."""
    wanted = re.compile(name)
    for _ in range(80):
        page.keyboard.press(key)
        words = page.evaluate(
            "(e => e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText)(document.activeElement)"
        )
        if wanted.search(words or ""):
            return
    raise AssertionError(f"{name} was not reached by {key}")


def decide_by_keyboard(page: Page, demo: Demo, name: str) -> None:
    page.goto(f"{demo.portal}/approvals")
    press_until(page, f"^{name}$")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    press_until(page, "^Approve")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    press_until(page, "^For")
    page.keyboard.type("1 day")
    press_until(page, "^Send decision")
    page.keyboard.press("Enter")
    expect(page.locator("#result-heading")).to_be_focused()


def claim_by_keyboard(page: Page, address: str) -> str:
    page.goto(address)
    press_until(page, "^Claim the key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Claim")
    press_until(page, "^Make and show the key")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("is ready")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    return page.get_by_label("Key", exact=True).input_value()


def test_deciding_and_claiming_work_by_keyboard_alone(chromium: Browser, demo: Demo) -> None:
    ben, cleo = (chromium.new_context().new_page() for _ in range(2))
    sign_in(ben, demo, "ben")
    sign_in(cleo, demo, "cleo")
    address = request_key(ben, demo, script=True, name="by keyboard")
    decide_by_keyboard(cleo, demo, "by keyboard")
    token = claim_by_keyboard(ben, address)
    assert ask(demo.sample, "/refunds", method="POST", token=token).status == 200
    ben.context.close()
    cleo.context.close()
