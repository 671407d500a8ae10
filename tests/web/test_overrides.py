"""The emergency override in the portal: named people stop issuing, whoever is touched reads why, and it is lifted."""

import re

import pytest
from flask import Flask

from tests.web.house import Browser, put_in_force
from tests.web.test_policy import person

FIELDS = {"target": ["scope:payments/charges:read"], "reason": ["Keys leaked in a build log."], "hours": ["24"]}
WORDS = "No new keys for the scope charges:read of payments until"

EMERGENCY = """
---
apiVersion: keymgr/v1
kind: ApprovalPolicy
metadata: {name: emergency, owner: security}
spec: {steps: [{name: security, from: {teams: [security]}}], break_glass: [cleo]}
"""


def stop(browser: Browser, **changed: str) -> int:
    browser.get("/policy/overrides")
    fields = FIELDS | {name: [value] for name, value in changed.items()}
    return browser.post("/policy/overrides", fields).status_code


def test_whoever_is_touched_and_overseers_read_it_on_every_page(app: Flask) -> None:
    assert stop(person(app, "ada")) == 303
    for name, sees in (("ada", True), ("eli", True), ("ben", True), ("dana", False), ("finn", False)):
        browser = person(app, name)
        for path in ("/", "/keys", "/me", "/policy/matrix"):
            assert (WORDS in browser.get(path).text) is sees, (name, path)
        assert "The scope charges:read of payments" in browser.get("/policy").text


def test_a_team_is_told_when_it_is_stopped(app: Flask) -> None:
    assert stop(person(app, "ada"), target="team:shipping") == 303
    assert "No new keys for the team shipping" in person(app, "finn").get("/").text
    assert "No new keys for the team shipping" not in person(app, "ben").get("/").text


def test_asking_is_closed_with_the_reason_in_panel_and_answer(app: Flask) -> None:
    stop(person(app, "ada"))
    ben = person(app, "ben")
    asked = "service=payments&environment=dev&scope=charges:read"
    sentence = "Issuing is stopped for the scope charges:read of payments until"
    assert sentence in ben.get(f"/keys/new?{asked}").text
    assert sentence in ben.get(f"/policy/what-if?{asked}").text
    ben.get("/keys/new")
    fields = {"name": "mine", "service": "payments", "environment": "dev", "scope": ["charges:read"]}
    response = ben.post("/keys", fields)
    assert response.status_code == 409
    assert sentence in response.text
    assert "You get this key at once." in ben.get("/keys/new?service=payments&environment=dev&scope=charges:write").text


def test_it_is_lifted_early_and_the_story_stays(app: Flask) -> None:
    ada = person(app, "ada")
    stop(ada)
    page = ada.get("/policy/overrides").text
    found = re.search(r'action="(/policy/overrides/ovr_[^"]+/lift)"', page)
    assert found is not None
    assert person(app, "ben").post(found.group(1)).status_code == 404
    assert ada.post(found.group(1)).status_code == 303
    after = ada.get("/policy/overrides").text
    assert "The override is lifted." in after
    assert "lifted by ada" in after
    assert "Nothing is stopped." in after
    ada.post(found.group(1))
    assert "is over already" in ada.get("/policy/overrides").text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("target", "", "Choose what to stop"),
        ("target", "service:nothing", "has no service of this name"),
        ("reason", "x", "Say why in a sentence"),
        ("hours", "73", "Choose between 1 and 72 hours"),
        ("hours", "zebra", "Choose between 1 and 72 hours"),
    ],
)
def test_problems_are_linked_to_their_fields_and_nothing_is_lost(
    app: Flask, field: str, value: str, sentence: str
) -> None:
    ada = person(app, "ada")
    ada.get("/policy/overrides")
    response = ada.post("/policy/overrides", FIELDS | {field: [value]})
    assert response.status_code == 422
    assert sentence in response.text
    assert f'<a href="#{field}">' in response.text
    assert "Error: Emergency overrides" in response.text
    if field != "reason":
        assert "Keys leaked in a build log." in response.text


def test_nobody_else_may_until_the_policy_names_them(app: Flask, portal_url: str) -> None:
    cleo = person(app, "cleo")
    assert stop(cleo) == 403
    assert "Stop issuing" not in cleo.get("/policy/overrides").text
    known = "spec: {title: Analyst, teams: [analytics]}"
    put_in_force(portal_url, change=(known, known + EMERGENCY))
    assert stop(person(app, "cleo")) == 303
    assert stop(person(app, "ben")) == 403


def test_the_same_form_twice_stops_once(app: Flask) -> None:
    ada = person(app, "ada")
    page = ada.get("/policy/overrides").text
    nonce = re.search(r'name="nonce" value="([^"]+)"', page)
    assert nonce is not None
    fields = FIELDS | {"nonce": [nonce.group(1)]}
    assert [ada.post("/policy/overrides", fields).status_code for _ in range(2)] == [303, 303]
    assert ada.get("/policy/overrides").text.count("/lift") == 1
