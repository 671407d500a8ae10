"""Requests as those who asked see them: where they stand, and reminding, answering, editing, withdrawing, claiming."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from keymgr.store.keys import Key, KeyRequest
from tests.web.house import Browser, Seeded, address_of, put_in_force

EDIT = {
    "name": "card capture",
    "service": "payments",
    "environment": "prod",
    "scope": ["charges:read"],
    "lifetime": "2592000",
    "cidrs": "10.20.4.0/24",
    "justification": "Reading is enough.",
    "nonce": "e-1",
}


def words(page: str) -> str:
    """The text of the page's main part, spaces tidied."""
    main = re.findall(r"<main.*</main>", page, re.DOTALL)[0]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def row(app: Flask, request_id: str) -> KeyRequest:
    with Session(app.config["KEYMGR_ENGINE"]) as session:
        return session.get_one(KeyRequest, request_id)


def change(app: Flask, request_id: str, **values: object) -> None:
    """Move a request, as time or an older version of the portal would."""
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        session.execute(update(KeyRequest).where(KeyRequest.id == request_id).values(**values))


def keys_named(app: Flask, name: str) -> int:
    with Session(app.config["KEYMGR_ENGINE"]) as session:
        return session.scalar(select(func.count()).select_from(Key).where(Key.name == name)) or 0


def test_the_list_says_of_each_request_whom_it_waits_for(ben: Browser, seeded: Seeded) -> None:
    page = ben.get("/requests").text
    text = words(page)
    assert re.search(r"dispute lookup yours .* Ready to claim lapses in 3 days Claim dispute lookup", text)
    assert re.search(r"card capture service account pay-ci .* one person from the team security 1 of 2 signed", text)
    assert re.search(r"nosy dashboard yours .* Refused", text)
    assert page.index(seeded.approved) < page.index(seeded.waiting) < page.index(seeded.refused)
    assert "4 of 4 requests" in text


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("open", {"approved", "waiting", "two_step"}),
        ("waiting", {"waiting", "two_step"}),
        ("ready", {"approved"}),
        ("ended", {"refused"}),
        ("zebra", {"approved", "waiting", "two_step", "refused"}),
    ],
)
def test_the_list_can_be_narrowed_to_a_state(ben: Browser, seeded: Seeded, state: str, names: set[str]) -> None:
    page = ben.get(f"/requests?state={state}").text
    requests = ("approved", "waiting", "two_step", "refused")
    assert {name for name in requests if getattr(seeded, name) in page} == names


def test_empty_lists_say_what_would_be_there(app: Flask, stranger: Browser, ben: Browser, seeded: Seeded) -> None:
    stranger.enter("dana")
    assert "Nothing asked for" in stranger.get("/requests").text
    change(app, seeded.approved, state="withdrawn")
    assert "None of your requests is like that" in ben.get("/requests?state=ready").text


def test_a_request_shows_the_wish_the_steps_and_the_story(ben: Browser, seeded: Seeded) -> None:
    text = words(ben.get(f"/requests/{seeded.two_step}").text)
    assert (
        "ben asks for charges:read and charges:write on payments, prod , for the service account pay-ci: 60 days"
        in (text)
    )
    assert re.search(r"lead or reviewer met cleo approved .*: “Planned for the December release.”", text)
    assert "security 0 of 1 1 from the team security. Can still approve: eli." in text
    assert re.search(r"eli , .* Which machines run this, and who looks at their logs\?", text)
    assert "cleo approved it, step “lead or reviewer”." in text
    assert re.search(r"payments-prod-write · policies/rules/payments.yaml:\d+ @ 4f2c1ab", text)


def test_a_refusal_shows_its_reason_and_the_way_to_ask_again(ben: Browser, seeded: Seeded) -> None:
    page = ben.get(f"/requests/{seeded.refused}").text
    assert "Why it was refused, and what to change" in page
    assert "Ask for traffic:read on reports instead." in page
    assert re.search(r'href="/keys/new\?name=nosy\+dashboard&amp;[^"]*scope=charges:read"', page)
    assert "Withdraw the request" not in page
    assert re.search(r"payments.yaml:\d+ @ 4f2c1ab", page), "where the rule stood when it was asked for"


def test_what_an_approver_changed_is_said(ben: Browser, seeded: Seeded) -> None:
    for path in ("", "/claim"):
        text = words(ben.get(f"/requests/{seeded.approved}{path}").text)
        assert "It is not what was asked for first. For 7 days instead of 30 days." in text


def test_a_request_is_there_for_its_parties_its_approvers_and_officials_only(app: Flask, seeded: Seeded) -> None:
    found = {}
    for name in ("ben", "cleo", "eli", "ada", "dana", "finn"):
        browser = Browser(app)
        browser.enter(name)
        found[name] = browser.get(f"/requests/{seeded.waiting}").status_code
    assert found == {"ben": 200, "cleo": 200, "eli": 200, "ada": 200, "dana": 404, "finn": 404}


def test_approvers_see_the_request_without_its_actions(app: Flask, seeded: Seeded) -> None:
    eli = Browser(app)
    eli.enter("eli")
    page = eli.get(f"/requests/{seeded.two_step}").text
    assert "Look at it as approver" in page
    assert not re.search(r"Withdraw|Remind them|/edit", page)
    for path in ("claim", "edit"):
        assert eli.get(f"/requests/{seeded.two_step}/{path}").status_code == 404
    for path in ("claim", "edit", "nudge", "answer", "withdraw"):
        assert eli.post(f"/requests/{seeded.two_step}/{path}", {**EDIT, "text": "Hello"}).status_code == 404


def test_approvers_are_reminded_once_a_day(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path = f"/requests/{seeded.waiting}"
    assert ben.post(f"{path}/nudge", {"nonce": "n-1"}).location == path
    assert "The approvers are reminded" in ben.get(path).text
    page = ben.get(path).text
    assert "You reminded them" in page
    assert "Remind them</button>" not in page
    again = ben.post(f"{path}/nudge", {"nonce": "n-2"})
    assert (again.status_code, "reminded within the last day" in again.text) == (409, True)
    assert ben.post(f"{path}/nudge", {"nonce": "n-1"}).status_code == 303
    change(app, seeded.waiting, nudged_at=datetime.now(UTC) - timedelta(hours=25))
    assert "Remind them</button>" in ben.get(path).text


def test_an_answer_joins_the_conversation(ben: Browser, seeded: Seeded) -> None:
    path = f"/requests/{seeded.two_step}"
    empty = ben.post(f"{path}/answer", {"text": "  ", "nonce": "a-1"})
    assert empty.status_code == 422
    assert "Write something first." in empty.text
    assert empty.text.index("<title>Error:")
    assert ben.post(f"{path}/answer", {"text": "The two in rack 7.", "nonce": "a-1"}).status_code == 303
    assert "You , just now The two in rack 7." in words(ben.get(path).text)
    assert ben.post(f"{path}/answer", {"text": "The two in rack 7.", "nonce": "a-1"}).status_code == 303
    assert ben.get(path).text.count("The two in rack 7.") == 1


def test_a_browser_reloads_the_page_that_was_answered_on(ben: Browser, seeded: Seeded) -> None:
    path = f"/requests/{seeded.two_step}"
    ben.get(path)
    answered = ben.post(f"{path}/answer", {"text": "The two in rack 7.", "nonce": "a-1"}, htmx=True)
    assert answered.headers["HX-Redirect"] == path, "a fragment would only scroll: nothing were sent again"


@pytest.mark.parametrize("which", ["waiting", "approved"])
def test_an_open_request_can_be_withdrawn(app: Flask, ben: Browser, seeded: Seeded, which: str) -> None:
    path = f"/requests/{getattr(seeded, which)}"
    assert "Withdraw the request" in ben.get(path).text
    assert ben.post(f"{path}/withdraw", {"nonce": "w-1"}).location == path
    assert "Withdrawn" in words(ben.get(path).text)
    again = ben.post(f"{path}/withdraw", {"nonce": "w-2"})
    assert (again.status_code, "is withdrawn" in again.text) == (409, True)
    assert row(app, getattr(seeded, which)).key_id is None


def test_a_form_of_htmx_is_led_to_the_request(ben: Browser, seeded: Seeded) -> None:
    path = f"/requests/{seeded.waiting}"
    assert ben.post(f"{path}/withdraw", {"nonce": "w-1"}, htmx=True).headers["HX-Redirect"] == path


def test_editing_begins_with_what_was_asked_and_says_that_approval_starts_over(ben: Browser, seeded: Seeded) -> None:
    page = ben.get(f"/requests/{seeded.two_step}/edit").text
    assert "1 person has approved it as it is; that no longer counts once you send this." in words(page)
    assert 'value="card capture"' in page
    assert re.search(r'value="charges:write" checked', page)
    assert "10.20.4.0/24" in page
    assert 'hx-get="/requests/' in page
    assert 'hx-get="/keys/new"' not in page


def test_a_changed_wish_waits_anew_and_voids_what_was_signed(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path = f"/requests/{seeded.two_step}"
    seen = row(app, seeded.two_step).wish_digest
    assert ben.post(f"{path}/edit", {**EDIT, "seen": seen}).location == path
    page = ben.get(path).text
    text = words(page)
    assert "The request is changed. Its approval starts over." in text
    assert "Without charges:write." in text
    assert "0 of 1 signed" in text
    stale = ben.post(f"{path}/edit", {**EDIT, "seen": seen, "nonce": "e-2"})
    assert (stale.status_code, "was changed after you opened it" in stale.text) == (409, True)


def test_an_edit_to_what_needs_no_approval_can_be_claimed_at_once(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path = f"/requests/{seeded.waiting}"
    fields = {
        **EDIT,
        "environment": "dev",
        "lifetime": "604800",
        "cidrs": "",
        "seen": row(app, seeded.waiting).wish_digest,
    }
    assert ben.post(f"{path}/edit", fields).location == path
    text = words(ben.get(path).text)
    assert "The policy grants it like this at once" in text
    assert "Ready to claim" in text
    assert "“card capture” is ready" in ben.post(f"{path}/claim", {"nonce": "c-1"}).text


def test_an_edit_with_problems_changes_nothing(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path, before = f"/requests/{seeded.two_step}/edit", row(app, seeded.two_step).wish_digest
    fields = {**EDIT, "seen": before}
    for wrong, status, sentence in (
        ({"name": ""}, 422, "Give the key a name"),
        ({"justification": ""}, 422, "Say why you need this key"),
        ({"scope": ["payouts:admin"]}, 403, "The policy does not allow this"),
    ):
        answer = ben.post(path, {**fields, **wrong})
        assert (answer.status_code, sentence in answer.text) == (status, True)
    assert ben.post(f"{path}?check=yes", {**fields, "scope": ["charges:write"]}).status_code == 200
    assert row(app, seeded.two_step).wish_digest == before


def test_the_owner_of_a_request_stays_whoever_it_is(app: Flask, ben: Browser, seeded: Seeded) -> None:
    seen = row(app, seeded.two_step).wish_digest
    assert ben.post(f"/requests/{seeded.two_step}/edit", {**EDIT, "owner": "user:ben", "seen": seen}).status_code == 303
    assert row(app, seeded.two_step).owner == "svc:pay-ci"


def test_what_has_ended_is_neither_edited_nor_claimed(ben: Browser, seeded: Seeded) -> None:
    path = f"/requests/{seeded.refused}"
    assert "It cannot be changed" in ben.get(f"{path}/edit").text
    assert "There is nothing to claim." in ben.get(f"{path}/claim").text
    assert ben.post(f"{path}/edit", {**EDIT, "scope": ["charges:read"], "cidrs": ""}).status_code == 409
    assert ben.post(f"{path}/claim", {"nonce": "c-1"}).status_code == 409


def test_claiming_says_what_the_key_will_be_and_then_shows_it_once(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path = f"/requests/{seeded.approved}/claim"
    text = words(ben.get(path).text)
    assert "7 days from when you claim it" in text
    assert "It grants it, and the approval is there" in text
    shown = ben.post(path, {"nonce": "c-1"})
    assert shown.status_code == 200
    assert "“dispute lookup” is ready" in shown.text
    token = re.findall(r"<textarea[^>]*>(ey[^<]+)</textarea>", shown.text)[0]
    again = ben.post(path, {"nonce": "c-1"})
    assert "already done" in again.text
    assert token not in again.text
    assert ben.post(path, {"nonce": "c-2"}).status_code == 409
    assert keys_named(app, "dispute lookup") == 1
    page = ben.get(f"/requests/{seeded.approved}").text
    assert "Go to the key" in page
    assert "Claimed" in page
    assert token not in page


def test_a_request_that_waits_cannot_be_claimed(app: Flask, ben: Browser, seeded: Seeded) -> None:
    path = f"/requests/{seeded.waiting}/claim"
    page = ben.get(path).text
    assert "It wants approvals that are not there yet" in page
    assert "Make and show the key" not in page
    assert ben.post(path, {"nonce": "c-1"}).status_code == 409
    assert keys_named(app, "refund desk") == 0


def test_what_the_policy_no_longer_allows_is_refused_at_the_claim(
    app: Flask, ben: Browser, seeded: Seeded, portal_url: str
) -> None:
    put_in_force(portal_url, change=("members: [ben, cleo]", "members: [cleo]"))
    path = f"/requests/{seeded.approved}"
    assert "does not grant it that way any more" in words(ben.get(path).text)
    assert "The policy in force does not allow it any more" in ben.get(path).text
    assert "It does not allow it any more" in ben.get(f"{path}/claim").text
    assert ben.post(f"{path}/claim", {"nonce": "c-1"}).status_code == 403
    assert keys_named(app, "dispute lookup") == 0
    assert "nobody: the policy no longer allows it" in words(ben.get("/requests").text)


def test_a_claim_whose_time_is_over_has_lapsed(app: Flask, ben: Browser, seeded: Seeded) -> None:
    change(app, seeded.approved, claim_until=datetime.now(UTC) - timedelta(minutes=1))
    path = f"/requests/{seeded.approved}"
    assert "Its time is over." in words(ben.get(path).text)
    assert ben.post(f"{path}/claim", {"nonce": "c-1"}).status_code == 409


def test_an_override_keeps_the_claim_waiting_and_says_who_stopped_it(app: Flask, ben: Browser, seeded: Seeded) -> None:
    ada = Browser(app)
    ada.enter("ada")
    ada.get("/policy/overrides")
    stop = {"target": "service:payments", "reason": "A build log held keys.", "hours": "1", "nonce": "o-1"}
    assert ada.post("/policy/overrides", stop).status_code == 303
    path = f"/requests/{seeded.approved}/claim"
    page = ben.get(path).text
    assert "A build log held keys." in words(page)
    assert "Make and show the key" not in page
    assert ben.post(path, {"nonce": "c-1"}).status_code == 409
    assert keys_named(app, "dispute lookup") == 0


def test_a_sent_request_leads_to_its_own_page(ben: Browser) -> None:
    order = {**EDIT, "name": "new one", "cidrs": "", "lifetime": "604800"}
    sent = ben.post("/keys", order)
    assert re.fullmatch(r"/requests/req_\w+", sent.location)
    text = words(ben.get(sent.location).text)
    assert "The request was sent for approval." in text
    assert "one person from the role payments-lead or the role portal-reviewer" in text


def test_names_and_texts_of_others_are_inert(app: Flask, ben: Browser, seeded: Seeded) -> None:
    hostile = "<img src=x onerror=alert(1)>{{7*7}}\u202e" + "x" * 40
    change(app, seeded.waiting, name=hostile, justification=hostile, decision_reason=hostile)
    assert ben.post(f"/requests/{seeded.waiting}/answer", {"text": hostile, "nonce": "h-1"}).status_code == 303
    cleo = Browser(app)
    cleo.enter("cleo")
    paths = [f"/requests/{seeded.waiting}{part}" for part in ("", "/edit", "/claim")]
    pages = [ben.get(path).text for path in ("/requests", *paths)]
    pages += [cleo.get(path).text for path in ("/approvals", f"/approvals/{seeded.waiting}")]
    for page in pages:
        assert "<img" not in page
        assert "{{7*7}}" in page
        assert "49" not in re.findall(r"onerror[^<]*", page)[0]


def test_without_a_policy_requests_are_still_shown(app: Flask, ben: Browser, seeded: Seeded) -> None:
    from keymgr.store.policies import PolicyHead  # noqa: PLC0415 - only this test takes the policy away.

    assert address_of(app)
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        session.query(PolicyHead).delete()
    assert ben.get("/requests").status_code == 200
    page = ben.get(f"/requests/{seeded.waiting}")
    assert page.status_code == 200
    assert ben.post(f"/requests/{seeded.approved}/claim", {"nonce": "c-1"}).status_code == 409
    assert ben.get(f"/requests/{seeded.waiting}/edit").status_code == 409
