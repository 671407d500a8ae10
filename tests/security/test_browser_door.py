"""The browser's door under attack: other people's objects, forged forms, foreign hosts, old sessions."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keymgr.store.base import Base
from tests.web.house import PASSWORDS, Browser, Seeded

UNKNOWN = "0" * 26
ORDER = {"name": "ci", "service": "payments", "environment": "dev", "scope": ["charges:read"], "nonce": "n-1"}
FORMS: dict[str, Mapping[str, object]] = {
    "/keys": ORDER,
    "/keys/new": ORDER,
    "/keys/bulk": {"verb": "revoke", "key": "{active}"},
    "/keys/bulk/done": {"verb": "revoke", "every": "1", "reason": "leaked", "typed": "revoke 4 keys", "nonce": "x"},
    "/keys/identify": {"token": "x"},
    "/keys/env": {"token": "x", "service": "payments", "name": "n"},
    "/keys/test": {"token": "x", "service": "payments"},
    "/keys/{active}/grace/end": {"nonce": "x"},
    "/keys/{active}/grace/extend": {"until": "2030-01-01T00:00:00+00:00", "nonce": "x"},
    "/keys/{active}/grace/undo": {"nonce": "x"},
    "/keys/{active}/suspend": {"note": "odd traffic", "nonce": "x"},
    "/keys/{active}/resume": {"note": "explained", "nonce": "x"},
    "/keys/{active}/revoke": {"reason": "leaked", "typed": "checkout worker", "nonce": "x"},
    "/keys/{active}/rotate": {"overlap": "0", "nonce": "x"},
    "/requests/{waiting}/answer": {"text": "x", "nonce": "x"},
    "/requests/{waiting}/claim": {"nonce": "x"},
    "/requests/{waiting}/edit": ORDER,
    "/requests/{waiting}/nudge": {"nonce": "x"},
    "/requests/{waiting}/withdraw": {"nonce": "x"},
    "/approvals/{waiting}": {"decision": "refuse", "reason": "x", "nonce": "x"},
    "/approvals/{waiting}/break-glass": {"emergency": "x", "nonce": "x"},
    "/approvals/{waiting}/question": {"text": "x", "nonce": "x"},
    "/approvals/{waiting}/review": {"finding": "x", "nonce": "x"},
    "/policy/overrides": {"target": "service:payments", "reason": "A build log held keys.", "hours": "1"},
    "/policy/overrides/{override}/lift": {},
    "/audit/export": {"format": "csv"},
    "/policy/what-if": {"service": "payments", "scope": ["charges:read"], "yaml": "a: 1"},
    "/docs/inspect": {"token": "x"},
    "/admin/people": {"name": "eve", "display_name": "Eve", "nonce": "x"},
    "/admin/people/{person}/password": {"nonce": "x"},
    "/admin/people/{person}/sign-out": {},
    "/admin/people/{person}/state": {"to": "suspended", "nonce": "x"},
    "/admin/service-accounts": {"name": "eve-ci", "team": "payments", "nonce": "x"},
    "/admin/service-accounts/{account}/state": {"to": "suspended", "nonce": "x"},
    "/admin/service-credentials": {"service": "payments", "nonce": "x"},
    "/admin/service-credentials/{credential}/revoke": {},
    "/admin/signing-keys/roll": {"typed": "roll", "nonce": "x"},
    "/admin/signing-keys/{kid}/retire": {},
    "/setup/policy": {"source": "sample"},
    "/setup/signing-key": {},
    "/setup/test-key": {"nonce": "x"},
    "/setup/finish": {},
    "/stay": {},
    "/me/password": {"old": "x", "new": "four-words-in-a-row"},
    "/me/preferences": {"time_zone": "Europe/Lisbon", "shortcuts": "on"},
    "/me/sessions/{handle}/end": {},
    "/me/theme": {"theme": "dark"},
    "/me/sign-out-everywhere": {},
    "/logout": {},
}
ADMINS = {"person": "ben", "account": "pay-ci", "credential": "svc_none", "kid": "none", "handle": "0123456789abcdef"}
ADMINS_RULES = {name: f"<{'name' if name == 'person' else name}>" for name in ADMINS}
EVIL = ["https://evil.example", "http://localhost.evil.example", "http://localhost:81", "null", "https://localhost"]


def rows(app: Flask) -> dict[str, list[str]]:
    """Every row of every table; sessions without when they were last seen."""
    with Session(app.config["KEYMGR_ENGINE"]) as session:
        return {
            table.name: sorted(
                str(tuple(row))
                for row in session.execute(select(*(column for column in table.c if column.name != "seen_at")))
            )
            for table in Base.metadata.sorted_tables
        }


def plain(response: TestResponse, *ids: str) -> str:
    """The page without what differs from one answer to the next, and without the ids that were asked for."""
    text = re.sub(r'req-[0-9a-f]{16}|name="csrf_token"\s+value="[^"]+"|data-(seconds|final)="\d+"', "", response.text)
    for one in ids:
        text = text.replace(one, "ID")
    return text


def routes_with_ids(app: Flask) -> set[tuple[str, str]]:
    return {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}
        if rule.endpoint.startswith("web.") and any(name.endswith("_id") for name in rule.arguments)
    }


def test_the_table_of_forms_names_every_form(app: Flask) -> None:
    posted = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("web.") and "POST" in (rule.methods or set())
    }
    named = {
        path.format(active="<key_id>", waiting="<request_id>", override="<override_id>", **ADMINS_RULES)
        for path in FORMS
    }
    assert posted == named | {"/login", "/setup"}


def test_other_peoples_objects_look_like_none_on_every_route_that_takes_an_id(
    app: Flask, dana: Browser, seeded: Seeded
) -> None:
    found = routes_with_ids(app)
    assert len(found) >= 6
    fields = {"reason": "leaked", "overlap": "0", "nonce": "x", "typed": "checkout worker"}
    before = rows(app)
    for method, rule in sorted(found):
        is_key = "<key_id>" in rule
        ids = (
            [seeded.active, seeded.expiring, seeded.grace, seeded.revoked, f"key_{UNKNOWN}", seeded.active.upper()]
            if is_key
            else [seeded.waiting, f"req_{UNKNOWN}", seeded.waiting.upper()]
        )
        pages = set()
        for one in ids:
            path = re.sub("<[a-z_:]+>", one, rule)
            answer = dana.get(path) if method == "GET" else dana.post(path, fields)
            assert answer.status_code == 404, (method, path)
            pages.add(plain(answer, one))
        assert len(pages) == 1, (method, rule)
    assert rows(app) == before


def test_even_an_admin_gets_no_secret_and_withdraws_nothing_of_others(app: Flask, ada: Browser, seeded: Seeded) -> None:
    before = rows(app)
    verbs = [f"/requests/{seeded.waiting}/{verb}" for verb in ("answer", "edit", "nudge", "withdraw")]
    for path in (f"/keys/{seeded.active}/rotate", f"/requests/{seeded.approved}/claim", *verbs):
        assert ada.post(path, {**ORDER, "overlap": "0", "text": "x"}).status_code == 404
    for owner in ("user:ben", "svc:pay-ci"):
        assert ada.post("/keys", {**ORDER, "owner": owner}).status_code in {403, 404, 422}
    assert rows(app)["api_key"] == before["api_key"]


def test_a_foreign_owner_looks_like_an_unknown_one(app: Flask, dana: Browser) -> None:
    before = rows(app)
    for path in ("/keys", "/keys/new"):
        answers = [
            dana.post(path, {**ORDER, "owner": owner}) for owner in ("user:ben", "svc:pay-ci", "user:nobody", "x")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({plain(answer) for answer in answers}) == 1
    assert rows(app) == before


def test_lists_filters_and_search_never_show_a_foreign_key(dana: Browser, seeded: Seeded) -> None:
    for query in ("", "?owner=user:ben", "?q=checkout", f"?q={seeded.active}", "?q=%25", "?q=_", "?page=9", "?owner="):
        page = dana.get(f"/keys{query}").text
        assert "checkout worker" not in page.replace('value="checkout"', "")
        assert not re.search(r'href="/keys/key_', page)
    assert seeded.waiting not in dana.get("/requests").text
    assert "ben" not in re.findall(r"<main.*</main>", dana.get("/").text, re.DOTALL)[0].casefold().replace(
        "benefit", ""
    )


@pytest.mark.parametrize("path", FORMS)
def test_no_form_works_without_its_token(app: Flask, ben: Browser, dana: Browser, seeded: Seeded, path: str) -> None:
    before = rows(app)
    address = path.format(active=seeded.active, waiting=seeded.waiting, override="ovr_none", **ADMINS)
    for token in ("", "forged", dana.token):
        fields = {**FORMS[path], "csrf_token": token}
        for headers in ({}, {"HX-Request": "true"}, {"HX-Request": "true", "HX-Current-URL": "http://localhost/keys"}):
            assert ben.client.post(address, data=fields, headers=headers).status_code == 403
    for content_type in ("text/plain", "application/json", "multipart/form-data"):
        body = str({**FORMS[path], "csrf_token": ben.token})
        assert ben.client.post(address, data=body, content_type=content_type).status_code == 403
    assert rows(app) == before


@pytest.mark.parametrize("path", FORMS)
def test_no_form_works_from_another_origin_even_with_its_token(
    app: Flask, ben: Browser, seeded: Seeded, path: str
) -> None:
    before = rows(app)
    address = path.format(active=seeded.active, waiting=seeded.waiting, override="ovr_none", **ADMINS)
    for origin in EVIL:
        data = {**FORMS[path], "csrf_token": ben.token}
        assert ben.client.post(address, data=data, headers={"Origin": origin}).status_code == 403
    assert rows(app) == before


def test_a_sign_in_form_is_guarded_as_well(app: Flask, stranger: Browser) -> None:
    before = rows(app)
    fields = {"name": "ben", "password": PASSWORDS["ben"]}
    assert stranger.client.post("/login", data=fields).status_code == 403
    stranger.get("/login")
    assert stranger.post("/login", fields, headers={"Origin": "https://evil.example"}).status_code == 403
    assert rows(app) == before


@pytest.mark.parametrize("path", ["/", "/keys/{active}/revoke", "/logout", "/requests/{waiting}/withdraw"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_never_changes_anything(app: Flask, ben: Browser, seeded: Seeded, path: str, method: str) -> None:
    before = rows(app)
    address = path.format(active=seeded.active, waiting=seeded.waiting, override="ovr_none", **ADMINS)
    ben.client.open(f"{address}?reason=leaked&nonce=x&typed=checkout+worker", method=method)
    ben.client.open(f"{address}?_method=POST", method=method, headers={"X-HTTP-Method-Override": "POST"})
    assert rows(app) == before


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%5Cevil.example",
        "/%2F/evil.example",
        "/%09/evil.example",
        "/\t/evil.example",
        "/\r\nLocation: https://evil.example",
        "/%0d%0aSet-Cookie:a=b",
        "https:evil",
        "https:/evil.example",
        "http:///evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "@evil.example",
        ".evil.example",
        "/.//evil.example",
        "/..//evil.example",
        "/;@evil.example",
        "\u2215\u2215evil.example",
        "/\u2024evil",
        " //evil.example",
        "/" + "a" * 3000,
    ],
)
def test_after_sign_in_nobody_lands_on_another_site(stranger: Browser, wanted: str) -> None:
    stranger.get("/login")
    answer = stranger.post("/login", {"name": "ben", "password": PASSWORDS["ben"], "next": wanted})
    assert answer.status_code == 303
    target = urlsplit(answer.location)
    assert (target.scheme, target.netloc) == ("", "")
    assert answer.location.startswith("/")
    assert answer.location[1:2] not in {"/", "\\"}
    assert "\n" not in answer.location
    assert stranger.get("/login?next=" + answer.location).location.startswith("/")


def test_the_way_back_after_a_lost_session_stays_on_this_site(stranger: Browser) -> None:
    for headers in (
        {"HX-Current-URL": "https://evil.example/keys"},
        {"HX-Current-URL": "http://localhost//evil.example"},
        {"HX-Current-URL": "javascript:alert(1)"},
        {"HX-Current-URL": "http://[bad"},
        {"Referer": "https://evil.example/"},
    ):
        answer = stranger.get("/requests", htmx=True, **headers)
        assert answer.headers["HX-Redirect"].startswith("/login?next=")
        assert "evil" not in answer.headers["HX-Redirect"] or "next=//" in answer.headers["HX-Redirect"].replace(
            "%2F", "/"
        )
        stranger.get(answer.headers["HX-Redirect"])
    stranger.get("/login?next=//evil.example")
    assert 'value="//evil' not in stranger.get("/login?next=//evil.example").text


@pytest.mark.parametrize("path", ["/", "/keys", "/login?next=/keys", "/nowhere", "/policy"])
def test_no_host_or_forwarded_header_is_in_any_page_or_address(ben: Browser, path: str) -> None:
    hosts = {
        "Host": "localhost:4444",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "X-Original-URL": "/evil",
        "Forwarded": "host=evil.example",
    }
    answer = ben.client.get(path, headers=hosts)
    assert "4444" not in answer.text + str(answer.headers)
    assert "evil" not in answer.text + str(answer.headers)


def test_a_cookie_from_before_sign_in_is_nobody_afterwards(app: Flask, stranger: Browser) -> None:
    stranger.get("/login")
    planted = stranger.client.get_cookie("keymgr")
    assert planted
    stranger.sign_in("ben")
    now_set = stranger.client.get_cookie("keymgr")
    assert now_set
    assert now_set.value != planted.value
    thief = app.test_client()
    thief.set_cookie("keymgr", planted.value)
    assert thief.get("/keys").status_code == 303


def test_signing_in_again_ends_the_session_that_was_there(app: Flask, stranger: Browser) -> None:
    stranger.sign_in("ben")
    old = stranger.client.get_cookie("keymgr")
    assert old
    page = stranger.get("/me")
    assert page.status_code == 200
    stranger.post("/login", {"name": "dana", "password": PASSWORDS["dana"]})
    assert "Dana" in stranger.get("/me").text
    thief = app.test_client()
    thief.set_cookie("keymgr", old.value)
    assert thief.get("/me").status_code == 303


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "." * 4000, "eyJfdXNlcl9pZCI6InVzcl8xIn0.aaaa.bbbb", "\u00e9"])
def test_a_made_up_cookie_is_nobody(app: Flask, cookie: str) -> None:
    client = app.test_client()
    client.set_cookie("keymgr", cookie)
    assert client.get("/keys").status_code == 303


def test_every_spelling_of_a_name_counts_against_the_same_person(stranger: Browser) -> None:
    stranger.get("/login")
    wrong = {"password": "wrong-but-long-enough"}
    for number in range(10):
        name = ("bob", "BOB", "\uff42ob", " Bob")[number % 4]
        assert stranger.post("/login", {"name": name, **wrong}).status_code == 422
    for spelling in ("Bob", "bob", "BOB", " bob ", "\uff42\uff4f\uff42", "b\u1d52b", "\U0001d41b\U0001d428\U0001d41b"):
        assert stranger.post("/login", {"name": spelling, **wrong}).status_code == 429
    for other in ("b\u043eb", "bob\u200b", "no name: bob"):
        assert stranger.post("/login", {"name": other, **wrong}).status_code == 422


def test_a_dead_database_is_said_so_and_comes_back_by_itself(app: Flask, ben: Browser) -> None:
    engine = app.config["KEYMGR_ENGINE"]
    database = Path(engine.url.database)
    aside = database.with_suffix(".aside")
    engine.dispose()
    database.rename(aside)
    database.mkdir()
    for answer in (ben.client.get("/keys"), ben.client.post("/logout", data={"csrf_token": ben.token})):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["X-Request-Id"] in answer.text
        assert str(database) not in answer.text
        assert "sqlite" not in answer.text.casefold()
    database.rmdir()
    aside.rename(database)
    assert ben.get("/keys").status_code == 200
