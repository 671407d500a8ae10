"""A sign-in that ended while a form was filled in: the whole sign-in page, and afterwards the form as it was."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.web.filled import filled, form_of
from tests.web.house import PASSWORDS, Browser, Seeded

Fields = Mapping[str, str | list[str]]
WISH: Fields = {
    "name": "half typed",
    "service": "payments",
    "environment": "prod",
    "scope": ["charges:read", "charges:write"],
    "lifetime": "604800",
    "cidrs": "10.20.4.0/24",
    "justification": "Because of refund 4411.\nAnd “others”.",
}
FORMS: Mapping[tuple[str, str, str], Fields] = {
    ("ben", "/keys/new?service=ledger", "/keys"): WISH,
    ("ben", "/requests/{two_step}/edit", "/requests/{two_step}/edit"): WISH,
    ("ben", "/requests/{two_step}", "/requests/{two_step}/answer"): {"text": "Two machines, pay-1 and pay-2."},
    ("ben", "/keys/{active}/revoke", "/keys/{active}/revoke"): {"reason": "leaked", "note": "In a log.", "typed": "ch"},
    ("ben", "/keys/{active}/rotate", "/keys/{active}/rotate"): {"overlap": "custom", "hours": "5"},
    ("ben", "/keys/bulk?verb=revoke&key={active}&key={grace}", "/keys/bulk/done"): {"reason": "other", "note": "Old."},
    ("eli", "/approvals/{two_step}", "/approvals/{two_step}"): {
        "decision": "change",
        "scope": ["charges:read"],
        "lifetime": "86400",
        "reason": "Reading is enough.",
    },
    ("eli", "/approvals/{two_step}", "/approvals/{two_step}/question"): {"text": "Which machines?"},
    ("ada", "/approvals/{two_step}", "/approvals/{two_step}/break-glass"): {"emergency": "The till is down."},
    ("ada", "/keys/{active}/suspend", "/keys/{active}/suspend"): {"note": "Odd traffic at night."},
    ("ada", "/policy/overrides", "/policy/overrides"): {
        "target": "team:platform",
        "reason": "A build log held keys.",
        "hours": "4",
    },
    ("ada", "/admin/people/new", "/admin/people"): {
        "name": "eve",
        "display_name": "Eve E.",
        "email": "eve@acme.example",
    },
    ("ada", "/admin/service-accounts", "/admin/service-accounts"): {"name": "eve-ci", "team": "platform"},
    ("ada", "/admin/service-credentials", "/admin/service-credentials"): {"service": "reports"},
    ("ada", "/admin/people/ben/state?to=left", "/admin/people/ben/state"): {"reason": "Moved on.", "to": "left"},
}


@pytest.mark.parametrize("htmx", [True, False], ids=["script", "plain"])
@pytest.mark.parametrize("of", FORMS, ids=lambda of: f"{of[0]} {of[2]}")
def test_what_was_filled_in_is_there_again_after_signing_in(
    stranger: Browser, seeded: Seeded, of: tuple[str, str, str], *, htmx: bool
) -> None:
    ids = {"active": seeded.active, "grace": seeded.grace, "two_step": seeded.two_step}
    name, page, action = (text.format(**ids) for text in of)
    fields = {one: value if isinstance(value, list) else [value] for one, value in FORMS[of].items()}
    header = "HX-Current-URL" if htmx else "Referer"
    lost = stranger.post(action, fields, htmx=htmx, headers={header: f"http://localhost{page}"})
    where = lost.headers["HX-Redirect" if htmx else "Location"]
    assert (lost.status_code, "<form" in lost.text) == (401 if htmx else 303, False)

    whole = stranger.get(where)
    assert (whole.status_code, whole.text.count("<main")) == (200, 1)
    back = parse_qs(urlsplit(where).query)["next"][0]
    entered = stranger.post("/login", {"name": name, "password": PASSWORDS[name], "next": back})
    form = form_of(stranger.get(entered.location).text, action)
    found = filled(form)
    assert {one: [text.lstrip("\n") for text in found.getlist(one)] for one in fields} == fields

    again = filled(form_of(stranger.get(entered.location).text, action))
    assert {one: again.getlist(one) for one in fields} != fields, "The draft is taken once."


@pytest.mark.parametrize(
    ("action", "back"),
    [
        ("/requests/{waiting}/answer", "/requests/{waiting}"),
        ("/keys/{active}/grace/end", "/keys/{active}/grace"),
        ("/policy/overrides/ovr_1/lift", "/policy/overrides"),
        ("/admin/people", "/admin/people/new"),
        ("/me/sessions/0123456789abcdef/end", "/me"),
        ("/keys", "/keys/new"),
        ("/stay", "/stay"),
    ],
)
@pytest.mark.parametrize("referer", ["", "http://localhost/me/theme", "https://evil.example/keys", "http://[bad"])
def test_a_browser_that_tells_of_no_page_comes_back_to_the_page_of_the_form(
    stranger: Browser, seeded: Seeded, action: str, back: str, referer: str
) -> None:
    ids = {"active": seeded.active, "waiting": seeded.waiting}
    lost = stranger.post(action.format(**ids), {"text": "x"}, headers={"Referer": referer} if referer else {})
    assert lost.status_code == 303
    assert lost.location == f"/login?next={back.format(**ids)}"


def test_no_secret_and_nothing_too_long_is_kept_in_the_cookie(stranger: Browser) -> None:
    secret = "eyJhbGciOiJFUzI1NiIs" + "c2VjcmV0" * 20
    for action in ("/keys/identify", "/keys/env", "/keys/test", "/admin/people/ben/password"):
        stranger.post(action, {"token": secret, "password_again": secret, "password": secret, "csrf_token": secret})
    noise = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(2000))
    sent = stranger.post("/keys/key_1/revoke", {"reason": "leaked", "note": noise, "typed": "ab", "token": secret})
    assert all(len(cookie) < 4096 for cookie in sent.headers.getlist("Set-Cookie"))
    with stranger.client.session_transaction() as cookie:
        assert cookie["draft"] == ["/keys/key_1/revoke", {"reason": ["leaked"], "typed": ["ab"]}]
        assert secret not in str(dict(cookie))
