"""One's own password, changed on a page of one's own."""

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from tests.web.house import PASSWORDS, Browser

NEW = "ben-walks-four-green-miles"


def choose(browser: Browser, old: str, new: str) -> tuple[int, str]:
    response = browser.post("/me/password", {"old": old, "new": new})
    return response.status_code, response.text


def test_the_new_password_is_the_only_one_and_other_browsers_are_signed_out(
    app: Flask, ben: Browser, stranger: Browser
) -> None:
    other = Browser(app)
    other.enter("ben")
    thief = Browser(app)
    kept = ben.client.get_cookie("keymgr")
    assert kept
    thief.client.set_cookie("keymgr", kept.value)
    assert thief.get("/me").status_code == 200
    assert 'href="/me/password"' in ben.get("/me").text
    ben.get("/me/password")
    assert choose(ben, PASSWORDS["ben"], NEW)[0] == 303
    assert "Your new password is in force" in ben.get("/me").text
    assert (other.get("/me").status_code, thief.get("/me").status_code) == (303, 303)
    stranger.get("/login")
    assert stranger.post("/login", {"name": "ben", "password": PASSWORDS["ben"]}).status_code == 422
    assert stranger.post("/login", {"name": "ben", "password": NEW}).status_code == 303


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("", "", "old", "Enter the password you have"),
        ("x" * 1001, NEW, "old", "Enter the password you have"),
        (PASSWORDS["ben"], "", "new", "Enter the password you want"),
        (PASSWORDS["ben"], "short-one", "new", "at least 15"),
        ("nonsense-but-long", NEW, "old", "not your password"),
        (PASSWORDS["ben"], PASSWORDS["ben"], "new", "password you have"),
    ],
    ids=["nothing", "endless", "no-new", "short", "wrong", "same"],
)
def test_what_is_not_good_is_said_at_its_field_and_never_repeated(
    ben: Browser, old: str, new: str, field: str, says: str
) -> None:
    ben.get("/me/password")
    status, text = choose(ben, old, new)
    page = BeautifulSoup(text, "html.parser")
    assert status == 422
    assert page.title is not None
    assert "Error:" in page.title.text
    assert page.select_one(f"main a[href='#{field}']") is not None
    assert page.select_one(f"#{field}[aria-invalid=true]") is not None
    assert says in text
    assert not any(word in text for word in (old, new) if word and len(word) < 100)
    assert ben.get("/me").status_code == 200


def test_tries_count_together_with_those_of_signing_in(ben: Browser, stranger: Browser) -> None:
    stranger.get("/login")
    ben.get("/me/password")
    for _ in range(5):
        stranger.post("/login", {"name": "ben", "password": "wrong-but-long-enough"})
        choose(ben, "wrong-but-long-enough", NEW)
    response = ben.post("/me/password", {"old": PASSWORDS["ben"], "new": NEW})
    assert (response.status_code, int(response.headers["Retry-After"]) > 0) == (429, True)


def test_a_form_without_its_token_looks_at_no_password(ben: Browser) -> None:
    assert ben.post("/me/password", {"csrf_token": "", "old": PASSWORDS["ben"], "new": NEW}).status_code == 403
    ben.get("/me/password")
    assert choose(ben, PASSWORDS["ben"], NEW)[0] == 303
