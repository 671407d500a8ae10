"""What if: the same answer as asking, for whoever may be asked about, and beside another policy."""

import pytest
from flask import Flask

from tests.web.house import Browser, put_in_force
from tests.web.test_policy import LONGER, person

PROD = "service=payments&environment=prod&scope=charges:read"
MADE_UP = {
    "as": ["group"],
    "team": ["analytics"],
    "service": ["payments"],
    "environment": ["prod"],
    "scope": ["charges:read"],
}
FOR_ANALYTICS = """apiVersion: keymgr/v1
kind: IssuanceRule
metadata: {name: payments-prod-read, owner: payments, description: Looking into real charges}
spec:
  subjects: {teams: [payments, analytics]}
  grants: {service: payments, environments: [prod], scopes: ["charges:read"]}
  limits: {max_ttl: 30d, default_ttl: 7d, max_keys_per_owner: 2}
  approval: lead-approval
"""


def test_my_own_answer_is_the_one_of_the_form(ben: Browser) -> None:
    page = ben.get(f"/policy/what-if?{PROD}").text
    assert "This needs approval before you get the key." in page
    assert "This needs approval before you get the key." in ben.get(f"/keys/new?{PROD}").text
    assert "As you stand: payments; developer." in page


def test_a_made_up_owner_gets_the_roles_of_its_teams(ben: Browser) -> None:
    page = ben.get("/policy/what-if?as=group&team=shipping&service=shipping&environment=prod&scope=parcels:read").text
    assert "“You” is a made-up person: shipping; developer." in page
    assert "You get this key at once." in page


def test_every_rule_of_the_service_is_traced(ben: Browser) -> None:
    page = ben.get(f"/policy/what-if?{PROD}").text
    for rule in ("payments-prod-read", "payments-prod-write", "payments-dev", "payouts-oncall"):
        assert f"<strong>{rule}</strong>" in page
    assert "decides" in page
    assert "not met" in page
    assert "prod-ceilings" in page
    assert "rules speak of other services" in page


def test_facts_and_networks_count(ben: Browser) -> None:
    asked = "as=group&team=payments&role=payments-oncall&service=payments&environment=prod&scope=payouts:admin"
    asked += "&lifetime=3600&cidrs=10.20.9.0/28"
    assert "This needs approval" not in ben.get(f"/policy/what-if?{asked}").text
    assert "This needs approval" in ben.get(f"/policy/what-if?{asked}&fact.issuance.source_ip=10.1.1.1").text


@pytest.mark.parametrize(
    ("name", "asked", "status"),
    [
        ("ada", "ben", 200),
        ("cleo", "user:ben", 200),
        ("eli", "svc:pay-ci", 200),
        ("ben", "svc:pay-ci", 200),
        ("ben", "cleo", 422),
        ("dana", "svc:pay-ci", 422),
        ("dana", "nobody-at-all", 422),
        ("ada", "nobody-at-all", 422),
    ],
)
def test_only_overseers_ask_about_others_by_name(app: Flask, name: str, asked: str, status: int) -> None:
    response = person(app, name).get(f"/policy/what-if?as=person&person={asked}&{PROD}")
    assert response.status_code == status
    assert ("There is nobody of this name" in response.text) is (status == 422)
    assert ("The answer stays" in response.text) is False


def test_a_lifetime_that_is_none_is_a_problem(ben: Browser) -> None:
    response = ben.get(f"/policy/what-if?{PROD}&lifetime=zebra")
    assert response.status_code == 422
    assert "Choose a lifetime from the list." in response.text


def test_another_revision_answers_beside_the_one_in_force(app: Flask, portal_url: str) -> None:
    put_in_force(portal_url, change=LONGER)
    ben = person(app, "ben")
    asked = "service=payments&environment=dev&scope=refunds:write&lifetime=1728000&against=1"
    page = ben.get(f"/policy/what-if?{asked}").text
    assert "This answer changes from “needs approval” to “not allowed” with revision 1." in page
    same = ben.get("/policy/what-if?service=payments&environment=dev&scope=charges:read&against=1").text
    assert "The answer stays “granted at once” with revision 1." in same


@pytest.mark.parametrize("against", ["7", "zebra", "99999999999"])
def test_a_revision_that_is_not_there_is_a_problem(ben: Browser, against: str) -> None:
    assert ben.get(f"/policy/what-if?{PROD}&against={against}").status_code == 422


def test_pasted_yaml_takes_the_place_of_what_has_its_name(ben: Browser) -> None:
    ben.get(f"/policy/what-if?{PROD}")
    response = ben.post("/policy/what-if", {**MADE_UP, "yaml": [FOR_ANALYTICS]})
    assert response.status_code == 200
    assert "This answer changes from “not allowed” to “needs approval” with the pasted text." in response.text
    assert "pasted text, line 1" in response.text
    assert "IssuanceRule" not in ben.get("/policy").text
    assert "team analytics and team payments may hold charges:read" not in ben.get("/policy").text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Paste at least one document."),
        ("a: [", "Line 1:"),
        (FOR_ANALYTICS.replace("teams: [payments, analytics]", "teams: [nobody]"), "Line 5:"),
        ("#" * 70_000, "Paste at most 64 KiB; this is 68 KiB."),
        (FOR_ANALYTICS.replace("kind: IssuanceRule", "kind: Issuance"), "Line 2:"),
    ],
)
def test_pasted_text_that_is_no_policy_is_a_located_problem(ben: Browser, text: str, sentence: str) -> None:
    ben.get(f"/policy/what-if?{PROD}")
    response = ben.post("/policy/what-if", {**MADE_UP, "yaml": [text]})
    assert response.status_code == 422
    assert sentence in response.text


def test_the_token_of_the_form_is_in_no_address(ben: Browser) -> None:
    page = ben.get(f"/policy/what-if?{PROD}").text
    first = page[page.index('action="/policy/what-if"') :]
    assert "csrf_token" not in first[: first.index("</form>")]


def test_an_empty_form_says_what_to_do(ben: Browser) -> None:
    assert "Choose a service and at least one scope" in ben.get("/policy/what-if").text
