"""Who can get what: every cell says what its explanation says, and the file runs in no spreadsheet."""

import csv
import io
import re
from html import unescape

import pytest
from flask import Flask

from keymgr.web.spreadsheet import as_text
from tests.web.house import Browser

CELL = re.compile(r'<td>\s*<a class="([^"]*)" href="([^"]+)">(.*?)</a>', re.DOTALL)
ANSWERS = {"granted": "You get this key at once.", "pending": "This needs approval before you get the key."}


def disagreeing(browser: Browser, service: str, environment: str) -> list[str]:
    """The cells whose explanation says something else."""
    page = browser.get(f"/policy/matrix?service={service}&environment={environment}").text
    cells = CELL.findall(page)
    assert cells
    found = []
    for classes, url, text in cells:
        answer = browser.get(unescape(url)).text
        wanted = None if "none" in text else "pending" if "wait" in classes else "granted"
        said = next((word for word, sentence in ANSWERS.items() if sentence in answer), None)
        if said != wanted:
            found.append(url)
    return found


@pytest.mark.parametrize("service", ["payments", "shipping", "reports", "ledger"])
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_each_cell_leads_to_an_explanation_that_agrees(ben: Browser, service: str, environment: str) -> None:
    assert disagreeing(ben, service, environment) == []


def test_the_header_stays_in_a_scroller_that_takes_the_focus(ben: Browser) -> None:
    page = ben.get("/policy/matrix?service=payments&environment=prod").text
    assert re.search(r'class="scroller matrix-scroller"\s+tabindex="0"\s+role="region"\s+aria-label=', page)
    assert '<th scope="row">' in page
    assert '<th scope="col">' in page


def test_one_row_can_be_picked_and_is_a_list(ben: Browser) -> None:
    page = ben.get("/policy/matrix?service=payments&environment=prod&who=payments.user").text
    assert "matrix-list picked" in page
    assert "<table" not in page
    assert "matrix-scroller" not in page


def test_unknown_names_show_what_there_is(ben: Browser) -> None:
    assert ben.get("/policy/matrix?service=nothing&environment=mars&who=nobody").status_code == 200


def test_the_file_has_a_line_for_each_cell(ben: Browser) -> None:
    response = ben.get("/policy/matrix.csv?service=payments&environment=prod")
    assert response.mimetype == "text/csv"
    assert response.headers["Content-Disposition"] == 'attachment; filename="matrix-payments-prod.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert {row["scope"] for row in rows} == {"charges:read", "charges:write", "refunds:write", "payouts:admin"}
    assert {row["answer"] for row in rows} == {"needs approval", "none"}
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\tx", "\rx", "\nx"])
def test_what_a_spreadsheet_would_run_is_made_text(text: str) -> None:
    assert as_text(text) == "'" + text


def test_whom_a_waiver_names_is_shown_to_overseers_and_to_themselves(app: Flask) -> None:
    for name, sees in (("ada", True), ("dana", True), ("ben", False)):
        browser = Browser(app)
        browser.enter(name)
        page = browser.get("/policy/matrix?service=reports&environment=dev").text
        file = browser.get("/policy/matrix.csv?service=reports&environment=dev").text
        assert [("user:dana" in text) for text in (page, file)] == [sees, sees], name
        if sees:
            assert disagreeing(browser, "reports", "dev") == [], name
