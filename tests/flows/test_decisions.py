"""Flows 3 and 9: fewer scopes than asked for, two steps with a question between, a refusal, and an emergency."""

import json

from playwright.sync_api import Page, expect

from tests.flows.demo import Demo, ask
from tests.flows.office import Entered, Office, secret_of

REFUNDS = "service=payments&environment=dev&scope=charges:read&scope=refunds:write"
MACHINE = "owner=svc:pay-ci&service=payments&environment=prod&scope=charges:read&scope=charges:write&cidrs=127.0.0.0/8"


def open_from_list(page: Page, demo: Demo, name: str) -> None:
    """Go to a request as an approver does, by the list of what waits."""
    page.goto(f"{demo.portal}/approvals")
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def decide(page: Page, choice: str, note: str = "") -> None:
    page.get_by_role("radio", name=choice).check()
    if note:
        page.get_by_label("Reason or note").fill(note)
    page.get_by_role("button", name="Send decision").click()


def claim(page: Page) -> str:
    """Make the key of the request whose page is open."""
    page.get_by_role("link", name="Claim the key").click()
    expect(page.get_by_role("main")).to_contain_text("from when you claim it")
    page.get_by_role("button", name="Make and show the key").click()
    return secret_of(page)


def test_a_request_is_approved_with_changes_claimed_and_may_do_just_that(office: Office, enter: Entered) -> None:
    ben, cleo, name = enter("ben"), enter("cleo"), f"narrowed {id(enter)}"
    office.ask(ben, name, REFUNDS, reason="Looking into refund 4411.")
    request = ben.url
    expect(ben.get_by_role("main")).to_contain_text("Waiting")

    open_from_list(cleo, office.demo, name)
    expect(cleo.get_by_role("main")).to_contain_text("Looking into refund 4411.")
    cleo.get_by_label("Approve with changes").check()
    cleo.get_by_label("refunds:write").uncheck()
    cleo.get_by_label("For", exact=True).select_option("1 day")
    cleo.get_by_label("Reason or note").fill("Reading for a day is enough.")
    cleo.get_by_role("button", name="Send decision").click()
    expect(cleo.get_by_role("heading", name="You approved this")).to_be_visible()

    ben.goto(request)
    expect(ben.get_by_role("main")).to_contain_text("It is not what was asked for first.")
    expect(ben.get_by_role("main")).to_contain_text("For 1 day instead of 7 days.")
    token = claim(ben)
    assert token not in ben.url
    assert ask(office.demo.sample, "/charges", token=token).status == 200
    beyond = ask(office.demo.sample, "/refunds", method="POST", token=token)
    assert (beyond.status, json.loads(beyond.body)["code"]) == (403, "scope_missing")
    ben.goto(request)
    expect(ben.get_by_role("main")).to_contain_text("Claimed")
    assert token not in ben.content()


def test_two_steps_with_a_question_and_its_answer_between_them_end_in_a_key(office: Office, enter: Entered) -> None:
    ben, cleo, eli, name = enter("ben"), enter("cleo"), enter("eli"), f"capturing {id(enter)}"
    office.ask(ben, name, MACHINE, reason="Capturing moves to CI.")
    request = ben.url

    open_from_list(cleo, office.demo, name)
    decide(cleo, "Approve as it is")
    expect(cleo.locator("#result-heading")).to_be_visible()

    open_from_list(eli, office.demo, name)
    eli.get_by_label("Ask a question").fill("Who looks at its logs?")
    eli.get_by_role("button", name="Send question").click()
    expect(eli.get_by_role("main")).to_contain_text("Who looks at its logs?")

    ben.goto(request)
    expect(ben.get_by_role("main")).to_contain_text("Who looks at its logs?")
    expect(ben.get_by_role("link", name="Claim the key")).to_have_count(0)
    ben.get_by_label("Your answer").fill("Cleo, every morning.")
    ben.get_by_role("button", name="Send", exact=True).click()
    expect(ben.get_by_role("main")).to_contain_text("Cleo, every morning.")

    eli.reload()
    expect(eli.get_by_role("main")).to_contain_text("Cleo, every morning.")
    decide(eli, "Approve as it is", "Good.")
    expect(eli.get_by_role("heading", name="You approved this")).to_be_visible()

    ben.goto(request)
    assert ask(office.demo.sample, "/charges", token=claim(ben)).status == 200


def test_who_is_refused_reads_why_and_can_ask_again(office: Office, enter: Entered) -> None:
    ben, cleo, name = enter("ben"), enter("cleo"), f"too curious {id(enter)}"
    office.ask(ben, name, REFUNDS, reason="Because.")
    request = ben.url
    open_from_list(cleo, office.demo, name)
    decide(cleo, "Refuse")
    expect(cleo.get_by_role("alert")).to_be_visible()
    decide(cleo, "Refuse", "Say which refund, and leave charges:read out.")
    expect(cleo.locator("#result-heading")).to_be_visible()

    ben.goto(request)
    expect(ben.get_by_role("heading", name="Why it was refused, and what to change")).to_be_visible()
    expect(ben.get_by_role("main")).to_contain_text("Say which refund, and leave charges:read out.")
    expect(ben.get_by_role("link", name="Claim the key")).to_have_count(0)
    ben.get_by_role("link", name="Ask again").click()
    expect(ben.get_by_label("Name", exact=True)).to_have_value(name)
    expect(ben.get_by_label("refunds:write")).to_be_checked()


def test_an_emergency_is_granted_by_one_named_person_and_looked_at_by_another(office: Office, enter: Entered) -> None:
    ben, ada, cleo, name = enter("ben"), enter("ada"), enter("cleo"), f"night shift {id(enter)}"
    office.ask(ben, name, MACHINE, reason="Charges fail at night.")
    request = ben.url
    cleo.goto(request.replace("/requests/", "/approvals/"))
    expect(cleo.get_by_text("Emergency: grant it alone")).to_have_count(0)

    ada.goto(request.replace("/requests/", "/approvals/"))
    ada.get_by_text("Emergency: grant it alone").click()
    ada.get_by_role("button", name="Grant without approvals").click()
    expect(ada.get_by_role("alert")).to_be_visible()
    ada.get_by_label("What is the emergency?").fill("No charge goes through, nobody else is awake.")
    ada.get_by_role("button", name="Grant without approvals").click()
    expect(ada.locator("#result-heading")).to_be_visible()
    expect(ada.get_by_role("button", name="It was reviewed")).to_have_count(0)

    ben.goto(request)
    assert ask(office.demo.sample, "/charges", token=claim(ben)).status == 200

    cleo.goto(f"{office.demo.portal}/approvals")
    cleo.get_by_role("link", name=f"Review {name}").click()
    cleo.get_by_label("What you found").fill("It was one; the approvers are named for nights now.")
    cleo.get_by_role("button", name="It was reviewed").click()
    expect(cleo.get_by_role("heading", name="Reviewed", exact=True)).to_be_visible()
    cleo.goto(f"{office.demo.portal}/approvals")
    expect(cleo.get_by_role("link", name=f"Review {name}")).to_have_count(0)
