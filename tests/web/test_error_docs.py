"""Where the `type` of a problem leads."""

from flask import Flask

from keymgr.api.problem import ProblemCode
from keymgr.tokens.verdicts import VerdictCode
from tests.web.house import Browser


def test_every_code_has_a_page_that_needs_no_sign_in(app: Flask) -> None:
    stranger = Browser(app)
    for code in (*VerdictCode, *ProblemCode):
        response = stranger.get(f"/docs/errors/{code}")
        assert (response.status_code, f"<code>{code}</code>" in response.text) == (200, True)


def test_the_list_names_them_all_and_an_unknown_one_is_not_there(ben: Browser) -> None:
    page = ben.get("/docs/errors").text
    assert all(f'id="{code}"' in page for code in (*VerdictCode, *ProblemCode))
    assert "`" not in page
    assert ben.get("/docs/errors/nonsense").status_code == 404


def test_a_problem_of_the_machines_door_leads_to_its_page(app: Flask) -> None:
    stranger = Browser(app)
    problem = stranger.get("/api/v2/nothing").get_json()
    path = problem["type"].removeprefix("http://localhost")
    assert stranger.get(path).status_code == 200
