"""The census: every route, method and role has a line in census.txt, and answers what the line says.

A new route without a line fails here, and so does a line without a route. Statuses are for a form sent with nothing
but its token, so a 422 says "you may, but you left something out", and a 404 "there is no such thing for you".
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.web.house import Browser, Seeded

CENSUS = Path(__file__).with_name("census.txt")
ROLES = ("stranger", "owner", "other", "admin")
PEOPLE = {"owner": "ben", "other": "dana", "admin": "ada"}
SHORT_CUTS = {("POST", "/api/v1/verify"), ("GET", "/gateway/check"), ("POST", "/gateway/check")}

ARGUMENTS = {
    "<account>": "pay-ci",
    "<credential>": "svc_none",
    "<kid>": "none",
    "<name>": "finn",
    "<digest>": "000000000000",
    "<handle>": "0123456789abcdef",
    "<path:name>": "keymgr.css",
    "<int:number>": "1",
    "<override_id>": "ovr_none",
    "<page>": "verify",
    "<report>": "expiring",
    "<role>": "developer",
    "<rule>": "payments-dev",
    "<service>": "payments",
}


def lines() -> dict[tuple[str, str], tuple[int, ...]]:
    rows = [line.split() for line in CENSUS.read_text().splitlines() if line and not line.startswith("#")]
    return {(row[0], row[1]): tuple(int(status) for status in row[2:]) for row in rows}


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Every method of every route; `api.nothing` is the machine door's 404 and stands for all that is not there."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "api.nothing":
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, rule.rule


def test_the_census_names_every_route_and_no_other(app: Flask) -> None:
    assert set(routes(app)) | SHORT_CUTS == set(lines())


def path_of(rule: str, seeded: Seeded) -> str:
    named = rule.replace("<key_id>", seeded.active).replace("<request_id>", seeded.waiting)
    for argument, name in ARGUMENTS.items():
        named = named.replace(argument, name)
    return named


@pytest.mark.parametrize("role", ROLES)
def test_every_route_answers_every_role_as_the_census_says(app: Flask, seeded: Seeded, role: str) -> None:
    found, written = {}, {}
    for (method, rule), statuses in lines().items():
        browser = Browser(app)
        if role in PEOPLE:
            browser.enter(PEOPLE[role])
        else:
            browser.get("/login")
        path = path_of(rule, seeded)
        response = browser.get(path) if method == "GET" else browser.post(path)
        found[f"{method} {rule}"] = response.status_code
        written[f"{method} {rule}"] = statuses[ROLES.index(role)]
    assert found == written


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_no_other_method_is_answered(app: Flask, seeded: Seeded, method: str) -> None:
    browser = Browser(app)
    browser.enter("ada")
    for rule in {rule for _, rule in routes(app)}:
        status = browser.client.open(path_of(rule, seeded), method=method).status_code
        assert status in {400, 403, 404, 405}, (method, rule, status)
