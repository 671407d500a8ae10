"""The audit explorer: who may look, what each filter shows, sentences for every action, files that are safe to open."""

import ast
import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent
from keymgr.store.keys import Key, SigningKeyState
from keymgr.store.people import Person
from keymgr.web import audit_file
from keymgr.web.audit_words import DONE, KINDS, REFUSED, phrase
from tests.web.house import ROOT, Browser, Seeded

WORD = re.compile(r"[a-z_]+\.[a-z_]+")
HOSTILE = [
    '<img src=x onerror="alert(1)">',
    "{{ 7 * 7 }}",
    "=HYPERLINK(1)",
    "@sum(a1)",
    "-1+1",
    "+1",
    "\tx",
    "x\u202egnp",
    "\U0001f511" * 100,
]


@pytest.fixture
def ada(app: Flask) -> Browser:
    browser = Browser(app)
    browser.enter("ada")
    return browser


def tell(app: Flask, count: int = 1, **facts: Any) -> None:  # noqa: ANN401 - columns of an event.
    told = {"actor": "user:ben", "action": "key.issued", "object_kind": "key", "object_id": "key_x", "outcome": "done"}
    at = datetime.now(UTC)
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        session.add_all(AuditEvent(**{**told, "at": at, "detail": {"name": f"job {n}"}, **facts}) for n in range(count))


def sentences(browser: Browser, query: str = "") -> list[str]:
    page = BeautifulSoup(browser.get(f"/audit{query}").text, "html.parser")
    return [" ".join(line.get_text().split()) for line in page.select(".trail > li > p:first-child")]


def constants(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value):
            yield node.value


def told_by(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a piece of code that say what an event's action is."""
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).rpartition(".")[2].lower()
        yield from node.args if any(part in name for part in ("event", "tell", "changed")) else ()
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "action")
    elif isinstance(node, ast.Dict):
        yield from (
            value for key, value in zip(node.keys, node.values, strict=True) if key and "'action'" in ast.unparse(key)
        )
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (node.value for target in targets if ast.unparse(target).lower().endswith("action"))


def written() -> set[str]:
    """Every action that the code writes into the trail; in the rooms of verbs, whatever looks like one."""
    trees = {file: ast.parse(file.read_text()) for file in (ROOT / "keymgr").rglob("*.py")}
    told = {
        word for tree in trees.values() for node in ast.walk(tree) for part in told_by(node) for word in constants(part)
    }
    kinds = {word.partition(".")[0] for word in told}
    verbs = {word for file, tree in trees.items() if file.parent.name in {"keys", "people"} for word in constants(tree)}
    return (
        told
        | {word for word in verbs if word.partition(".")[0] in kinds}
        | {f"signing_key.{state}" for state in SigningKeyState}
    )


def test_every_action_that_is_written_has_its_words() -> None:
    found = written()
    assert len(found) > 40
    assert sorted(found - DONE.keys() - REFUSED.keys()) == []


def test_no_action_has_words_that_nobody_writes() -> None:
    assert sorted((DONE.keys() | REFUSED.keys()) - written()) == []


@pytest.mark.parametrize(("name", "status"), [("ada", 200), ("eli", 200), ("ben", 403), ("cleo", 403)])
def test_only_auditors_and_admins_may_look(app: Flask, name: str, status: int) -> None:
    browser = Browser(app)
    browser.enter(name)
    page = browser.get("/audit")
    assert page.status_code == status
    assert ('href="/audit"' in browser.get("/").text) is (status == 200)
    if status == 403:
        assert "portal permission “auditor”" in unescape(page.text)
        assert "portal-auditor (roles/portal.yaml:" in page.text
        assert browser.post("/audit/export", {"format": "csv"}).status_code == 403


def test_what_happened_is_told_in_sentences(ada: Browser) -> None:
    told = sentences(ada)
    assert "Ben Brandt revoked shipping prototype: leaked" in told
    assert "Ben Brandt asked for approval of refund desk" in told
    assert "Ben Brandt rotated nightly export" in told
    assert not [sentence for sentence in told if "did “" in sentence]


def test_a_line_opens_to_everything_the_entry_holds(ada: Browser, seeded: Seeded) -> None:
    page = ada.get("/audit?action=key.revoked").text
    facts = unescape(page)
    for text in (
        "key.revoked",
        f"key {seeded.revoked}",
        "127.0.0.1",
        "a browser",
        "req-seed",
        "This trail is not sealed yet",
    ):
        assert text in facts
    assert f'href="/keys/{seeded.revoked}"' in page
    assert 'href="/audit?request=req-seed"' in page
    rotated = ada.get(f"/audit?key={seeded.grace}").text
    assert 'href="/policy/revisions/1"' in rotated
    assert "commit 4f2c1ab09d3e5f67" in rotated


def test_a_change_shows_before_and_after(app: Flask, ada: Browser) -> None:
    detail = {
        "from": "active",
        "to": "left",
        "reason": "moved on",
        "list": ["a", "b"],
        "deep": {"x": [1]},
        "yes": True,
        "n": 3,
    }
    tell(app, action="person.state_set", object_kind="person", object_id="dana", detail=detail)
    page = BeautifulSoup(ada.get("/audit?object=dana&kind=person").text, "html.parser")
    facts = [term.get_text() for term in page.select(".trail > li:first-child dt")]
    assert {"Before", "After", "Reason", "List", "Deep", "Yes", "N"} <= set(facts)
    assert sentences(ada)[0] == "Ben Brandt changed whether Dana Dahl may act: active → left; moved on"
    assert page.select_one('.trail a.name[href="/admin/people/dana"]')


FILTERS = {
    "q=shipping": {"created", "revoked"},
    "actor=ben&action=key.rotated": {"rotated"},
    "actor=Ben+Brandt&kind=request": {"asked for approval of"},
    "service=payments&action=key.revoked": {"revoked"},
    "outcome=refused": set(),
    "request=req-seed&action=key.revoked": {"revoked"},
    "from=2020-01-01&action=key.revoked": {"revoked"},
    "to=2020-01-01": set(),
}


@pytest.mark.parametrize("query", FILTERS)
def test_filters_narrow_what_is_shown(ada: Browser, query: str) -> None:
    words = {"created", "revoked", "rotated", "asked for approval of"}
    told = sentences(ada, f"?{query}")
    assert {word for word in words if any(f" {word} " in sentence for sentence in told)} == FILTERS[query]
    if not told:
        page = ada.get(f"/audit?{query}").text
        assert "No entry matches" in page
        assert "Clear filters" in page


@pytest.mark.parametrize(
    "query", ["from=yesterday", "to=2026-13-01", "from=0001-01-01T00:00%2B23:59", "from=2026-02-02&to=2026-02-01"]
)
def test_a_time_that_is_none_is_a_problem_and_finds_nothing(ada: Browser, query: str) -> None:
    response = ada.get(f"/audit?{query}")
    assert response.status_code == 422
    assert "<title>Error: Audit" in response.text
    assert 'aria-invalid="true"' in response.text
    assert 'class="card trail"' not in response.text
    assert ada.post("/audit/export", dict([pair.split("=") for pair in query.split("&")])).status_code == 422


@pytest.mark.parametrize(
    "query", ["action=nothing", "kind=x&outcome=y", "before=x", "before=99999999999999999999", "before=0"]
)
def test_words_that_no_list_has_restrict_nothing(ada: Browser, query: str) -> None:
    assert sentences(ada, f"?{query}") == sentences(ada)


def test_pages_follow_each_other_and_end(app: Flask, ada: Browser) -> None:
    tell(app, 120, action="key.issued", actor="svc:loader")
    url, shown = "/audit?actor=svc:loader", []
    while url:
        page = BeautifulSoup(ada.get(url).text, "html.parser")
        shown += [line.get_text(strip=True) for line in page.select(".trail > li > p:first-child strong")]
        tell(app, 3, actor="svc:loader", detail={"name": "late"})
        older = page.select_one('a[rel="next"]')
        url = str(older["href"]) if older else ""
    assert shown == [f"job {number}" for number in reversed(range(120))]
    assert "Nothing is older" in ada.get("/audit?before=1").text


def test_a_search_that_stops_early_says_how_far_it_looked(
    app: Flask, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(app, 30)
    monkeypatch.setattr("keymgr.store.audit_reading.LOOKED_AT_MAX", 20)
    page = ada.get("/audit?q=shipping")
    assert "Nothing yet" in page.text
    assert "Search further back" in page.text
    older = BeautifulSoup(page.text, "html.parser").select_one('a[rel="next"]')
    assert older is not None
    assert "shipping prototype" in ada.get(str(older["href"])).text


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_an_export_is_told_first_and_holds_what_the_filters_find(ada: Browser) -> None:
    response = ada.post("/audit/export", {"format": "csv"})
    assert response.mimetype == "text/csv"
    assert re.fullmatch(r'attachment; filename="audit-\d{4}-\d\d-\d\d.csv"', response.headers["Content-Disposition"])
    found = rows(response.text)
    assert found[0]["sentence"] == "Ada Adeyemi exported the audit trail as CSV"
    assert "Ben Brandt revoked shipping prototype: leaked" in {row["sentence"] for row in found}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row["time"]) for row in found)
    narrowed = ada.post("/audit/export", {"format": "ndjson", "action": "key.revoked", "actor": "ben"})
    assert narrowed.mimetype == "application/x-ndjson"
    events = [json.loads(line) for line in narrowed.text.splitlines()]
    assert [event["action"] for event in events] == ["key.revoked"]
    assert events[0]["detail"]["reason"] == "leaked"
    told = sentences(ada, "?action=audit.exported")
    assert told == ["Ada Adeyemi exported the audit trail as NDJSON", "Ada Adeyemi exported the audit trail as CSV"]


def test_an_export_comes_in_pieces_without_a_transaction_between(
    app: Flask, ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(app, 25, actor="svc:loader")
    monkeypatch.setattr(audit_file, "BATCH", 10)
    fields = {"csrf_token": ada.token, "format": "ndjson", "actor": "svc:loader"}
    response = ada.client.post("/audit/export", data=fields, buffered=False)
    pieces = (bytes(piece) for piece in response.iter_encoded())
    first = next(pieces)
    tell(app)  # Nobody who writes waits for the reader.
    rest = list(pieces)
    response.close()
    lines = [*first.splitlines(), *(line for piece in rest for line in piece.splitlines())]
    assert len(rest) == 2
    assert [json.loads(line)["detail"]["name"] for line in lines] == [f"job {number}" for number in reversed(range(25))]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_do_nothing_on_the_page_and_in_the_file(app: Flask, ada: Browser, text: str) -> None:
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        session.query(Person).filter_by(name="ben").one().display_name = text
    detail = {"name": text, "note": text, text: text, "list": [text], "deep": {text: [text]}}
    tell(app, action="key.issued", object_id="key_x", detail=detail, address="=1+1", request_id="@x")
    page = ada.get("/audit")
    assert "<img src=x" not in page.text
    assert "{{ 7" in page.text or "49" not in page.text or "7 * 7" not in text
    found = rows(ada.post("/audit/export", {"format": "csv"}).text)
    assert not [cell for row in found for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert any(text in row["sentence"] for row in found)
    lines = ada.post("/audit/export", {"format": "ndjson"}).text.splitlines()
    assert any(json.loads(line)["detail"].get("name") == text for line in lines)


def test_kinds_of_objects_have_their_words(app: Flask) -> None:
    with Session(app.config["KEYMGR_ENGINE"]) as session:
        kinds = {kind for (kind,) in session.query(AuditEvent.object_kind).distinct()}
        assert session.query(Key).count()
    assert kinds <= KINDS.keys()


def test_an_unknown_action_is_still_told() -> None:
    said = phrase("key.frozen", "done")
    assert (said.before, said.after, said.names_it) == ("did “key.frozen” to ", "", True)


def test_an_actor_of_each_kind_is_named(app: Flask, ada: Browser) -> None:
    for actor in ("cli:root", "svc:pay-ci", "anonymous", "clock", "user:gone", "strange"):
        tell(app, actor=actor, at=datetime.now(UTC) + timedelta(seconds=1))
    named = [sentence.partition(" created ")[0] for sentence in sentences(ada)[:6]]
    assert named == [
        "strange",
        "gone",
        "The clock",
        "Somebody who has not signed in",
        "Service account pay-ci",
        "root on the command line",
    ]


def test_a_key_that_is_pasted_into_a_search_is_not_in_the_trail(app: Flask, ada: Browser) -> None:
    pasted = "km_prod_01jdabcdefghjkmnpqrstvwxyz_" + "Ab3" * 20
    for typed in (pasted, f"found {pasted}", "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.c2ln"):
        assert ada.post("/audit/export", {"format": "csv", "q": typed}).status_code == 200
    with Session(app.config["KEYMGR_ENGINE"]) as session:
        told = str(list(session.scalars(select(AuditEvent.detail).where(AuditEvent.action == "audit.exported"))))
    assert told.count("(a key was here)") == 3
    assert "Ab3" not in told
    assert "eyJ" not in told
