"""Asking for a key: the explanation, and that a submit does what the explanation said."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from keymgr.policy.model import Risk, Scope
from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.keys import FormNonce, Key, KeyRequest
from keymgr.web.ask_form import choices_of, read_draft
from tests.policy.builders import a_person, a_policy, a_service
from tests.web.house import Browser, make_app, put_in_force

DEV = {"name": "ci", "service": "payments", "environment": "dev", "scope": ["charges:read"], "nonce": "n-1"}
PROD = {**DEV, "environment": "prod", "nonce": "n-2"}
VERBS = ("read", "list", "write", "delete", "admin")
MIXED = "/keys/new?service=payments&environment=prod&scope=charges:read&scope=refunds:write"


def soup(text: str) -> BeautifulSoup:
    return BeautifulSoup(text, "html.parser")


def words(text: str) -> str:
    return re.sub(r"\s+", " ", soup(text).get_text(" "))


def count(url: str, table: type) -> int:
    engine = connect(url)
    with Session(engine) as session:
        found = session.scalar(select(func.count()).select_from(table)) or 0
    engine.dispose()
    return found


def test_an_empty_form_says_what_to_choose(ben: Browser) -> None:
    page = words(ben.get("/keys/new").text)
    assert "Choose a service" in page
    assert "which line of the policy decides" in page


def test_what_is_granted_names_the_rule_its_line_and_its_commit(ben: Browser) -> None:
    text = ben.get("/keys/new?service=payments&environment=dev&scope=charges:read", htmx=True).text
    assert "You get this key at once" in words(text)
    assert "payments-dev" in text
    link = soup(text).select_one(".why .src a")
    assert link
    assert str(link["href"]).startswith(
        "https://forge.example/acme/policy/blob/4f2c1ab09d3e5f67/policies/rules/payments.yaml#L"
    )
    assert re.search(r"policies/rules/payments\.yaml:\d+ @ 4f2c1ab", link.text)
    assert "At most 30 days of life" in words(text)


def test_each_scope_has_its_own_state(ben: Browser) -> None:
    panel = soup(ben.get(MIXED, htmx=True).text)
    assert [line["class"] for line in panel.select(".why > li")] == [["pending"], ["refused"]]
    said = words(str(panel))
    assert "charges:read needs approval" in said
    assert "refunds:write is not allowed" in said
    assert "Untick refunds:write to go on" in said
    assert "one person with the role payments-lead" in said


def test_what_no_rule_gives_shows_the_nearest_rule_and_a_rule_to_propose(ben: Browser) -> None:
    text = ben.get("/keys/new?service=reports&environment=prod&scope=traffic:read", htmx=True).text
    said = words(text)
    assert "Nearest rule:" in said
    assert "not met" in said
    assert "Propose a change" in said
    assert "kind: IssuanceRule" in said


def test_the_button_says_what_it_will_do(ben: Browser) -> None:
    for environment, scope, label in (
        ("dev", "charges:read", "Create key"),
        ("prod", "charges:read", "Send for approval"),
        ("prod", "refunds:write", "Ask all the same"),
    ):
        path = f"/keys/new?service=payments&environment={environment}&scope={scope}"
        button = soup(ben.get(path, htmx=True).text).select_one("#send")
        assert button
        assert button.text.strip() == label
        assert not button.has_attr("disabled")


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
@pytest.mark.parametrize(
    "scopes", [["charges:read"], ["charges:write"], ["refunds:write"], ["charges:read", "payouts:admin"]]
)
def test_the_submit_does_what_the_panel_said(ben: Browser, environment: str, scopes: list[str]) -> None:
    query = "&".join(f"scope={scope}" for scope in scopes)
    panel = ben.get(f"/keys/new?service=payments&environment={environment}&{query}", htmx=True).text
    order = {**DEV, "environment": environment, "scope": scopes, "justification": "To test.", "nonce": environment}
    response = ben.post("/keys", order)
    promised = next(
        status
        for words_said, status in (
            ("You get this key at once", 200),
            ("This needs approval", 303),
            ("The policy does not allow", 403),
            ("not all of them in one key", 403),
        )
        if words_said in words(panel)
    )
    assert response.status_code == promised


def test_without_javascript_the_check_button_shows_the_same_panel(ben: Browser) -> None:
    page = ben.post("/keys/new", DEV).text
    assert "You get this key at once" in words(page)
    assert 'value="ci"' in page
    assert page.count('id="explain"') == 1


def test_a_service_account_of_my_team_may_be_the_owner_and_nobody_else_s(ben: Browser) -> None:
    page = soup(ben.get("/keys/new?service=payments").text)
    owners = [option["value"] for option in page.select("#owner option")]
    assert "user:ben" in owners
    assert "svc:pay-ci" in owners
    assert all("analytics" not in owner and "nightly" not in owner for owner in owners)
    for owner in ("user:dana", "svc:nightly-export", "junk"):
        assert ben.post("/keys", {**DEV, "owner": owner}).status_code == 404
        assert ben.get(f"/keys/new?owner={owner}&service=payments", htmx=True).status_code == 404


def test_missing_fields_are_named_linked_and_keep_what_was_typed(ben: Browser) -> None:
    response = ben.post("/keys", {"name": "", "service": "payments", "environment": "dev", "cidrs": "10.0.0.0/8"})
    assert response.status_code == 422
    page = soup(response.text)
    links = {link["href"] for link in page.select("#problems a")}
    assert {"#name", "#scope"} <= links
    for link in links:
        assert page.select_one(str(link)), link
    assert page.title
    assert page.title.text.strip().startswith("Error:")
    assert 'value="10.0.0.0/8"' in response.text


def test_approval_wants_a_justification(ben: Browser, portal_url: str) -> None:
    before = count(portal_url, KeyRequest)
    response = ben.post("/keys", PROD)
    assert response.status_code == 422
    assert "Say why you need this key" in response.text
    assert count(portal_url, KeyRequest) == before
    assert ben.post("/keys", {**PROD, "justification": "To look into a refund."}).status_code == 303
    assert count(portal_url, KeyRequest) == before + 1


def test_the_allowed_scopes_go_alone_only_by_a_button_of_their_own(ben: Browser, portal_url: str) -> None:
    order = {**DEV, "scope": ["charges:read", "payouts:admin"]}
    panel = soup(ben.post("/keys/new", order).text)
    button = panel.select_one("#send-allowed")
    assert button
    assert button.text.strip() == "Create with allowed scopes only"
    assert "primary" not in str(panel.select_one("#send"))
    before = count(portal_url, Key)
    assert ben.post("/keys", order).status_code == 403
    assert count(portal_url, Key) == before
    made = ben.post("/keys", {**order, "nonce": "n-3", str(button["name"]): str(button["value"])})
    assert made.status_code == 200
    assert "payouts:admin" not in made.text
    assert count(portal_url, Key) == before + 1


def test_what_is_allowed_after_approval_alone_asks_for_the_reason(ben: Browser) -> None:
    page = soup(ben.get(MIXED).text)
    button = page.select_one("#send-allowed")
    assert button
    assert button.text.strip() == "Send only the allowed scopes for approval"
    assert page.select_one("#explain[data-reason=yes]")
    alone = soup(ben.get("/keys/new?service=payments&environment=prod&scope=payouts:admin").text)
    assert alone.select_one("#send-allowed") is None


def test_the_question_has_an_address_for_a_colleague(ben: Browser) -> None:
    link = soup(ben.get(f"{MIXED}&name=mine&lifetime=86400&cidrs=10.20.4.0/24").text).select_one("#permalink")
    assert link
    asked = parse_qs(urlsplit(str(link["href"])).query)
    assert asked == {
        "service": ["payments"],
        "environment": ["prod"],
        "scope": ["charges:read", "refunds:write"],
        "lifetime": ["86400"],
        "cidrs": ["10.20.4.0/24"],
    }


def test_without_javascript_a_button_ticks_what_only_reads(ben: Browser) -> None:
    page = soup(ben.post("/keys/new", {**DEV, "scope": ["charges:write"], "pick": "reading"}).text)
    ticked = [box["value"] for box in page.select("input[name=scope]") if box.has_attr("checked")]
    assert ticked == ["charges:read"]


def test_many_scopes_are_grouped_by_resource_and_searched(app: Flask) -> None:
    names = [f"{resource}:{verb}" for resource in ("charges", "refunds", "payouts", "cards") for verb in VERBS]
    for number, (groups, searched) in {6: (1, False), 7: (2, False), 13: (3, True), 20: (4, True)}.items():
        scopes = {name: Scope(name, Risk.LOW, "") for name in names[:number]}
        policy = a_policy(services=[replace(a_service(), scopes=scopes)])
        with app.test_request_context():
            draft = read_draft(MultiDict({"service": a_service().name}), me="user:ana", policy=policy)
            choices = choices_of(policy, a_person("ana"), draft, datetime(2026, 11, 22, tzinfo=UTC))
        assert len(choices.groups) == groups
        assert choices.is_searched is searched
        assert [scope.name for group in choices.groups for scope in group.scopes] == names[:number]
        assert choices.reading == {name for name in names[:number] if name.endswith((":read", ":list"))}


def test_the_longest_lifetime_is_stated(ben: Browser) -> None:
    page = words(ben.get("/keys/new?service=payments&environment=dev").text)
    assert "No rule gives more than 30 days here." in page
    assert "30 days until" in page
    assert "90 days until" not in page


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("cidrs", "10.0.0.1/8", "10.0.0.0/8"),
        ("cidrs", "nonsense", "nonsense"),
        ("cidrs", "0.0.0.0/0", "no-any-cidr"),
        ("lifetime", str(3650 * 86_400), "30 days"),
        ("lifetime", "-1", "longer than no time"),
        ("scope", "charges:rea", "charges:read"),
        ("service", "paymens", "payments"),
        ("environment", "produ", "prod"),
    ],
)
def test_bad_input_gets_a_clear_sentence_and_makes_nothing(
    ben: Browser, portal_url: str, field: str, value: str, said: str
) -> None:
    before = count(portal_url, Key)
    response = ben.post("/keys", {**DEV, field: value})
    assert response.status_code in {403, 422}
    assert said in words(response.text)
    assert count(portal_url, Key) == before


def test_hostile_names_are_inert(ben: Browser) -> None:
    name = '<img src=x onerror=alert(1)>{{7*7}}"\u202e\n😀'
    page = ben.post("/keys", {**DEV, "name": name}).text
    assert "<img src=x" not in page
    assert "49" not in words(page).split("is ready")[0]
    assert "\u202e" not in page
    assert "<img src=x" not in ben.get("/keys").text


def test_a_name_that_is_too_long_is_refused(ben: Browser) -> None:
    assert ben.post("/keys", {**DEV, "name": "x" * 101}).status_code == 422


def test_the_secret_is_in_one_answer_only_and_once(ben: Browser, portal_url: str) -> None:
    response = ben.post("/keys", DEV)
    assert response.headers["Cache-Control"] == "no-store"
    area = soup(response.text).select_one("textarea#token")
    assert area
    token = area.text
    assert token.startswith("eyJ")
    assert response.text.count(token) == 1
    assert all(token not in value for value in response.headers.values())
    key_id = re.search(r"/keys/(key_\w+)", response.text)
    assert key_id
    for path in ("/", "/keys", f"/keys/{key_id.group(1)}", f"/keys/{key_id.group(1)}/rotate", "/keys/new"):
        assert token not in ben.get(path).text
    database = Path(portal_url.removeprefix("sqlite:///"))
    stored = b"".join(file.read_bytes() for file in database.parent.glob("keymgr.db*"))
    assert token.encode() not in stored
    assert token.split(".")[2].encode() not in stored


def test_the_same_form_sent_twice_makes_one_key_and_says_so(ben: Browser, portal_url: str) -> None:
    before = count(portal_url, Key)
    assert "is ready" in ben.post("/keys", DEV).text
    again = ben.post("/keys", DEV)
    assert again.status_code == 200
    assert "already done" in words(again.text)
    assert "eyJ" not in again.text
    assert count(portal_url, Key) == before + 1


def test_a_refused_form_can_be_corrected_and_sent_again(ben: Browser) -> None:
    assert ben.post("/keys", {**DEV, "scope": "payouts:admin"}).status_code == 403
    assert "is ready" in ben.post("/keys", DEV).text


def test_a_changed_policy_between_view_and_submit_mints_nothing(ben: Browser, portal_url: str) -> None:
    shown = soup(ben.get("/keys/new?service=payments&environment=dev&scope=charges:read").text)
    revision = shown.select_one("input[name=revision]")
    assert revision
    put_in_force(
        portal_url,
        change=(
            "max_ttl: 30d\n    default_ttl: 7d\n    max_keys_per_owner: 20",
            "max_ttl: 30d\n    default_ttl: 6d\n    max_keys_per_owner: 20",
        ),
    )
    before = count(portal_url, Key)
    response = ben.post("/keys", {**DEV, "revision": str(revision["value"])})
    assert response.status_code == 409
    assert "The policy changed from revision 1 to 2" in words(response.text)
    assert count(portal_url, Key) == before
    again = soup(response.text).select_one("input[name=revision]")
    assert again
    assert ben.post("/keys", {**DEV, "revision": str(again["value"])}).status_code == 200


def test_when_issuing_is_off_the_page_says_so_and_nothing_is_made(portal_url: str, tmp_path: Path) -> None:
    app = make_app(portal_url, tmp_path, KEYMGR_ISSUING_ENABLED="false")
    browser = Browser(app)
    browser.enter("ben")
    page = browser.get("/keys/new")
    assert page.status_code == 409
    assert "switched off" in page.text
    browser.get("/keys")
    assert browser.post("/keys", DEV).status_code == 409
    app.extensions["keymgr.api"].close()


def test_the_audit_names_the_request_that_the_answer_names(ben: Browser, portal_url: str) -> None:
    response = ben.post("/keys", DEV)
    engine = connect(portal_url)
    with Session(engine) as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "key.issued").order_by(AuditEvent.id.desc())
        ).first()
        assert event
        assert event.request_id == response.headers["X-Request-Id"]
        assert event.actor == "user:ben"
    engine.dispose()


def test_looking_at_pages_writes_nothing(ben: Browser, portal_url: str) -> None:
    tables = (Key, KeyRequest, AuditEvent, FormNonce)
    before = [count(portal_url, table) for table in tables]
    for path in ("/", "/keys", "/keys/new", MIXED, "/requests", "/policy", "/me"):
        ben.get(path)
    ben.post("/keys/new", DEV)
    assert [count(portal_url, table) for table in tables] == before


def token_of(page: str) -> str:
    area = soup(page).select_one("textarea#token")
    assert area
    return area.text


def test_the_test_button_answers_as_the_service_would(ben: Browser) -> None:
    token = token_of(ben.post("/keys", DEV).text)
    fields = {"token": token, "service": "payments", "environment": "dev"}
    part = ben.post("/keys/test", fields, htmx=True).text
    assert "200 ok" in words(part)
    assert part.lstrip().startswith("<div")
    assert token not in part
    whole = ben.post("/keys/test", fields)
    assert "What the service would hear" in whole.text
    assert token not in whole.text
    assert "key_wrong_audience" in ben.post("/keys/test", {**fields, "service": "ledger"}, htmx=True).text
    assert "key_invalid" in ben.post("/keys/test", {**fields, "token": token[:-4]}, htmx=True).text
    assert "key_missing" in ben.post("/keys/test", {**fields, "token": "x" * 9000}, htmx=True).text


def test_the_download_without_a_script_is_an_attachment_that_nobody_keeps(ben: Browser) -> None:
    token = token_of(ben.post("/keys", {**DEV, "name": "ci / smoke"}).text)
    response = ben.post("/keys/env", {"token": token, "service": "payments", "name": "ci / smoke"})
    assert response.text == f"PAYMENTS_API_KEY={token}\n"
    assert response.headers["Content-Disposition"] == 'attachment; filename="ci-smoke.env"'
    assert response.headers["Cache-Control"] == "no-store"
    odd = ben.post("/keys/env", {"token": "a\nEVIL=1", "service": "\r\n", "name": '"\r\nX: y'})
    assert odd.text == "SERVICE_API_KEY=\n"
