"""Reading a token: in the page with a script, else on the server; neither keeps it, neither shows its secret part."""

import json
import logging
import re
import socket
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, StorageState, expect
from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from keymgr.store.keys import Credential, KeyState
from keymgr.web.desk import Desk
from keymgr.web.portal import DESK
from tests.databases import fresh_file
from tests.keys.verifying import Given, add_key, set_key
from tests.web.browsing import Watched, serving
from tests.web.house import Browser, address_of, make_app, plant_people, put_in_force
from tests.web.test_browser import SCREENS, look

SORTS: dict[str, dict[str, Any]] = {
    "good": {},
    "another service": {"service": "reports"},
    "expired": {"credential_expires_in": timedelta(days=-3)},
    "somebody else's": {"owner": "user:dana"},
    "opaque": {"form": "opaque"},
    "revoked": {},
}


def keys_of(app: Flask) -> dict[str, Given]:
    """One key of each sort; the first place of the status list is that of the revoked one, as its token says."""
    engine, now = connect(address_of(app)), datetime.now(UTC)
    desk: Desk = app.extensions[DESK]
    usual: dict[str, Any] = {
        "owner": "user:ben", "service": "payments", "environment": "dev", "scopes": ["charges:read"]
    }  # fmt: skip
    with Session(engine) as session:
        made = {
            name: add_key(session, now, 1, issuer=desk.issuer, **{**usual, **other}) for name, other in SORTS.items()
        }
        set_key(session, made["revoked"], now, state=KeyState.REVOKED, revoked_at=now)
    engine.dispose()
    return made


def portal_in(folder: Path, template: Path, **settings: str) -> Flask:
    url = fresh_file(template, folder)
    plant_people(url)
    put_in_force(url)
    return make_app(url, folder, **settings)


@pytest.fixture(scope="module")
def site(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Flask]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app = portal_in(tmp_path_factory.mktemp("inspect"), migrated_file, KEYMGR_PUBLIC_URL=base)
    with serving(app, port):
        yield base, app
    app.extensions["keymgr.api"].close()


@pytest.fixture(scope="module")
def keys(site: tuple[str, Flask]) -> dict[str, Given]:
    return keys_of(site[1])


@pytest.fixture(scope="module")
def cookies(chromium: Chromium, site: tuple[str, Flask]) -> StorageState:
    """What the browser keeps after signing in once."""
    context = chromium.new_context()
    Watched(context.new_page(), site[0]).sign_in()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def ben(chromium: Chromium, site: tuple[str, Flask], cookies: StorageState) -> Iterator[Watched]:
    context = chromium.new_context(storage_state=cookies)
    watched = Watched(context.new_page(), site[0])
    watched.open("/docs/inspect?service=payments")
    yield watched
    context.close()
    assert watched.faults == []


@pytest.fixture
def client(site: tuple[str, Flask]) -> Browser:
    browser = Browser(site[1])
    browser.enter("ben")
    browser.get("/docs/inspect?service=payments")
    return browser


def part(members: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(members).encode()).decode().rstrip("=")


def decode(page: Page, token: str) -> str:
    page.fill("#token", token)
    page.get_by_role("button", name="Decode").click()
    expect(page.locator("#result h2").first).to_be_focused()
    return page.locator("#said").inner_text()


def foreign(**claims: object) -> str:
    now = int(datetime.now(UTC).timestamp())
    usual = {"iss": "https://elsewhere.example", "aud": "payments", "exp": now + 600}
    return f"{part({'alg': 'none'})}.{part({**usual, **claims})}.AAAA"


def changed(given: Given) -> str:
    """The same token with another scope: its signature does not fit any more."""
    head, body, signature = given.token.split(".")
    claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return f"{head}.{part({**claims, 'scope': 'payouts:admin'})}.{signature}"


EXPECTED = {
    "good": ["Ours: the signature fits", "In its dates: good until", "It is for payments."],
    "another service": ["Ours:", "Wrong audience: it is for reports, not for payments."],
    "expired": ["Ours:", "Expired: it was good until", "days ago"],
    "opaque": ["This is an opaque key"],
}


def test_with_a_script_the_token_never_leaves_the_page(
    ben: Watched, keys: dict[str, Given], site: tuple[str, Flask]
) -> None:
    sent: list[str] = []
    ben.page.on(
        "request", lambda request: sent.append(f"{request.method} {request.url} {request.post_data} {request.headers}")
    )
    expect(ben.page.locator("#kept")).to_be_visible()
    expect(ben.page.locator("#sent")).to_be_hidden()
    for name, sentences in EXPECTED.items():
        said = decode(ben.page, keys[name].token)
        assert [sentence for sentence in sentences if sentence not in said] == [], (name, said)
        assert keys[name].secret not in ben.page.locator("#result").inner_text()
    assert {line.split(" ")[0] for line in sent} == {"GET"}
    for given in keys.values():
        for piece in (given.token, given.secret, given.token.split(".")[-1], given.key_id, given.credential_id):
            assert piece not in "".join(sent)
            assert piece not in ben.storage
    asked = {line.split(" ")[1].removeprefix(site[0]) for line in sent if "/assets/" not in line}
    assert asked == {"/.well-known/jwks.json", "/status-lists/1"}


def test_what_is_not_ours_or_no_token_is_said_so_in_the_page(ben: Watched, keys: dict[str, Given]) -> None:
    assert "it names another issuer" in decode(ben.page, foreign())
    assert "signature does not fit" in decode(ben.page, changed(keys["good"]))
    assert "Not valid yet" in decode(ben.page, foreign(nbf=int(datetime.now(UTC).timestamp()) + 3600))
    assert "It does not say until when" in decode(ben.page, foreign(exp="soon"))
    assert "This is not a token" in decode(ben.page, "a.b.c")
    expect(ben.page.locator("#members")).to_be_hidden()
    hostile = foreign(aud="<img src=x onerror=alert(1)>", **{"<b>x</b>": "{{7*7}}", "__proto__": {"a": 1}})
    assert "<img src=x" in decode(ben.page, hostile)
    assert ben.page.locator("#result img, #result b").count() == 0
    ben.page.fill("#token", "")
    ben.page.get_by_role("button", name="Decode").click()
    assert ben.focused == "token"


def test_the_claims_are_shown_with_what_they_mean_and_a_way_to_the_key(ben: Watched, keys: dict[str, Given]) -> None:
    decode(ben.page, keys["good"].token)
    rows = ben.page.locator("#claims tr").all_inner_texts()
    assert len(rows) == 13
    (hidden,) = [row for row in rows if row.startswith("sec")]
    assert "hidden, 43 characters" in hidden
    (until,) = [row for row in rows if row.startswith("exp")]
    assert re.search(r"UTC \(in 2[34] h\)", until)
    assert str(keys["good"].claims.expires_at) in until
    way = ben.page.get_by_role("link", name="The page of this key")
    assert way.get_attribute("href") == f"/keys/{keys['good'].key_id}"
    ben.page.get_by_role("link", name="Claims", exact=True).click()
    expect(ben.page.get_by_role("heading", level=1)).to_have_text("What is in a token")
    ben.page.go_back()
    expect(ben.page.locator("#result")).to_be_hidden()
    assert ben.page.input_value("#token") == ""


def test_a_key_that_is_out_of_use_is_known_by_the_status_list(
    ben: Watched, client: Browser, keys: dict[str, Given], site: tuple[str, Flask]
) -> None:
    assert "In use: neither revoked" in decode(ben.page, keys["good"].token)
    engine = connect(address_of(site[1]))
    with Session(engine) as session:
        # The token says place 0, as all tokens of add_key do.
        session.execute(update(Credential).where(Credential.status_index == 0).values(status_index=9_999))
        session.execute(update(Credential).where(Credential.id == keys["revoked"].credential_id).values(status_index=0))
        session.commit()
    engine.dispose()
    assert "Out of use: revoked, suspended or replaced." in decode(ben.page, keys["good"].token)
    assert (
        "Out of use: revoked, suspended or replaced."
        in client.post("/docs/inspect", {"token": keys["good"].token}).text
    )


@pytest.mark.parametrize("screen", SCREENS[1:3], ids=["360 dark", "1280 light"])
def test_axe_finds_nothing_on_an_answer(
    chromium: Chromium, site: tuple[str, Flask], keys: dict[str, Given], screen: dict[str, Any]
) -> None:
    context = chromium.new_context(**screen)
    guest = Watched(context.new_page(), site[0])
    guest.open("/docs/inspect")
    found = look(guest, "inspect")
    for name in ("good", "expired"):
        decode(guest.page, keys[name].token)
        found += look(guest, name)
    context.close()
    assert found + guest.faults == []


def test_without_a_script_the_page_says_that_it_is_sent(
    chromium: Chromium, site: tuple[str, Flask], keys: dict[str, Given]
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site[0]}/docs/inspect")
    expect(page.locator("#sent")).to_be_visible()
    page.fill("#token", keys["somebody else's"].token)
    page.get_by_role("button", name="Decode").click()
    expect(page.locator("#said")).to_contain_text("Ours: the signature fits one of our keys.")
    expect(page.locator("#said")).to_contain_text("It is for the service payments, and no other may accept it.")
    assert page.input_value("#token") == ""
    assert keys["somebody else's"].token not in page.content()
    assert keys["somebody else's"].secret not in page.content()
    assert "token" not in page.url
    context.close()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_server_says_the_same_and_keeps_nothing(
    client: Browser, keys: dict[str, Given], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        response = client.post("/docs/inspect?service=payments", {"token": keys[name].token})
    assert response.status_code == 200
    assert [sentence for sentence in EXPECTED[name] if sentence not in response.text] == []
    kept = response.text + str(response.headers) + caplog.text
    for piece in (keys[name].token, keys[name].secret, keys[name].token.split(".")[-1]):
        assert piece not in kept


def test_to_its_owner_the_server_names_the_key_and_to_others_not(client: Browser, keys: dict[str, Given]) -> None:
    assert "It is “a key” of ben: revoked." in client.post("/docs/inspect", {"token": keys["revoked"].token}).text
    assert "It is “a key” of ben:" in client.post("/docs/inspect", {"token": keys["opaque"].token}).text
    theirs = client.post("/docs/inspect", {"token": keys["somebody else's"].token}).text
    assert "It is “a key”" not in theirs
    assert f"/keys/{keys['good'].key_id}" not in theirs


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (foreign(), "Not ours: it names another issuer."),
        (foreign(iss="http://127.0.0.1"), "Not ours"),
        (foreign(exp=None), "It does not say until when"),
        (foreign(aud=["a", "b"]), "It does not name the one service"),
        (foreign(nbf=4_000_000_000, exp=4_100_000_000), "Not valid yet"),
        ("a.b.c", "This is not a token"),
        ("kms_whatever", "This is what a service presents"),
        ("kmp_whatever", "This is what a pull-request job presents"),
        (f"{part({'alg': 'none'})}.{'[' * 4000}.x", "This is not a token"),
    ],
    ids=["another issuer", "our issuer", "no end", "two services", "too early", "junk", "service", "plan", "deep"],
)
def test_whatever_is_pasted_is_answered_in_words(client: Browser, token: str, sentence: str) -> None:
    response = client.post("/docs/inspect", {"token": token})
    assert (response.status_code, sentence in response.text) == (200, True)


def test_a_changed_token_is_not_ours(client: Browser, keys: dict[str, Given]) -> None:
    page = client.post("/docs/inspect", {"token": changed(keys["good"])}).text
    assert "Not ours: the token" in page
    assert "signature does not fit" in page


@pytest.mark.parametrize("token", ["", "   ", "x" * 8193, "ÿÿÿ", "a\nb"])
def test_what_cannot_be_a_token_is_a_problem_of_the_form(client: Browser, token: str) -> None:
    response = client.post("/docs/inspect", {"token": token})
    assert (response.status_code, "There is a problem" in response.text) == (422, True)
    assert "<title>Error: Inspect a token" in response.text
