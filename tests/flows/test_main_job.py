"""The main job from end to end: sign in, ask, see why, copy once, use, overdo it, revoke, and be refused at once."""

import json
import re
from contextlib import suppress

from playwright.sync_api import Error, Page, expect

from tests.flows.demo import PASSWORDS, Demo, ask


def sign_in(page: Page, demo: Demo, name: str) -> None:
    page.goto(f"{demo.portal}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORDS[name])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.url == f"{demo.portal}/"


def choose(page: Page, *, script: bool, name: str, environment: str, scopes: list[str]) -> None:
    """Fill the form in for payments; without JavaScript each step that decides is followed by its own button."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Service").select_option("payments")
    if not script:
        page.get_by_role("button", name="Show environments and scopes").click()
    page.get_by_label(environment, exact=True).check()
    for scope in scopes:
        page.get_by_label(scope).check()
    if not script:
        page.get_by_role("button", name="Check", exact=True).click()


def issue(page: Page, demo: Demo, *, script: bool, name: str) -> str:
    page.goto(f"{demo.portal}/keys/new")
    choose(page, script=script, name=name, environment="dev", scopes=["charges:read"])
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"“{name}” is ready")
    return page.get_by_label("Key", exact=True).input_value()


def revoke(page: Page, demo: Demo, *, name: str, used: bool) -> None:
    page.goto(f"{demo.portal}/keys")
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("link", name=re.compile("^Revoke")).click()
    if used:  # Use is counted within a second; from then on the page asks to type the name.
        typed = page.get_by_label(re.compile("^Type "))
        for _ in range(50):
            if typed.count():
                break
            page.reload()
        typed.fill(name)
    page.get_by_label("It is not needed any more").check()
    page.get_by_role("button", name=re.compile("^Revoke")).click()
    expect(page.get_by_role("main")).to_contain_text("Revoked")


def see_it_granted(page: Page) -> None:
    panel = page.locator("#explain")
    expect(panel).to_contain_text("granted at once")
    expect(panel).to_contain_text(re.compile(r"payments-dev.*rules/payments\.yaml:\d+", re.DOTALL))


def use_it(demo: Demo, token: str) -> None:
    first = ask(demo.sample, "/charges", token=token)
    assert first.status == 200, first.body
    without = ask(demo.sample, "/charges")
    assert (without.status, "error" in without.headers["www-authenticate"]) == (401, False)
    beyond = ask(demo.sample, "/refunds", method="POST", token=token)
    assert (beyond.status, json.loads(beyond.body)["code"]) == (403, "scope_missing")


def overdo_it(demo: Demo, token: str) -> None:
    answers = [ask(demo.sample, "/charges", token=token) for _ in range(8)]
    limited = [answer for answer in answers if answer.status == 429]
    assert limited, [answer.status for answer in answers]
    assert int(limited[0].headers["retry-after"]) >= 1
    assert "ratelimit" in limited[0].headers


def test_a_developer_gets_a_key_uses_it_overdoes_it_and_revokes_it(page: Page, demo: Demo, *, script: bool) -> None:
    sign_in(page, demo, "ben")
    name = f"checkout {id(page)}"
    page.goto(f"{demo.portal}/keys/new")
    choose(page, script=script, name=name, environment="dev", scopes=["charges:read"])
    see_it_granted(page)

    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"“{name}” is ready")
    token = page.get_by_label("Key", exact=True).input_value()
    assert token.startswith("eyJhbGciOiJFUzI1NiIsImtpZCI6Imtt")
    assert token not in page.url

    use_it(demo, token)
    overdo_it(demo, token)
    revoke(page, demo, name=name, used=True)
    after = ask(demo.sample, "/charges", token=token)
    assert (after.status, json.loads(after.body)["code"]) == (401, "key_revoked")


def test_what_needs_approval_waits_and_what_is_not_allowed_names_the_nearest_rule(
    page: Page, demo: Demo, *, script: bool
) -> None:
    sign_in(page, demo, "ben")
    page.goto(f"{demo.portal}/keys/new")
    choose(page, script=script, name="oncall", environment="prod", scopes=["payouts:admin"])
    panel = page.locator("#explain")
    expect(panel).to_contain_text("not allowed")
    expect(panel).to_contain_text("payouts-oncall")
    expect(panel).to_contain_text("payments-oncall")

    page.goto(f"{demo.portal}/keys/new")
    choose(page, script=script, name=f"look {id(page)}", environment="prod", scopes=["charges:read"])
    expect(panel).to_contain_text("needs approval")
    page.get_by_label("Why you need it").fill("Looking into refund 4411.")
    page.get_by_role("button", name="Send for approval").click()
    expect(page.get_by_role("main")).to_contain_text("Waiting")


def test_the_secret_is_shown_once_and_never_again(page: Page, demo: Demo, *, script: bool) -> None:
    sign_in(page, demo, "ben")
    name = f"once {id(page)}"
    token = issue(page, demo, script=script, name=name)
    page.get_by_role("link", name=re.compile("go to the key")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    assert token not in page.content()
    with suppress(Error):  # Chromium answers with its own page: resending the form is asked about, never done.
        page.go_back()
    expect(page.locator("html")).not_to_contain_text(token)
    expect(page.get_by_label("Key", exact=True)).to_have_count(0)
    revoke(page, demo, name=name, used=False)
