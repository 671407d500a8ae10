"""Texts and numbers that no form of ours sends: each gets a clear answer, changes nothing, and runs nowhere."""

import logging
import re

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keymgr.store.keys import Key
from tests.web.house import Browser, Seeded

ORDER = {"name": "ci", "service": "payments", "environment": "dev", "scope": ["charges:read"], "nonce": "n-1"}
HUGE = "9" * 3000
MARKUP = '"><div hx-get=/keys hx-trigger=load><script>alert(1)</script>{{7*7}}'


def keys_of(app: Flask) -> int:
    with Session(app.config["KEYMGR_ENGINE"]) as session:
        return session.scalar(select(func.count()).select_from(Key)) or 0


@pytest.mark.parametrize(
    "change",
    [
        {"name": "\u202e\u200b"},
        {"name": "\x00"},
        {"name": "x" * 500},
        {"name": " \n\t "},
        {"justification": "so\x00what"},
        {"ticket": "PAY-\x00"},
        {"service": "pay\x00ments"},
        {"environment": "\x00"},
        {"scope": ["charges:read\x00"]},
        {"cidrs": "10.0.0.0/8\x00"},
        {"lifetime": HUGE},
        {"lifetime": "99999999999999"},
        {"lifetime": "0"},
        {"lifetime": "-5"},
        {"lifetime": "1e309"},
        {"lifetime": "NaN"},
        {"revision": HUGE},
        {"revision": "9223372036854775808"},
        {"revision": "-1"},
        {"nonce": "n" * 5000},
        {"nonce": "\x00"},
        {"owner": "svc:\x00"},
        {"owner": "user:ada"},
    ],
    ids=lambda change: f"{next(iter(change))}-{str(next(iter(change.values())))[:12]!a}",
)
@pytest.mark.parametrize("path", ["/keys", "/keys/new"])
def test_a_form_that_nobody_could_have_filled_in_gets_a_clear_answer(
    app: Flask, ben: Browser, path: str, change: dict[str, str]
) -> None:
    app.testing = False
    before = keys_of(app)
    response = ben.post(path, {**ORDER, **change})
    assert response.status_code < 500, response.text
    assert response.status_code != 200 or path == "/keys/new" or "scope" not in change
    if path == "/keys/new" or response.status_code != 200:
        assert keys_of(app) == before


@pytest.mark.parametrize(
    "path",
    [
        f"/keys?page={HUGE}",
        f"/keys?page={'9' * 5000}",
        "/keys?q=%00",
        "/keys?owner=%00&service=%00&environment=%00",
        "/keys/%00",
        "/keys/key_%00/revoke",
        "/keys/" + "k" * 3000,
        f"/keys/new?lifetime={HUGE}",
        f"/keys/new?service=payments&scope=charges:read&lifetime={'9' * 14}",
        "/login?next=%00",
        "/setup?token=%00",
        "/setup?token=" + "t" * 5000,
        "/assets/000000000000/%00",
        "/assets/000000000000/..%2f..%2fkeymgr%2fapp.py",
        "/%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_an_address_that_no_page_links_to_gets_a_clear_answer(app: Flask, ben: Browser, path: str) -> None:
    app.testing = False
    assert ben.get(path).status_code < 500


@pytest.mark.parametrize("field", ["reason", "note", "typed", "nonce"])
@pytest.mark.parametrize("text", ["\x00", "x" * 5000, MARKUP, "\u202e", "a\r\nb"])
def test_odd_texts_in_a_revocation_never_break_it(
    app: Flask, ben: Browser, seeded: Seeded, field: str, text: str
) -> None:
    app.testing = False
    fields = {"reason": "other", "note": "", "typed": "ci smoke test", "nonce": "n", field: text}
    response = ben.post(f"/keys/{seeded.expiring}/revoke", fields)
    assert response.status_code < 500
    assert MARKUP not in ben.get(f"/keys/{seeded.expiring}").text


def test_a_name_of_markup_is_text_on_every_page(ben: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hostile = MARKUP + "\u202egnp\r\nforged\U0001f511"
    response = ben.post("/keys", {**ORDER, "name": hostile})
    assert response.status_code == 200
    key_id = re.search(r"key_[0-9a-z]{26}", response.text)
    assert key_id
    own = f"/keys/{key_id[0]}"
    pages = [
        "/",
        "/keys",
        "/keys?q=hx-get",
        own,
        f"{own}/revoke",
        f"{own}/rotate",
    ]
    texts = [response.text, *(ben.get(path).text for path in pages)]
    ben.post(f"{own}/revoke", {"reason": "other", "typed": "wrong", "note": hostile, "nonce": "r"})
    texts.append(ben.post(f"{own}/revoke", {"reason": "other", "note": hostile, "nonce": "s"}).text)
    texts.append(ben.get(own).text)
    for text in texts:
        assert "<script>alert" not in text
        assert "<div hx-get=/keys" not in text
        assert "\u202e" not in text
        assert "49" not in re.findall(r"script&gt;(\S*?)gnp", text)
    assert any("{{7*7}}" in text for text in texts)
    assert not any("\n" in record.getMessage() and "forged" in record.getMessage() for record in caplog.records)


def test_the_file_of_a_key_cannot_be_named_by_markup(ben: Browser) -> None:
    fields = {"token": "x.y.z", "service": MARKUP, "name": 'a"\r\nSet-Cookie: a=b; filename="../../evil.exe'}
    response = ben.post("/keys/env", fields)
    assert response.status_code == 200
    assert response.mimetype == "text/plain"
    assert re.fullmatch(r'attachment; filename="[a-z0-9-]{1,40}\.env"', response.headers["Content-Disposition"])
    assert re.fullmatch(r"[A-Z0-9_]+=x\.y\.z\n", response.text)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/xml"])
def test_a_body_that_is_no_form_changes_nothing(app: Flask, ben: Browser, content_type: str) -> None:
    before = keys_of(app)
    body = f'{{"csrf_token": "{ben.token}", "name": "x", "service": "payments"}}'
    response = ben.client.post("/keys", data=body, content_type=content_type)
    assert response.status_code == 403
    assert keys_of(app) == before


def test_the_request_that_explains_carries_no_form_token(ben: Browser) -> None:
    page = ben.get("/keys/new?service=payments").text
    asking = re.findall(r"<[^>]*hx-get=[^>]*>", page)
    assert asking
    for element in asking:
        assert 'hx-params="not csrf_token,nonce"' in element, element


def test_a_failure_is_in_the_log_under_the_reference_that_the_page_shows(
    app: Flask, ben: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def broken(**_: object) -> str:
        raise RuntimeError("inside")

    app.view_functions["web.policy_page"] = broken
    response = ben.get("/policy")
    assert response.status_code == 500
    assert any(response.headers["X-Request-Id"] in record.getMessage() for record in caplog.records)


def test_a_door_that_forgets_to_ask_for_the_reason_is_reminded_by_the_core(
    ben: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keymgr.web.ask.problems_of_policy", lambda *_: ())
    order = {**ORDER, "environment": "prod", "lifetime": "86400"}
    answer = ben.post("/keys", order)
    assert answer.status_code == 422
    assert 'href="#justification"' in answer.text
    assert ben.post("/keys", {**order, "justification": "To look into refunds."}).status_code == 303
