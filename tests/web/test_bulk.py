"""Several keys at once: one look before, one answer for each, once, and nobody else's."""

import re

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.keys import Key
from tests.web.house import Browser, Seeded, address_of
from tests.web.test_key_list import multiply

NOTED = {"reason": "not_needed", "note": "spring clean", "nonce": "b-1"}


def words(text: str) -> str:
    return re.sub(r"\s+", " ", BeautifulSoup(text, "html.parser").get_text(" "))


def states(app: Flask) -> dict[str, str]:
    engine = connect(address_of(app))
    with Session(engine) as session:
        found = {row.id: row.state for row in session.execute(select(Key.id, Key.state))}
    engine.dispose()
    return found


def ticked(page: str) -> list[str]:
    return [str(field["value"]) for field in BeautifulSoup(page, "html.parser").select("input[type=hidden][name=key]")]


@pytest.fixture
def ada(app: Flask) -> Browser:
    browser = Browser(app)
    browser.enter("ada")
    return browser


def test_the_review_names_each_key_its_last_use_and_what_breaks(ben: Browser, seeded: Seeded) -> None:
    chosen = [seeded.active, seeded.expiring, seeded.revoked]
    page = ben.post("/keys/bulk", {"verb": "revoke", "key": chosen})
    said = words(page.text)
    assert "Revoke 2 keys" in said
    assert "1 of 2 was used within a day" in said
    assert "in use: calls are refused" in said
    assert "nobody will notice" in said
    assert "left as it is" in said
    assert "Type revoke 2 keys to confirm" in said
    assert ticked(page.text) == [seeded.active, seeded.expiring]
    assert states(ben.client.application)[seeded.active] == "active"


def test_the_address_of_a_review_is_a_whole_page(ben: Browser, seeded: Seeded) -> None:
    page = ben.get(f"/keys/bulk?verb=revoke&key={seeded.expiring}")
    assert page.text.startswith("<!DOCTYPE html>")
    assert "Revoke 1 key" in words(page.text)
    assert "to confirm" not in words(page.text)
    assert "No key is chosen" in words(ben.get("/keys/bulk").text)
    assert ben.get("/keys/bulk/done").location == "/keys"


def test_what_is_in_use_wants_the_words_typed(app: Flask, ben: Browser, seeded: Seeded) -> None:
    fields = {"verb": "revoke", "key": [seeded.active, seeded.expiring], **NOTED}
    for typed in ("", "revoke", "revoke 3 keys"):
        answer = ben.post("/keys/bulk/done", {**fields, "typed": typed})
        assert answer.status_code == 422
        assert "Type what is asked for to go on: revoke 2 keys" in words(answer.text)
        assert "spring clean" in answer.text
    answer = ben.post("/keys/bulk/done", {**fields, "typed": "revoke 2 keys", "reason": "sunspots"})
    assert answer.status_code == 422
    assert "Choose why the keys are revoked." in words(answer.text)
    assert states(app)[seeded.active] == "active"
    answer = ben.post("/keys/bulk/done", {**fields, "typed": " Revoke 2 KEYS "})
    assert answer.status_code == 200
    assert "2 revoked, 0 failed" in words(answer.text)
    assert states(app)[seeded.active] == states(app)[seeded.expiring] == "revoked"


def test_each_key_has_its_own_result_and_event(app: Flask, ben: Browser, seeded: Seeded) -> None:
    chosen = [seeded.expiring, seeded.revoked, seeded.grace, "key_unknown"]
    answer = ben.post("/keys/bulk/done", {"verb": "revoke", "key": chosen, **NOTED})
    said = words(answer.text)
    assert "2 revoked, 1 failed" in said
    assert "already revoked" in said
    assert "1 of those you chose was not there any more, or not yours." in said
    engine = connect(address_of(app))
    with Session(engine) as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.action == "key.revoked")).all()
    engine.dispose()
    told = {event.object_id: event.detail["note"] for event in events}
    assert told[seeded.expiring] == told[seeded.grace] == "spring clean"


def test_sending_it_again_does_nothing_twice(app: Flask, ben: Browser, seeded: Seeded) -> None:
    fields = {"verb": "revoke", "key": [seeded.active, seeded.expiring], "typed": "revoke 2 keys", **NOTED}
    for _ in range(2):
        assert "2 revoked, 0 failed" in words(ben.post("/keys/bulk/done", fields).text)
    assert "0 revoked, 2 failed" in words(ben.post("/keys/bulk/done", {**fields, "nonce": "b-2"}).text)
    engine = connect(address_of(app))
    with Session(engine) as session:
        events = session.scalars(select(AuditEvent.object_id).where(AuditEvent.action == "key.revoked")).all()
    engine.dispose()
    assert sorted(events) == sorted({seeded.active, seeded.expiring, seeded.revoked})


def test_nobody_reaches_the_keys_of_others(app: Flask, seeded: Seeded) -> None:
    dana = Browser(app)
    dana.enter("dana")
    before = states(app)
    page = dana.post("/keys/bulk", {"verb": "revoke", "key": [seeded.active, "key_unknown"]})
    assert "checkout worker" not in page.text
    assert "2 of those you chose are not there any more, or not yours." in words(page.text)
    for fields in ({"key": seeded.active}, {"every": "1", "owner": "everybody"}, {"every": "1"}):
        answer = dana.post("/keys/bulk/done", {"verb": "revoke", **fields, "typed": "revoke 1 key", **NOTED})
        assert answer.status_code == 422
        assert "None of the chosen keys is there" in words(answer.text)
    assert states(app) == before


@pytest.mark.parametrize("verb", ["suspend", "resume", "rotate", "transfer", "", "REVOKE"])
def test_verbs_that_are_not_for_one_are_none(app: Flask, ben: Browser, seeded: Seeded, verb: str) -> None:
    before = states(app)
    for path in ("/keys/bulk", "/keys/bulk/done"):
        answer = ben.post(path, {"verb": verb, "key": seeded.active, **NOTED})
        assert answer.status_code == 422
        assert "No key is chosen" in words(answer.text)
    assert states(app) == before
    assert "Suspend the chosen keys" not in words(ben.get("/keys").text)


def test_an_admin_suspends_and_resumes_everybodys(app: Flask, ada: Browser, seeded: Seeded) -> None:
    assert "Suspend the chosen keys" in words(ada.get("/keys?owner=everybody").text)
    review = ada.post("/keys/bulk", {"verb": "suspend", "every": "1", "owner": "everybody"})
    assert "Suspend 3 keys" in words(review.text)
    fields = {"verb": "suspend", "key": ticked(review.text), "typed": "suspend 3 keys", "note": "drill", "nonce": "s"}
    assert "3 suspended, 0 failed" in words(ada.post("/keys/bulk/done", fields).text)
    assert list(states(app).values()).count("suspended") == 3
    review = ada.post("/keys/bulk", {"verb": "resume", "every": "1", "owner": "everybody"})
    assert "Services accept these keys again" in words(review.text)
    assert "to confirm" not in words(review.text)
    done = ada.post("/keys/bulk/done", {"verb": "resume", "key": ticked(review.text), "nonce": "s"})
    assert "3 resumed, 0 failed" in words(done.text)
    assert states(app)[seeded.revoked] == "revoked"
    none = ada.post("/keys/bulk", {"verb": "resume", "key": seeded.active})
    assert "none of these keys can be resumed" in words(none.text)


def test_all_that_match_are_taken_up_to_five_hundred_and_the_answer_comes_in_parts(
    app: Flask, ben: Browser, seeded: Seeded
) -> None:
    multiply(app, seeded.expiring, 510)
    assert "that match" not in words(ben.get("/keys?q=copy").text)
    review = ben.post("/keys/bulk", {"verb": "revoke", "every": "1", "q": "copy", "sort": "name"})
    assert "Only the first 500 are taken" in words(review.text)
    chosen = ticked(review.text)
    assert len(chosen) == 500
    response = ben.client.post(
        "/keys/bulk/done", data={"csrf_token": ben.token, "verb": "revoke", "key": chosen, **NOTED}, buffered=False
    )
    parts = response.iter_encoded()
    begun = next(parts)
    assert begun.startswith(b"<!DOCTYPE html>")
    assert list(states(app).values()).count("revoked") < 500
    rest = b"".join(parts).decode()
    assert "500 revoked, 0 failed" in words(rest)
    assert list(states(app).values()).count("revoked") == 501
    assert "Content-Length" not in response.headers
