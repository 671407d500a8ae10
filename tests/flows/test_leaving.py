"""Flow 8: an admin adds somebody, and marks them as left; their key is refused and goes the way that its rule says."""

import json
import re

from playwright.sync_api import Page, expect

from tests.flows.demo import ask
from tests.flows.office import Entered, Office, reload_until

WISH = "service=payments&environment=dev&scope=charges:read"


def add_person(ada: Page, office: Office, name: str) -> str:
    """Add somebody whom the policy names already; return the password that is shown once."""
    ada.goto(f"{office.demo.portal}/admin/people")
    ada.get_by_role("link", name="Add a person").click()
    ada.get_by_label("What they are called").fill(name.title())
    ada.get_by_label("Sign-in name").fill(name)
    ada.get_by_role("button", name="Add and show the password").click()
    return ada.locator("#secret").input_value()


def sign_in_with(page: Page, office: Office, name: str, password: str) -> None:
    """Sign in with the password that was handed over, which opens nothing but the choice of one's own."""
    page.goto(f"{office.demo.portal}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Change your password")
    page.get_by_label("The password you have").fill(password)
    page.get_by_label("The password you want").fill(f"{name} chose these five words")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("main")).to_contain_text("Your new password is in force.")


def mark_as_left(ada: Page, office: Office, name: str, key: str) -> None:
    """Read what follows, then do it; the name is asked for because there is a live key."""
    ada.goto(f"{office.demo.portal}/admin/people/{name}")
    ada.get_by_role("link", name="Mark as left").click()
    follows = ada.get_by_role("region", name="What follows")
    expect(follows).to_contain_text("1 live key.")
    expect(follows.get_by_role("listitem")).to_contain_text(
        re.compile(f"{key}.*suspended.*rule payments-dev", re.DOTALL)
    )
    ada.get_by_role("button", name="Mark as left").click()
    expect(ada.get_by_role("alert")).to_contain_text(f"Type the name to go on: {name}")
    ada.get_by_label(re.compile("^Type ")).fill(name)
    ada.get_by_role("button", name="Mark as left").click()
    expect(ada.get_by_role("main")).to_contain_text("has left")


def test_who_left_has_keys_that_are_refused_at_once_and_end_as_their_rule_says(
    office: Office, enter: Entered, page: Page, *, script: bool
) -> None:
    ada, name, key = enter("ada"), "gus" if script else "hal", f"leaving {id(page)}"
    sign_in_with(page, office, name, add_person(ada, office, name))
    token = office.issue(page, key, WISH)
    page.get_by_role("link", name=re.compile("go to the key")).click()
    address = page.url
    assert ask(office.demo.sample, "/charges", token=token).status == 200

    mark_as_left(ada, office, name, key)
    refused = ask(office.demo.sample, "/charges", token=token)
    assert refused.status == 401, refused.body
    assert json.loads(refused.body)["code"] in {"key_suspended", "owner_inactive"}, refused.body
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")

    ada.goto(address)
    reload_until(ada, ada.locator(".lead-sentence", has_text="Suspended"))
