"""What every request must pass, and what every answer says to the browser."""

import gzip
import re
from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from keymgr.web.headers import CONTENT_SECURITY_POLICY
from tests.web.house import Browser, Seeded

SIGNED_IN_PAGES = ["/", "/keys", "/keys/new", "/requests", "/policy", "/me"]
ORDER = {"name": "ci", "service": "payments", "environment": "dev", "scope": ["charges:read"], "nonce": "n-1"}


@pytest.mark.parametrize("path", SIGNED_IN_PAGES)
def test_a_stranger_is_sent_to_sign_in_and_back(stranger: Browser, path: str) -> None:
    response = stranger.get(path)
    assert response.status_code == 303
    assert response.location == f"/login?next={path}"


@pytest.mark.parametrize("path", SIGNED_IN_PAGES)
def test_a_stranger_asking_by_htmx_gets_the_whole_sign_in_page(stranger: Browser, path: str) -> None:
    response = stranger.get(path, htmx=True)
    assert response.status_code == 401
    assert response.headers["HX-Redirect"].startswith("/login?next=")
    assert response.text == ""


@pytest.mark.parametrize("path", ["/", "/login", "/keys", "/nowhere"])
def test_every_answer_carries_the_headers(ben: Browser, path: str) -> None:
    response = ben.get(path)
    assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert {"HX-Request", "Cookie"} <= {word.strip() for word in response.headers["Vary"].split(",")}
    assert re.fullmatch(r"req-[0-9a-f]{16}", response.headers["X-Request-Id"])


def test_the_policy_of_scripts_and_styles_allows_nothing_unsafe() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/keys", "/logout", "/me/theme", "/me/sign-out-everywhere", "/keys/test", "/login"])
def test_a_form_without_its_token_is_refused(ben: Browser, path: str) -> None:
    ben.token = "forged"
    response = ben.post(path, ORDER)
    assert response.status_code == 403
    assert "no longer valid" in response.text
    assert "Traceback" not in response.text


def test_a_form_with_the_token_of_another_session_is_refused(app: Flask, ben: Browser) -> None:
    dana = Browser(app)
    dana.enter("dana")
    ben.token = dana.token
    assert ben.post("/keys", ORDER).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_sent_from_another_site_is_refused(ben: Browser, headers: dict[str, str]) -> None:
    response = ben.post("/keys", ORDER, headers=headers)
    assert response.status_code == 403
    assert "from another site" in response.text


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, {}])
def test_a_form_of_our_own_is_accepted(ben: Browser, headers: dict[str, str]) -> None:
    assert ben.post("/keys/new", ORDER, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "https://evil.example",
        "https:evil",
        "/\\evil.example",
        "\\evil",
        "/a b",
        "/\tx",
        "javascript:x",
    ],
)
def test_after_sign_in_nobody_is_sent_to_another_site(stranger: Browser, wanted: str) -> None:
    stranger.get("/login")
    response = stranger.post("/login", {"name": "ben", "password": "ben-likes-blue-doors", "next": wanted})
    assert response.status_code == 303
    assert response.location == "/"


def test_after_sign_in_one_is_where_one_wanted_to_be(stranger: Browser) -> None:
    stranger.get("/login?next=/keys?q=ci")
    fields = {"name": "ben", "password": "ben-likes-blue-doors", "next": "/keys?q=ci"}
    assert stranger.post("/login", fields).location == "/keys?q=ci"


def test_a_draft_outlives_the_session(stranger: Browser) -> None:
    stranger.get("/login")
    draft = {**ORDER, "name": "refund desk", "justification": "To refund customers."}
    lost = stranger.post("/keys", draft, htmx=True)
    assert lost.status_code == 401
    stranger.get("/login")
    stranger.post("/login", {"name": "ben", "password": "ben-likes-blue-doors", "next": "/keys/new"})
    page = stranger.get("/keys/new").text
    assert 'value="refund desk"' in page
    assert "To refund customers." in page
    assert "refund desk" not in stranger.get("/keys/new").text


def test_a_draft_that_is_too_long_goes_without_its_justification(stranger: Browser) -> None:
    stranger.get("/login")
    noise = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(2000))
    response = stranger.post("/keys", {**ORDER, "name": "kept", "justification": noise}, htmx=True)
    assert all(len(cookie) < 4096 for cookie in response.headers.getlist("Set-Cookie"))
    stranger.get("/login")
    stranger.post("/login", {"name": "ben", "password": "ben-likes-blue-doors", "next": "/keys/new"})
    assert 'value="kept"' in stranger.get("/keys/new").text


def test_an_explanation_asked_for_after_the_session_ended_leads_back_to_the_filled_form(stranger: Browser) -> None:
    response = stranger.get("/keys/new?service=payments&scope=charges:read", htmx=True)
    assert "next=/keys/new?service%3Dpayments" in response.headers["HX-Redirect"].replace("%2F", "/").replace(
        "%3F", "?"
    )


def test_choices_that_are_shown_already_are_left_alone(ben: Browser) -> None:
    path = "/keys/new?service=payments&environment=dev&scope=charges:read"
    page = ben.get(path, htmx=True)
    assert page.text.lstrip().lower().startswith("<!doctype html>")
    assert "HX-Reswap" not in page.headers
    shown = BeautifulSoup(page.text, "html.parser").select_one("input[name=shown]")
    assert shown
    told = {"shown": str(shown["value"])}
    assert ben.get(f"{path}&scope=charges:write&{urlencode(told)}", htmx=True).headers["HX-Reswap"] == "none"
    for other in ("service=ledger", "service=payments&environment=prod", "owner=svc:pay-ci&service=payments"):
        assert "HX-Reswap" not in ben.get(f"/keys/new?{other}&{urlencode(told)}", htmx=True).headers


def test_style_sheet_and_scripts_may_be_kept_for_ever_under_a_name_that_changes(stranger: Browser) -> None:
    path = re.search(r'href="(/assets/[0-9a-f]{12}/keymgr\.css)"', stranger.get("/login").text)
    assert path
    response = stranger.client.get(path.group(1), buffered=True)
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in response.headers
    assert response.mimetype == "text/css"
    packed = stranger.client.get(path.group(1), headers={"Accept-Encoding": "br;q=0.9, gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert gzip.decompress(packed.data) == response.data
    assert "Content-Encoding" not in stranger.client.get(path.group(1), headers={"Accept-Encoding": "gzip;q=0"}).headers
    assert stranger.client.get("/assets/000000000000/keymgr.css").status_code == 404


def test_what_a_first_visit_loads_is_light(ben: Browser) -> None:
    for path in ("/keys", "/keys/new?service=payments", "/policy/matrix?service=payments&environment=prod", "/me"):
        named = re.findall(r'(?:href|src)="(/assets/[^"]+)"', ben.get(path).text)
        page = ben.client.get(path, headers={"Accept-Encoding": "gzip"})
        assert len([name for name in named if name.endswith((".css", ".js"))]) <= 3
        packed = sum(len(ben.client.get(name, headers={"Accept-Encoding": "gzip"}).data) for name in named)
        assert packed + len(page.data) <= 60_000, path


def test_pages_travel_compressed_and_their_length_tells_nothing_of_what_is_in_them(ben: Browser) -> None:
    asked = {"Accept-Encoding": "gzip"}
    answers = [ben.client.get("/keys", headers=asked) for _ in range(8)]
    assert {answer.headers["Content-Encoding"] for answer in answers} == {"gzip"}
    assert all("Accept-Encoding" in answer.headers["Vary"] for answer in answers)
    assert len({len(answer.data) for answer in answers}) > 1
    pages = [gzip.decompress(answer.data).decode() for answer in answers]
    tokens = [set(re.findall(r'name="csrf_token" value="([^"]+)"', page)) for page in pages]
    assert len(set.union(*tokens)) == sum(map(len, tokens))
    for token in sorted(set.union(*tokens))[:3]:
        assert ben.client.post("/me/theme", data={"csrf_token": token, "theme": "dark"}).status_code == 303


def test_what_shows_a_secret_is_never_compressed(ben: Browser) -> None:
    ben.get("/keys/new")
    answer = ben.post("/keys", ORDER, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers
    assert "data-secret" in answer.text


@pytest.mark.parametrize("token", ["", "a", "%%%", "AAAA", "ü", "A" * 5000])
def test_a_token_that_we_never_wrote_is_refused(ben: Browser, token: str) -> None:
    ben.get("/me")
    assert ben.client.post("/me/theme", data={"csrf_token": token, "theme": "dark"}).status_code == 403


def test_somebody_else_s_key_looks_like_no_key_at_all(app: Flask, seeded: Seeded) -> None:
    dana = Browser(app)
    dana.enter("dana")
    for path in ("", "/rotate", "/revoke"):
        foreign, unknown = (dana.get(f"/keys/{key}{path}") for key in (seeded.active, "key_" + "0" * 26))
        assert foreign.status_code == unknown.status_code == 404
        assert strip(foreign.text) == strip(unknown.text)
    fields = {"reason": "leaked", "overlap": "0", "nonce": "x", "typed": "checkout worker"}
    assert dana.post(f"/keys/{seeded.active}/revoke", fields).status_code == 404
    assert dana.post(f"/keys/{seeded.active}/rotate", fields).status_code == 404
    assert dana.post(f"/requests/{seeded.waiting}/withdraw", fields).status_code == 404


def strip(page: str) -> str:
    return re.sub(r'req-[0-9a-f]{16}|name="csrf_token"\s+value="[^"]+"|data-(seconds|final)="\d+"', "", page)


def test_an_admin_sees_and_stops_any_key_but_never_gets_its_secret(app: Flask, seeded: Seeded) -> None:
    ada = Browser(app)
    ada.enter("ada")
    assert ada.get(f"/keys/{seeded.active}").status_code == 200
    assert ada.get(f"/keys/{seeded.active}/rotate").status_code == 404
    fields = {"reason": "leaked", "typed": "checkout worker", "nonce": "a"}
    assert ada.post(f"/keys/{seeded.active}/revoke", fields).status_code == 303


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/policy", 405), ("GET", "/logout", 405)]
)
def test_errors_are_pages_with_a_reference_and_no_stack(ben: Browser, method: str, path: str, status: int) -> None:
    response = ben.client.open(path, method=method, data={"csrf_token": ben.token})
    assert response.status_code == status
    assert response.headers["X-Request-Id"] in response.text
    assert "<title>Error:" in response.text.replace("\n", "").replace("  ", "")
    assert "Traceback" not in response.text


def test_htmx_shows_an_error_in_place_of_the_page(ben: Browser) -> None:
    response = ben.get("/nowhere", htmx=True)
    assert response.headers["HX-Retarget"] == "#main"
    assert response.headers["HX-Reselect"] == "#main"


def test_a_crash_is_a_page_that_tells_nothing_of_the_inside(app: Flask, ben: Browser) -> None:
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def broken(**_: object) -> str:
        raise RuntimeError("secret inside /srv/keymgr")

    app.view_functions["web.policy_page"] = broken
    response = ben.get("/policy")
    assert response.status_code == 500
    assert "Sorry, there is a problem with the service" in response.text
    assert "secret inside" not in response.text
    assert response.headers["X-Request-Id"] in response.text
