"""Every page as every role, found by following links, in a portal where every free text is an attack."""

import csv
import io
import json
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.routing import MapAdapter
from werkzeug.test import TestResponse

from tests.web.hostile import poison
from tests.web.house import Browser, Seeded

ALIKE_MAX = 2
"""How many addresses of one shape are looked at: the same page with the same arguments, of other objects."""
NOT_LINKED = {
    "web.setup",  # Once there is an admin, it is gone.
    "web.login",  # Who is signed in has no link to it.
    "web.bulk_done_address",  # Forms lead to these two.
    "web.stay_page",
    "web.asset_file",
}
FOREIGN = {"x-evil", "style", "iframe", "object", "embed", "base"}


@dataclass
class Crawl:
    """What one person saw, and what was wrong with it."""

    browser: Browser
    where: MapAdapter
    seen: set[str] = field(default_factory=set)
    alike: Counter[tuple[str, ...]] = field(default_factory=Counter)
    hostile: int = 0
    faults: list[str] = field(default_factory=list)

    def run(self, *begin: str) -> None:
        """Follow every link from here."""
        queue = deque(begin)
        while queue:
            path = queue.popleft()
            if path in self.seen or self.alike[self._shape(path)] == ALIKE_MAX:
                continue
            self.seen.add(path)
            self.alike[self._shape(path)] += 1
            queue.extend(self._look(path))

    def _shape(self, path: str) -> tuple[str, ...]:
        split = urlsplit(path)
        endpoint, _ = self.where.match(split.path, method="GET")
        return (endpoint, *sorted(parse_qs(split.query)))

    def _look(self, path: str) -> list[str]:
        answer = self.browser.get(path)
        if answer.status_code == 303:
            return [answer.location]
        page = Reader(answer.text) if answer.mimetype == "text/html" else None
        found = [*faults_of(answer), *(page.faults if page else ())]
        self.hostile += "x-evil" in answer.text
        if page and self.alike[self._shape(path)] == 1:
            found += faults_of_restoring(self.browser, path)
        self.faults += [f"{path}: {fault}" for fault in found]
        return [urljoin(path, link) for link in (page.links if page else ())]


def faults_of(answer: TestResponse) -> Iterator[str]:
    """Tell what of an answer is not inert."""
    if answer.status_code != 200:
        yield f"status {answer.status_code}"
    vary = {word.strip() for word in answer.headers.get("Vary", "").split(",")}
    if answer.headers.get("Cache-Control") != "no-store" or not {"HX-Request", "Cookie"} <= vary:
        yield "may be kept or confused"
    if answer.mimetype == "text/csv":
        yield from (f"formula {cell[:20]}" for cell in re.findall(r'(?:^|,)"?(=1\+1)', answer.text, re.MULTILINE))
    elif answer.mimetype != "text/html":
        yield f"not shown: {answer.mimetype}"


class Reader(HTMLParser):
    """Reads a page as a browser would, for its links and for what is not inert."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.headings = 0
        self.faults: list[str] = []
        if "evil49" in text:
            self.faults.append("a template ran")
        if re.search("[\u202a-\u202e\u2066-\u2069]", text):
            self.faults.append("turns the writing around it")
        self.feed(text)
        if self.headings != 1:
            self.faults.append(f"{self.headings} h1")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.headings += tag == "h1"
        if tag in FOREIGN or (tag == "script" and not given.get("src", "").startswith("/assets/")):
            self.faults.append(f"element {self.get_starttag_text()}")
        for name, value in given.items():
            if (
                name == "style"
                or name.startswith(("on", "hx-on"))
                or value.strip().casefold().startswith("javascript:")
            ):
                self.faults.append(f"attribute {name}={value[:60]}")
        if tag == "a" or (tag == "form" and given.get("method") == "get"):
            link = given.get("href", given.get("action", "")).partition("#")[0]
            if link.startswith(("/", "?")) and not link.startswith("//"):
                self.links.append(link)


def faults_of_restoring(browser: Browser, path: str) -> Iterator[str]:
    """A step back in the history asks with the header of htmx and gets the whole page."""
    restored = browser.get(path, htmx=True, **{"HX-History-Restore-Request": "true"})
    begins = restored.text.lstrip().casefold().startswith("<!doctype html>")
    if not begins or restored.text.count("<main") != 1 or "</html>" not in restored.text:
        yield "a step back gets a part of the page"


def begin_of(name: str, seeded: Seeded) -> list[str]:
    """Home, and what is reached by a form instead of a link."""
    keys = f"key={seeded.active}&key={seeded.grace}"
    begin = ["/", f"/keys/bulk?verb=revoke&{keys}", "/keys?q=evil", "/keys/new?service=ledger&environment=prod"]
    if name == "ada":
        begin += [
            f"/keys/{seeded.active}/resume",
            "/audit?q=evil",
            "/admin/people?q=ben",
            "/policy/what-if?as=person&person=ben&service=ledger",
        ]
    return begin


@pytest.fixture
def poisoned(app: Flask, portal_url: str) -> Flask:
    poison(app, portal_url)
    return app


def test_hostile_texts_are_inert_and_whole_on_every_page_of_every_role(poisoned: Flask, seeded: Seeded) -> None:
    crawls = []
    for name in ("ada", "ben", "cleo", "dana", "eli"):
        browser = Browser(poisoned)
        browser.enter(name)
        crawls.append(Crawl(browser, poisoned.url_map.bind("localhost")))
        crawls[-1].run(*begin_of(name, seeded))
    faults = {fault for crawl in crawls for fault in crawl.faults}
    assert not faults, "\n".join(sorted(faults)[:60])
    pages = {
        rule.endpoint
        for rule in poisoned.url_map.iter_rules()
        if rule.endpoint.startswith("web.") and "GET" in (rule.methods or set())
    }
    assert pages - {shape[0] for crawl in crawls for shape in crawl.alike} == NOT_LINKED
    assert min(crawl.hostile for crawl in crawls) > 10, "What is asked for is on many pages."


def test_files_of_the_poisoned_trail_hold_one_event_a_line_and_no_formula(poisoned: Flask) -> None:
    ada = Browser(poisoned)
    ada.enter("ada")
    ndjson, spreadsheet = (ada.post("/audit/export", {"format": kind}).text for kind in ("ndjson", "csv"))
    events = [json.loads(line) for line in ndjson.split("\n") if line]
    rows = list(csv.reader(io.StringIO(spreadsheet, newline="")))
    assert len(rows) == 1 + len(events) + 1 > 10, "A heading, and the first export is an event of the second."
    assert {len(row) for row in rows} == {len(rows[0])}
    assert "evil" in spreadsheet
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
