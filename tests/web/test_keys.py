"""The list, the page of one key, rotating, revoking, requests and the other pages."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from tests.web.house import Browser, Seeded, set_expiry


def words(text: str) -> str:
    return re.sub(r"\s+", " ", BeautifulSoup(text, "html.parser").get_text(" "))


def names(text: str) -> list[str]:
    return [link.text.strip() for link in BeautifulSoup(text, "html.parser").select("#rows .name")]


def test_the_list_shows_each_key_with_its_status(ben: Browser) -> None:
    page = ben.get("/keys").text
    assert set(names(page)) == {"checkout worker", "ci smoke test", "nightly export", "shipping prototype"}
    for word in ("Active", "Expiring", "Grace", "Revoked", "never", "min ago"):
        assert word in words(page)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=smoke", ["ci smoke test"]),
        ("status=Revoked", ["shipping prototype"]),
        ("status=nonsense&q=smoke", ["ci smoke test"]),
        ("environment=prod", []),
        ("service=payments&q=night", ["nightly export"]),
        ("sort=name&direction=desc&q=export", ["nightly export"]),
        ("page=999&q=smoke", ["ci smoke test"]),
        ("page=-1&q=smoke", ["ci smoke test"]),
        ("page=%C2%B2&q=smoke", ["ci smoke test"]),
    ],
)
def test_search_and_filters_are_in_the_address(ben: Browser, query: str, found: list[str]) -> None:
    assert names(ben.get(f"/keys?{query}").text) == found


def test_sorting_says_so_to_everybody(ben: Browser) -> None:
    page = BeautifulSoup(ben.get("/keys?sort=name").text, "html.parser")
    heading = page.select_one("th[aria-sort=ascending]")
    assert heading
    assert heading.text.strip().startswith("Name")
    link = heading.select_one("a")
    assert link
    assert "direction=desc" in str(link["href"])
    ordered = names(ben.get("/keys?sort=name").text)
    assert ordered == sorted(ordered)
    assert names(ben.get("/keys?sort=name&direction=desc").text) == ordered[::-1]


def test_no_match_names_the_search_and_offers_to_clear_it(ben: Browser) -> None:
    page = words(ben.get("/keys?q=zebra").text)
    assert "No key matches “zebra”" in page
    assert "Clear search" in page


def test_a_pasted_key_is_cut_before_it_is_one(ben: Browser) -> None:
    page = BeautifulSoup(ben.get("/keys").text, "html.parser")
    field = page.select_one("input#q")
    assert field
    assert field["maxlength"] == "80"
    assert "x" * 81 not in ben.get("/keys?q=" + "x" * 400).text


def test_somebody_without_keys_is_told_what_to_do(app: Flask) -> None:
    dana = Browser(app)
    dana.enter("dana")
    assert "You have no keys yet" in dana.get("/keys").text
    assert "Nothing needs you." in dana.get("/").text


def test_the_page_of_a_key_says_how_it_stands_why_and_what_happened(ben: Browser, seeded: Seeded) -> None:
    page = words(ben.get(f"/keys/{seeded.active}").text)
    assert "It works until it expires on" in page
    assert re.search(r"last used \d+ min ago from 10\.2\.0\.7", page)
    assert "The rule payments-dev granted it to ben" in page
    assert "The policy in force allows it" in page
    assert re.search(r"policies/rules/payments\.yaml:\d+ @ 4f2c1ab", page)
    assert "ben created this key" in page
    assert "600 calls an hour" in page


def test_a_rotated_key_shows_both_secrets(ben: Browser, seeded: Seeded) -> None:
    page = words(ben.get(f"/keys/{seeded.grace}").text)
    assert "The old secret works until" in page
    assert "Current" in page
    assert "Retiring" in page
    assert "The old secret works until" in words(ben.get("/").text)


def test_a_revoked_key_says_by_whom_and_why_and_offers_nothing(ben: Browser, seeded: Seeded) -> None:
    text = ben.get(f"/keys/{seeded.revoked}").text
    assert "It was revoked by ben" in words(text)
    assert "leaked" in words(text)
    assert f"/keys/{seeded.revoked}/rotate" not in text
    assert "already revoked" in words(ben.get(f"/keys/{seeded.revoked}/revoke").text)
    assert "cannot be rotated" in words(ben.get(f"/keys/{seeded.revoked}/rotate").text)
    assert ben.post(f"/keys/{seeded.revoked}/rotate", {"overlap": "0", "nonce": "z"}).status_code == 409
    answer = ben.post(
        f"/keys/{seeded.revoked}/revoke", {"reason": "other", "nonce": "z", "typed": "shipping prototype"}
    )
    assert answer.status_code == 409


def test_an_expired_key_says_since_when(app: Flask, ben: Browser, seeded: Seeded) -> None:
    set_expiry(app, seeded.expiring, datetime.now(UTC) - timedelta(hours=3))
    assert "It stopped working on" in words(ben.get(f"/keys/{seeded.expiring}").text)
    assert "cannot be rotated" in words(ben.get(f"/keys/{seeded.expiring}/rotate").text)


def test_rotating_shows_a_new_secret_once(ben: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.active}/rotate"
    assert "How long should the old secret go on working?" in ben.get(path).text
    first = ben.post(path, {"overlap": "3600", "nonce": "r-1"})
    assert "The new secret of “checkout worker” is ready" in words(first.text)
    again = ben.post(path, {"overlap": "3600", "nonce": "r-1"})
    assert "already done" in words(again.text)
    assert "eyJ" not in again.text
    assert "An older secret still works" in words(ben.get(path).text)


@pytest.mark.parametrize("overlap", ["", "-1", "x", "9" * 12, "1.5"])
def test_a_rotation_needs_a_length_of_time(ben: Browser, seeded: Seeded, overlap: str) -> None:
    assert ben.post(f"/keys/{seeded.active}/rotate", {"overlap": overlap, "nonce": "r"}).status_code == 422


def test_a_rotation_longer_than_the_rule_allows_is_refused(ben: Browser, seeded: Seeded) -> None:
    response = ben.post(f"/keys/{seeded.active}/rotate", {"overlap": "99999999", "nonce": "r"})
    assert response.status_code == 409
    assert "There is a problem" in response.text


def test_revoking_a_key_in_use_asks_for_its_name(ben: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.active}/revoke"
    page = ben.get(path).text
    assert "called 8" in words(page)
    assert 'name="typed"' in page
    wrong = ben.post(path, {"reason": "leaked", "nonce": "v", "typed": "something"})
    assert wrong.status_code == 422
    assert "Type the name of the key" in wrong.text
    done = ben.post(path, {"reason": "leaked", "nonce": "v", "typed": " Checkout Worker "})
    assert done.status_code == 303
    page = words(ben.get(done.location).text)
    assert "The key “checkout worker” is revoked." in page
    assert "Revoked" in page


def test_revoking_a_key_that_was_never_used_takes_one_click(ben: Browser, seeded: Seeded) -> None:
    path = f"/keys/{seeded.expiring}/revoke"
    page = ben.get(path).text
    assert "never used" in page
    assert 'name="typed"' not in page
    assert ben.post(path, {"nonce": "v"}).status_code == 422
    assert ben.post(path, {"reason": "not_needed", "note": "moved", "nonce": "v"}, htmx=True).headers["HX-Redirect"]
    assert "not needed, “moved”" in words(ben.get(f"/keys/{seeded.expiring}").text)
    assert ben.post(path, {"reason": "not_needed", "nonce": "v"}).status_code == 303


def test_a_waiting_request_can_be_withdrawn_once(ben: Browser, seeded: Seeded) -> None:
    assert "Waiting" in words(ben.get("/requests").text)
    assert "Your requests" in words(ben.get("/").text)
    path = f"/requests/{seeded.waiting}/withdraw"
    assert ben.post(path, {"nonce": "w"}).status_code == 303
    assert "Withdrawn" in words(ben.get("/requests").text)
    assert ben.post(path, {"nonce": "w"}).status_code == 303
    assert ben.post(path, {"nonce": "w2"}).status_code == 409


def test_replacing_an_expiring_key_prefills_the_form(ben: Browser) -> None:
    link = BeautifulSoup(ben.get("/").text, "html.parser").select_one("#main a[href*='/keys/new?']")
    assert link
    page = ben.get(str(link["href"])).text
    assert 'value="ci smoke test"' in page
    assert "You get this key at once" in words(page)


def test_the_policy_page_says_what_is_in_force_and_where_it_is_written(ben: Browser) -> None:
    page = ben.get("/policy").text
    assert "4f2c1ab09d3e" in page
    assert "cleo@example.org" in page
    said = words(page)
    assert "Team payments may hold charges:read and charges:write on payments in dev and staging, at once" in said
    assert "https://forge.example/acme/policy/blob/4f2c1ab09d3e5f67/policies/guardrails/org.yaml#L" in page


def test_my_page_says_who_i_am_and_keeps_my_colours(ben: Browser) -> None:
    page = words(ben.get("/me").text)
    assert "user:ben" in page
    assert "payments" in page
    assert "this browser" in page
    for chosen, marked in (("dark", True), ("light", True), ("system", False), ("nonsense", False)):
        ben.post("/me/theme", {"theme": chosen})
        assert (f'data-theme="{chosen}"' in ben.get("/me").text) is marked


def test_navigation_marks_where_one_is(ben: Browser, seeded: Seeded) -> None:
    for path, label in (("/keys", "My keys"), (f"/keys/{seeded.active}", "My keys"), ("/policy", "Policy")):
        current = BeautifulSoup(ben.get(path).text, "html.parser").select("nav[aria-label=Main] [aria-current=page]")
        assert [link.text.strip() for link in current] == [label]
