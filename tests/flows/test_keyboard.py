"""The main three by keyboard alone, with JavaScript and without: get a key, approve one, rotate and revoke one."""

import json

from playwright.sync_api import Page, expect

from tests.flows.demo import ask
from tests.flows.keyboard import Keyboard
from tests.flows.office import Entered, Office, secret_of


def see_the_secret(page: Page) -> str:
    """Read the secret, on whose heading the focus is."""
    token = secret_of(page)
    Keyboard(page).expect_focus("h1")
    return token


def test_asking_for_a_key_and_getting_it(office: Office, enter: Entered, *, script: bool) -> None:
    page = enter("ben")
    keys = Keyboard(page)
    page.goto(office.demo.portal)
    keys.enter("^Request a key", "h1:text('Request a key')")
    keys.type("^Name", "by keyboard")
    keys.to("^Service")
    page.keyboard.type("Payments")
    if not script:
        keys.enter("^Show environments", "#environment")
    expect(page.locator("#environment")).to_be_visible()
    if script:
        keys.expect_focus("#service")  # What was drawn anew under the hands of the visitor took nothing away.
    keys.to("^dev")
    keys.press("Space")
    keys.to("^charges:read")
    keys.press("Space")
    keys.expect_focus("[name=scope][value='charges:read']")
    if not script:
        keys.enter("^Check", "#explain .verdict")
    expect(page.locator("#explain")).to_contain_text("granted at once")
    if script:
        keys.expect_focus("[name=scope][value='charges:read']")
    keys.enter("^Create key", "#token")
    token = see_the_secret(page)
    assert ask(office.demo.sample, "/charges", token=token).status == 200


def test_approving_a_request(office: Office, enter: Entered) -> None:
    ben, cleo, name = enter("ben"), enter("cleo"), f"to approve {id(enter)}"
    wish = "service=payments&environment=dev&scope=refunds:write"
    office.ask(ben, name, wish, reason="To look into refund 4411.")
    keys = Keyboard(cleo)
    cleo.goto(office.demo.portal)
    keys.enter("^Approvals", "h1:text('Approvals')")
    keys.enter(f"^{name}$", f"h1:text('{name}')")
    keys.to("^Approve")
    keys.press("Space", "ArrowDown")
    keys.type("^For", "1 day")
    keys.enter("^Send decision", "h2:text('You approved this')")
    keys.expect_focus("#result-heading")

    ben.reload()
    keys = Keyboard(ben)
    keys.enter("^Claim the key", "h1:text('Claim')")
    keys.enter("^Make and show the key", "#token")
    token = see_the_secret(ben)
    assert ask(office.demo.sample, "/refunds", method="POST", token=token).status == 200


def test_rotating_and_revoking_a_key(office: Office, enter: Entered) -> None:
    page, name = enter("ben"), f"to revoke {id(enter)}"
    old = office.issue(page, name, "service=payments&environment=dev&scope=charges:read")
    keys = Keyboard(page)
    keys.enter("go to the key$", "#story")
    keys.enter("^Rotate$", "h1:text('Rotate')")
    keys.enter("^Rotate and show the new secret", "#token")
    new = see_the_secret(page)
    assert [ask(office.demo.sample, "/charges", token=token).status for token in (old, new)] == [200, 200]

    keys.enter("go to the key$", "#story")
    keys.enter("^Revoke$", "h1:text('Revoke')")
    keys.enter("^Revoke key", "[role=alert]")
    keys.expect_focus("[role=alert]")
    keys.enter("^Choose why", "#reason")
    keys.to("^It leaked")
    keys.press("Space")
    keys.type("^Type", name)
    keys.enter("^Revoke key", "h1")
    expect(page.get_by_role("main")).to_contain_text(f"The key “{name}” is revoked.")
    refused = ask(office.demo.sample, "/charges", token=new)
    assert (refused.status, json.loads(refused.body)["code"]) == (401, "key_revoked")
