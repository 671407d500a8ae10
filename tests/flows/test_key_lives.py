"""Flows 2, 5 and 6: a key granted at once, rotated with a grace that is ended, and revoked because it leaked."""

import json
import re

from playwright.sync_api import Page, expect

from tests.flows.demo import Demo, ask
from tests.flows.office import Entered, Office, reload_until, secret_of

WISH = "service=payments&environment=dev&scope=charges:read"


def answered(demo: Demo, token: str) -> tuple[int, str | None]:
    """Call the sample service; its status, and the code of a refusal."""
    answer = ask(demo.sample, "/charges", token=token)
    return answer.status, json.loads(answer.body).get("code")


def rotate(page: Page) -> str:
    """Rotate the key whose page is open, with the longest grace; return the new secret."""
    page.get_by_role("link", name="Rotate", exact=True).click()
    page.get_by_label(re.compile("The longest the rule allows")).check()
    page.get_by_role("button", name="Rotate and show the new secret").click()
    token = secret_of(page)
    page.get_by_role("link", name=re.compile("go to the key")).click()
    return token


def revoke_as_leaked(page: Page, name: str) -> None:
    """Revoke the key whose page is open; once its use was counted, the name is asked for."""
    page.get_by_role("link", name="Revoke", exact=True).click()
    typed = page.get_by_label(re.compile("^Type "))
    reload_until(page, typed)
    page.get_by_label("It leaked").check()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("alert")).to_contain_text("Type the name of the key")
    typed.fill(name)
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("main")).to_contain_text(f"The key “{name}” is revoked.")
    expect(page.get_by_role("main")).to_contain_text(re.compile("leaked", re.IGNORECASE))


def test_a_rotated_key_works_twice_until_the_grace_is_ended_and_not_at_all_once_it_leaked(
    office: Office, enter: Entered
) -> None:
    ben, name = enter("ben"), f"rotating {id(enter)}"
    first = office.issue(ben, name, WISH)
    assert answered(office.demo, first) == (200, None)
    ben.get_by_role("link", name=re.compile("go to the key")).click()

    second = rotate(ben)
    assert [answered(office.demo, token) for token in (first, second)] == [(200, None), (200, None)]
    expect(ben.get_by_role("heading", name="The old secret still works")).to_be_visible()
    ben.get_by_role("button", name="End grace now").click()
    expect(ben.get_by_role("heading", name="The old secret still works")).to_have_count(0)
    assert answered(office.demo, first) == (401, "key_superseded")
    assert answered(office.demo, second) == (200, None)

    revoke_as_leaked(ben, name)
    assert answered(office.demo, second) == (401, "key_revoked")
    assert answered(office.demo, first)[0] == 401
