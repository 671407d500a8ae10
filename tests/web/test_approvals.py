"""Approvals as those who decide see them: the inbox, everything to know beside a wish, and every decision."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent
from keymgr.store.keys import KeyRequest
from keymgr.store.people import Person
from tests.web.house import Browser, Seeded, put_in_force
from tests.web.test_requests import change, row, words


@pytest.fixture
def cleo(app: Flask) -> Browser:
    return came_in(app, "cleo")


@pytest.fixture
def eli(app: Flask) -> Browser:
    return came_in(app, "eli")


@pytest.fixture
def ada(app: Flask) -> Browser:
    return came_in(app, "ada")


def came_in(app: Flask, name: str) -> Browser:
    browser = Browser(app)
    browser.enter(name)
    return browser


def decision(app: Flask, request_id: str, what: str, **more: Sequence[str]) -> dict[str, Sequence[str]]:
    return {"decision": what, "seen": row(app, request_id).wish_digest, "nonce": f"d-{what}", **more}


def badge(page: str) -> str:
    return " ".join(
        re.sub("<[^>]+>", " ", re.findall(r'id="waiting-count"[^>]*>(.*?)</a>', page, re.DOTALL)[0]).split()
    )


def test_the_inbox_shows_what_waits_for_me_and_why_the_rest_waits_for_others(cleo: Browser, seeded: Seeded) -> None:
    text = words(cleo.get("/approvals").text)
    mine, others = text.split("Waits for others")
    assert re.search(r"refund desk ben charges:read payments, prod, 10 days production low", mine)
    assert "your decision 0 of 1 signed" in mine
    assert re.search(r"card capture ben, for the service account pay-ci .* production high", others)
    assert "You have approved this already, and nobody counts twice. 1 of 2 signed" in others
    assert seeded.waiting


def test_what_is_risky_comes_first_then_what_is_oldest(app: Flask, eli: Browser, seeded: Seeded) -> None:
    page = eli.get("/approvals").text
    assert page.index(seeded.waiting) < page.index(seeded.two_step)
    change(app, seeded.waiting, environment="dev")
    page = eli.get("/approvals").text
    assert page.index(seeded.two_step) < page.index(seeded.waiting)


def test_the_inbox_can_be_narrowed_to_a_service(eli: Browser, seeded: Seeded) -> None:
    assert seeded.waiting in eli.get("/approvals?service=payments").text
    page = eli.get("/approvals?service=ledger").text
    assert "Nothing waits for ledger" in page
    assert "2 requests wait for other services." in words(page)


def test_own_requests_are_shown_with_who_else_must_decide(ben: Browser, seeded: Seeded) -> None:
    sentence = "You asked for this, so someone else must decide."
    assert sentence in words(ben.get("/approvals").text)
    page = ben.get(f"/approvals/{seeded.waiting}").text
    assert sentence in words(page)
    assert "Send decision" not in page
    assert f'href="/requests/{seeded.waiting}"' in page


def test_who_approves_nothing_finds_an_empty_inbox_and_no_entry_for_it(app: Flask) -> None:
    dana = came_in(app, "dana")
    page = dana.get("/approvals").text
    assert "The policy names you in no approval." in words(page)
    assert 'href="/approvals"' not in dana.get("/").text


def test_the_navigation_counts_what_waits_for_me(app: Flask, cleo: Browser, eli: Browser, seeded: Seeded) -> None:
    assert badge(cleo.get("/").text) == "1 waiting for you"
    assert badge(eli.get("/keys").text) == "2 waiting for you"
    answer = eli.post(f"/approvals/{seeded.two_step}", decision(app, seeded.two_step, "approve"))
    assert badge(answer.text) == "1 waiting for you"
    assert badge(came_in(app, "ada").get("/").text) == ""


def test_the_page_tells_everything_to_know_in_its_order(app: Flask, cleo: Browser, seeded: Seeded) -> None:
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        joined = datetime.now(UTC) - timedelta(days=4, minutes=1)
        session.execute(update(Person).where(Person.name == "ben").values(created_at=joined))
    text = words(cleo.get(f"/approvals/{seeded.waiting}").text)
    told = (
        "ben asks for charges:read on payments, prod : 10 days, from any network.",
        "Why ben wants it To look into refunds.",
        "What to look at It is for production: prod.",
        "The same was refused on",
        "ben joined 4 days ago.",
        "It would work from any network.",
        "What ben could do on payments + New: charges:read in prod low",
        "= charges:read in dev",
        "How it went before",
        "3 live of 4 ever",
        "1, 1 because it leaked",
        "1 granted, 1 refused",
        "Why it came here The rule payments-prod-read grants it after the approval lead-approval . policies/rules/",
        "Can still approve: cleo and eli.",
        "Similar keys of team mates No team mate holds any of these scopes.",
        "Questions and answers Nothing was asked yet.",
        "Your decision",
    )
    places = [text.find(part) for part in told]
    assert -1 not in places, [part for part, place in zip(told, places, strict=True) if place < 0]
    assert places == sorted(places)


def test_team_mates_are_compared_with(cleo: Browser, seeded: Seeded) -> None:
    text = words(cleo.get(f"/approvals/{seeded.two_step}").text)
    assert re.search(r"Similar keys of team mates nightly export ben · dev · charges:read, charges:write", text)
    assert "It would be the first key of pay-ci with a scope of high or critical risk." in text


def test_an_approval_is_counted_and_leads_to_the_next(app: Flask, eli: Browser, seeded: Seeded) -> None:
    path = f"/approvals/{seeded.two_step}"
    answer = eli.post(path, decision(app, seeded.two_step, "approve", reason="Checked."))
    text = words(answer.text)
    assert answer.status_code == 200
    assert "You approved this ben can claim the key until" in text
    assert re.search(r'<h2 id="result-heading" tabindex="-1" autofocus>', answer.text)
    assert re.search(rf'href="/approvals/{seeded.waiting}">Next: refund desk', answer.text)
    assert row(app, seeded.two_step).state == "approved"
    again = eli.post(path, decision(app, seeded.two_step, "approve", reason="Checked."))
    assert again.location == path


def test_a_first_of_two_approvals_says_what_is_still_needed(
    app: Flask, cleo: Browser, ben: Browser, seeded: Seeded
) -> None:
    fields = {"name": "more", "owner": "svc:pay-ci", "service": "payments", "environment": "prod"}
    wish = {"scope": ["charges:write"], "lifetime": "604800", "cidrs": "10.20.4.0/24", "justification": "Trying."}
    request_id = ben.post("/keys", {**fields, **wish, "nonce": "k-1"}).location.rpartition("/")[2]
    answer = cleo.post(f"/approvals/{request_id}", decision(app, request_id, "approve"))
    assert "Your approval counts 1 more approval still needed before ben can claim the key." in words(answer.text)
    assert seeded.waiting in answer.text


def test_approving_with_changes_takes_away_and_nothing_else(
    app: Flask, eli: Browser, ben: Browser, seeded: Seeded
) -> None:
    path = f"/approvals/{seeded.two_step}"
    fields = decision(app, seeded.two_step, "change", lifetime="5184000", reason="Reading first.")
    for scopes, lifetime, sentence in (
        ([], "5184000", "Leave at least one scope"),
        (["charges:read", "payouts:admin"], "5184000", "Nobody asked for payouts:admin"),
        (["charges:read"], "99999999", "The lifetime can only get shorter"),
        (["charges:read"], "soon", "The lifetime can only get shorter"),
    ):
        answer = eli.post(path, {**fields, "scope": scopes, "lifetime": lifetime})
        assert (answer.status_code, sentence in answer.text) == (422, True), sentence
    answer = eli.post(path, {**fields, "scope": ["charges:read"], "lifetime": "604800"})
    assert answer.status_code == 200, words(answer.text)
    text = words(ben.get(f"/requests/{seeded.two_step}").text)
    assert "Without charges:write. For 7 days instead of 60 days." in text


def test_refusing_needs_a_reason_and_the_requester_reads_it(
    app: Flask, cleo: Browser, ben: Browser, seeded: Seeded
) -> None:
    path = f"/approvals/{seeded.waiting}"
    empty = cleo.post(path, decision(app, seeded.waiting, "refuse"))
    assert (empty.status_code, 'href="#reason"' in empty.text) == (422, True)
    assert 'aria-invalid="true"' in empty.text
    answer = cleo.post(path, decision(app, seeded.waiting, "refuse", reason="Use the report API."))
    assert "You refused this ben reads your reason" in words(answer.text)
    assert "Use the report API." in ben.get(f"/requests/{seeded.waiting}").text


def test_a_decision_has_to_be_chosen(app: Flask, cleo: Browser, seeded: Seeded) -> None:
    answer = cleo.post(f"/approvals/{seeded.waiting}", decision(app, seeded.waiting, ""))
    assert (answer.status_code, "Choose what you decide." in answer.text) == (422, True)
    assert re.search(r"<title>\s*Error:", answer.text)


def test_a_question_goes_to_the_requester_and_the_request_waits_on(
    app: Flask, cleo: Browser, ben: Browser, seeded: Seeded
) -> None:
    path = f"/approvals/{seeded.waiting}"
    assert cleo.post(f"{path}/question", {"text": "", "nonce": "q-1"}).status_code == 422
    assert cleo.post(f"{path}/question", {"text": "For how many days?", "nonce": "q-1"}).location == path
    assert "For how many days?" in ben.get(f"/requests/{seeded.waiting}").text
    assert "ben can read your question" in words(cleo.get(path).text)
    assert row(app, seeded.waiting).state == "waiting"


def test_two_tabs_what_somebody_else_decided_or_changed_meanwhile_is_said(
    app: Flask, cleo: Browser, eli: Browser, ben: Browser, seeded: Seeded
) -> None:
    seen = decision(app, seeded.waiting, "approve")
    assert eli.post(f"/approvals/{seeded.waiting}", seen).status_code == 200
    late = cleo.post(f"/approvals/{seeded.waiting}", seen)
    assert late.status_code == 409
    text = words(late.text)
    assert "Not decided: something changed meanwhile The request “refund desk” is approved by eli." in text
    assert "Load current" in late.text

    seen = decision(app, seeded.two_step, "approve")
    edit = {"name": "card capture", "service": "payments", "environment": "prod", "scope": ["charges:write"]}
    more = {"cidrs": "10.20.4.0/24", "justification": "Smaller.", "lifetime": "604800", "nonce": "e-1"}
    assert ben.post(f"/requests/{seeded.two_step}/edit", {**edit, **more, "seen": seen["seen"]}).status_code == 303
    late = eli.post(f"/approvals/{seeded.two_step}", seen)
    assert late.status_code == 409
    text = words(late.text)
    assert "The request was changed after you opened it." in text
    assert "It asks for charges:write on payments, prod, for 7 days now." in text


def test_nobody_decides_their_own_request_by_any_form(app: Flask, ben: Browser, seeded: Seeded) -> None:
    for what in ("approve", "change", "refuse"):
        fields = decision(app, seeded.waiting, what, reason="x", scope=["charges:read"], lifetime="604800")
        assert ben.post(f"/approvals/{seeded.waiting}", fields).status_code == 403
    fields = {"seen": row(app, seeded.two_step).wish_digest, "emergency": "x", "nonce": "b-1"}
    assert ben.post(f"/approvals/{seeded.two_step}/break-glass", fields).status_code == 403
    assert row(app, seeded.waiting).state == row(app, seeded.two_step).state == "waiting"


def test_an_admin_is_no_approver(app: Flask, ada: Browser, seeded: Seeded) -> None:
    page = ada.get(f"/approvals/{seeded.waiting}").text
    assert "you are not among them" in words(page)
    assert ada.post(f"/approvals/{seeded.waiting}", decision(app, seeded.waiting, "approve")).status_code in {403, 404}
    assert row(app, seeded.waiting).state == "waiting"


def test_what_the_policy_no_longer_allows_can_only_be_refused(
    app: Flask, cleo: Browser, seeded: Seeded, portal_url: str
) -> None:
    put_in_force(portal_url, change=("members: [ben, cleo]", "members: [cleo]"))
    path = f"/approvals/{seeded.waiting}"
    page = cleo.get(path).text
    assert "The policy in force does not allow it any more" in words(page)
    assert 'value="approve"' not in page
    assert 'value="refuse"' in page
    assert cleo.post(path, decision(app, seeded.waiting, "approve")).status_code in {403, 409}
    assert cleo.post(path, decision(app, seeded.waiting, "refuse", reason="Gone.")).status_code == 200


def test_an_emergency_is_granted_alone_told_to_all_and_reviewed_by_somebody_else(
    app: Flask, ada: Browser, eli: Browser, ben: Browser, seeded: Seeded
) -> None:
    path = f"/approvals/{seeded.two_step}"
    page = ada.get(path).text
    assert "Emergency: grant it alone" in page
    seen = {"seen": row(app, seeded.two_step).wish_digest, "nonce": "b-1"}
    empty = ada.post(f"{path}/break-glass", {**seen, "emergency": " "})
    assert (empty.status_code, "Say what the emergency is" in empty.text) == (422, True)
    answer = ada.post(f"{path}/break-glass", {**seen, "emergency": "Cards are down and security sleeps."})
    assert (answer.status_code, "You granted this alone ben can claim" in words(answer.text)) == (200, True)
    assert row(app, seeded.two_step).break_glass
    assert "ada granted it alone, in an emergency." in words(ben.get(f"/requests/{seeded.two_step}").text)

    for reader in (ada, eli):
        text = words(reader.get("/").text)
        assert "Emergency. 1 request was granted alone and nobody else has looked at it yet." in text
    assert "granted alone" not in words(ben.get("/keys").text)
    assert ["Review card capture" in words(reader.get("/").text) for reader in (ada, eli, ben)] == [False, True, False]
    listed = words(eli.get("/approvals").text)
    assert re.search(
        r"not looked at yet card capture ada granted it alone .*Cards are down and security sleeps", listed
    )

    own = ada.post(f"{path}/review", {"finding": "It was one.", "nonce": "r-1"})
    assert (own.status_code, "somebody else has to review it" in own.text) == (403, True)
    assert eli.post(f"{path}/review", {"finding": "", "nonce": "r-2"}).status_code == 422
    assert eli.post(f"{path}/review", {"finding": "It was one.", "nonce": "r-2"}).location == path
    assert "eli looked at this emergency" in words(eli.get(path).text)
    assert "not looked at yet" not in eli.get("/approvals").text
    late = eli.post(f"{path}/review", {"finding": "Again.", "nonce": "r-3"})
    assert late.status_code == 409


def test_only_officials_review(app: Flask, seeded: Seeded) -> None:
    change(app, seeded.two_step, break_glass=True, state="approved", decided_by="user:ada")
    ben = came_in(app, "ben")
    page = ben.get(f"/approvals/{seeded.two_step}").text
    assert "It was reviewed" not in page
    assert ben.post(f"/approvals/{seeded.two_step}/review", {"finding": "Fine.", "nonce": "r-1"}).status_code == 403


def test_every_decision_is_in_the_audit_trail(app: Flask, eli: Browser, seeded: Seeded) -> None:
    eli.post(f"/approvals/{seeded.two_step}", decision(app, seeded.two_step, "approve"))
    with Session(app.config["KEYMGR_ENGINE"]) as session:
        events = session.query(AuditEvent).filter_by(object_id=seeded.two_step).order_by(AuditEvent.id).all()
        told = [(event.action, event.actor) for event in events]
        assert session.get_one(KeyRequest, seeded.two_step).decided_by == "user:eli"
    assert told[-1] == ("request.approved", "user:eli")
