"""The list of keys: what is found, what an admin sees, what leaves it as a file, and what never reaches an address."""

import csv
import io
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from keymgr.store.keys import Credential, Key
from keymgr.store.policies import PolicyHead
from keymgr.store.standing import KeyStanding
from tests.web.house import Browser, Seeded, address_of

EVERYTHING = {"checkout worker", "ci smoke test", "nightly export", "shipping prototype"}


def words(text: str) -> str:
    return re.sub(r"\s+", " ", BeautifulSoup(text, "html.parser").get_text(" "))


def names(text: str) -> list[str]:
    return [link.text.strip() for link in BeautifulSoup(text, "html.parser").select("#rows .name")]


def one(text: str, selector: str) -> Tag:
    found = BeautifulSoup(text, "html.parser").select_one(selector)
    assert found, selector
    return found


def change(app: Flask, key_id: str, **values: object) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(update(Key).where(Key.id == key_id).values(**values))
    engine.dispose()


def multiply(app: Flask, key_id: str, count: int) -> None:
    """Add copies of a key as rows, because so many would not be granted."""
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        key = session.get_one(Key, key_id)
        credential = session.query(Credential).filter_by(key_id=key_id, state="current").one()
        columns = {column.key: getattr(key, column.key) for column in Key.__mapper__.column_attrs}
        secrets = {column.key: getattr(credential, column.key) for column in Credential.__mapper__.column_attrs}
        for number in range(count):
            copy = f"key_{number:026}"
            session.add(Key(**{**columns, "id": copy, "name": f"copy {number:03}", "last_used_at": None}))
            session.flush()
            unique = {"secret_digest": number.to_bytes(32), "status_index": 100_000 + number}
            session.add(Credential(**{**secrets, **unique, "id": f"crd_{number:026}", "key_id": copy}))
    engine.dispose()


@pytest.fixture
def ada(app: Flask) -> Browser:
    browser = Browser(app)
    browser.enter("ada")
    return browser


@pytest.fixture
def dana(app: Flask) -> Browser:
    browser = Browser(app)
    browser.enter("dana")
    return browser


def test_a_line_shows_use_as_a_number_with_a_drawing_and_the_place(ben: Browser) -> None:
    row = one(ben.get("/keys?q=checkout").text, "#rows tbody tr")
    assert re.search(r"\d,\d{3}", words(str(row)))
    assert "10.2.0.7" in words(str(row))
    drawing = row.select_one("svg.spark")
    assert drawing
    assert drawing["aria-hidden"] == "true"
    assert not one(ben.get("/keys?q=smoke").text, "#rows tbody tr").select("svg.spark")


def test_each_action_is_named_after_its_key(ben: Browser) -> None:
    page = BeautifulSoup(ben.get("/keys").text, "html.parser")
    actions = [re.sub(r"\s+", " ", link.text.strip()) for link in page.select(".acts a")]
    assert len(actions) == len(set(actions)) == 10
    assert {"Rotate checkout worker", "Revoke checkout worker", "Duplicate shipping prototype"} <= set(actions)
    assert "Revoke shipping prototype" not in actions
    ticks = [re.sub(r"\s+", " ", label.text.strip()) for label in page.select(".check label")]
    assert set(ticks) == {f"Choose {name}" for name in EVERYTHING}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("scope=charges:write", {"checkout worker", "nightly export"}),
        ("scope=charges", set()),
        ("scope=%25", set()),
        ("owner=user:ben", EVERYTHING),
        ("owner=svc:pay-ci", set()),
        ("unused=30", set()),
        ("unused=yes", EVERYTHING),
        ("status=Grace&scope=charges:read", {"nightly export"}),
        ("owner=everybody", set()),
    ],
)
def test_filters_narrow_and_nonsense_does_not(ben: Browser, query: str, found: set[str]) -> None:
    assert set(names(ben.get(f"/keys?{query}").text)) == found


def test_only_an_admin_may_choose_to_see_everybodys_keys(ada: Browser, dana: Browser) -> None:
    assert names(ada.get("/keys").text) == []
    page = ada.get("/keys?owner=everybody").text
    assert set(names(page)) == EVERYTHING
    assert "4 keys, everybody" in words(page)
    assert "/rotate" not in page
    assert names(dana.get("/keys?owner=everybody").text) == []
    assert "everybody" not in dana.get("/keys").text
    assert "checkout" not in dana.get("/keys.csv?owner=everybody").text


def test_a_page_says_where_it_is_and_keeps_what_was_chosen(app: Flask, ben: Browser, seeded: Seeded) -> None:
    multiply(app, seeded.expiring, 120)
    page = ben.get("/keys?q=copy&sort=name&page=2").text
    assert names(page)[0] == "copy 050"
    assert "Page 2 of 3" in words(page)
    for selector, number in (("#page-previous", "1"), ("#page-next", "3")):
        query = parse_qs(urlsplit(str(one(page, selector)["href"])).query)
        assert query == {"q": ["copy"], "sort": ["name"], "page": [number]}
    assert names(ben.get("/keys?q=copy&sort=name&page=3").text) == [f"copy {number:03}" for number in range(100, 120)]
    last = one(ben.get("/keys?q=copy&sort=name&page=3").text, "#page-next")
    assert last["aria-disabled"] == "true"
    assert not last.has_attr("href")
    assert "All 120 that match" in words(page)


def test_no_match_echoes_the_search_and_leads_out(ben: Browser) -> None:
    page = ben.get("/keys?q=zebra&status=Revoked").text
    assert "No key matches “zebra”" in words(page)
    every = next(link for link in BeautifulSoup(page, "html.parser").select("#rows a") if "all statuses" in link.text)
    assert every["href"] == "/keys?q=zebra"


def test_an_empty_list_says_which_services_the_policy_has_for_one(dana: Browser) -> None:
    page = one(dana.get("/keys").text, "#rows")
    assert "The policy has something for you on" in words(str(page))
    link = page.select_one("a[href*='/keys/new?service=']")
    assert link
    assert link.text in dana.get(str(link["href"])).text


def test_a_whole_key_never_stays_in_the_search(ben: Browser) -> None:
    order = {"name": "leaky", "service": "payments", "environment": "dev", "scope": "charges:read", "nonce": "l-1"}
    token = one(ben.post("/keys", order).text, "#token").text.strip()
    opaque = "km_dev_01jd0000000000000000000000_" + "S" * 43 + "abcdef"
    for secret in (token, opaque, "kms_" + opaque[7:]):
        page = ben.client.get("/keys", query_string={"q": secret})
        assert secret[:60] not in page.text
        assert "S" * 10 not in page.text
        assert "Identify a key" in words(page.text)
        assert "was not searched for" in words(page.text)
    field = one(ben.get("/keys").text, "#q")
    assert field["maxlength"] == "80"
    pattern = re.compile(str(field["pattern"]))
    assert not pattern.fullmatch(token[:80])
    assert not pattern.fullmatch(opaque[:80])
    for text in ("", "checkout", "key_01jd", "km_dev_01jd0000000000000000000000", "eye"):
        assert pattern.fullmatch(text), text


@pytest.mark.parametrize(
    "query", ["q=%00", "q=\ud83d\ude80", "page=9e9", "sort=[]", "scope=" + "x" * 900, "q=%E2%80%AE"]
)
def test_hostile_addresses_are_inert(ben: Browser, query: str) -> None:
    assert ben.client.get("/keys?" + query.encode("utf-8", "surrogatepass").decode("latin-1")).status_code in {200, 400}


NASTY = ("<img src=x onerror=alert(1)>", "{{7*7}}", "=cmd|' /C calc'!A0", "x" * 100, "🗝️ \u202eyek")


@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
def test_names_are_inert_in_the_list_the_review_and_the_file(
    app: Flask, ben: Browser, seeded: Seeded, name: str
) -> None:
    change(app, seeded.active, name=name)
    review = ben.post("/keys/bulk", {"verb": "revoke", "key": seeded.active})
    for page in (ben.get("/keys").text, review.text):
        assert "<img src=x" not in page
        assert name.replace("\u202e", "") in [
            link.text for link in BeautifulSoup(page, "html.parser").select("#main .name")
        ]
    rows = list(csv.DictReader(io.StringIO(ben.get("/keys.csv").text)))
    assert ("'" + name if name.startswith("=") else name) in {row["name"] for row in rows}


def test_the_file_holds_all_pages_of_the_same_list(app: Flask, ben: Browser, seeded: Seeded) -> None:
    multiply(app, seeded.expiring, 60)
    response = ben.get("/keys.csv?q=copy&sort=name&direction=desc&page=2")
    assert response.mimetype == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["name"] for row in rows] == [f"copy {number:03}" for number in range(59, -1, -1)]
    row = next(csv.DictReader(io.StringIO(ben.get("/keys.csv?q=checkout").text)))
    assert (row["owner"], row["scopes"], row["status"]) == ("user:ben", "charges:read charges:write", "Active")
    assert int(row["calls in 7 days"]) > 1000
    assert row["last used"].endswith("+00:00")
    link = one(ben.get("/keys?q=copy").text, "a[download]")
    assert link["href"] == "/keys.csv?q=copy"


def test_the_same_wish_again_starts_from_the_key_that_is_there(app: Flask, ben: Browser, seeded: Seeded) -> None:
    change(app, seeded.active, cidrs=["10.0.0.0/8"], name="n" * 100)
    answer = ben.get(f"/keys/{seeded.active}/duplicate")
    assert answer.status_code == 303
    query = parse_qs(urlsplit(answer.location).query)
    assert query["scope"] == ["charges:read", "charges:write"]
    assert (query["owner"], query["cidrs"], query["lifetime"]) == (["user:ben"], ["10.0.0.0/8"], [str(30 * 86_400)])
    assert query["name"] == ["n" * 95 + " copy"]
    form = ben.get(answer.location).text
    assert one(form, "#name")["value"] == "n" * 95 + " copy"
    assert len(BeautifulSoup(form, "html.parser").select("input[name=scope][checked]")) == 2


def test_an_admin_asks_for_a_copy_in_their_own_name(ada: Browser, seeded: Seeded) -> None:
    query = parse_qs(urlsplit(ada.get(f"/keys/{seeded.active}/duplicate").location).query)
    assert "owner" not in query
    assert query["service"] == ["payments"]


def test_without_a_policy_the_list_still_works(app: Flask, ben: Browser) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(delete(KeyStanding))
        session.execute(delete(PolicyHead))
    engine.dispose()
    assert set(names(ben.get("/keys").text)) == EVERYTHING
