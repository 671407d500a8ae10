"""Pages for integrators: open to all, filled in with this installation's values, and with nothing secret in them."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup

from keymgr import __version__
from keymgr.tokens.verdicts import VerdictCode
from keymgr.web.docs import GUIDES, WAYS
from keymgr.web.docs_claims import CLAIMS, HEADER
from tests.databases import fresh_file
from tests.web.house import ROOT, Browser, make_app, plant_people

PAGES = ["/docs", "/docs/inspect", "/docs/errors", *(f"/docs/{guide.name}" for guide in GUIDES)]
PAGES += [f"/docs/verify?way={way.name}" for way in WAYS]


def page_of(browser: Browser, path: str) -> BeautifulSoup:
    response = browser.get(path)
    assert response.status_code == 200, path
    return BeautifulSoup(response.text, "html.parser")


def with_service(path: str, service: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}service={service}"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_for_strangers_and_tells_them_no_name_of_the_policy(stranger: Browser, path: str) -> None:
    asked, unknown = page_of(stranger, with_service(path, "payments")), page_of(stranger, with_service(path, "zebra"))
    for page in (asked, unknown):
        for name in ("payments", "charges:read", "ledger", "shipping"):
            assert name not in page.get_text(" ").replace("/docs/", "")
    assert asked.main
    assert unknown.main
    assert asked.main.get_text() == unknown.main.get_text()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_one_heading_and_its_place_in_the_list(ben: Browser, path: str) -> None:
    page = page_of(ben, with_service(path, "payments"))
    assert len(page.select("h1")) == 1
    (current,) = page.select("nav[aria-label=Docs] [aria-current=page]")
    assert urlsplit(str(current["href"])).path == urlsplit(path).path
    main_entry = page.select_one("nav[aria-label=Main] [aria-current=page]")
    assert main_entry
    assert main_entry.get_text(strip=True) == "Docs"
    ids = [str(node["id"]) for node in page.select("[id]")]
    assert len(ids) == len(set(ids))


def test_every_link_leads_somewhere(ben: Browser) -> None:
    pages = [page_of(ben, with_service(path, "payments")) for path in PAGES]
    links = {str(link["href"]) for page in pages for link in page.select("main a[href^='/']")}
    assert {link: ben.client.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_the_chosen_service_stays_chosen_on_every_link_of_the_docs(ben: Browser) -> None:
    page = page_of(ben, "/docs/verify?service=shipping&way=node")
    links = [str(link["href"]) for link in page.select(".docs a[href^='/docs']")]
    assert len(links) > 20
    assert [link for link in links if parse_qs(urlsplit(link).query).get("service") != ["shipping"]] == []
    (kept,) = page.select("form.beside input[name=way]")
    assert kept["value"] == "node"


def test_addresses_are_those_of_this_installation_whatever_the_host_header_says(ben: Browser) -> None:
    response = ben.client.get("/docs", headers={"Host": "localhost:4444", "X-Forwarded-Host": "evil.example"})
    assert "4444" not in response.text
    page = BeautifulSoup(response.text, "html.parser")
    for name, value in {
        "issuer": "http://localhost",
        "jwks": "http://localhost/.well-known/jwks.json",
        "status": "http://localhost/status-lists/1",
        "verify": "http://localhost/api/v1/verify",
    }.items():
        found = page.select_one(f"#{name}")
        assert found
        assert found.text == value
        if name != "verify":
            assert ben.client.get(urlsplit(value).path or "/").status_code == 200


def test_the_names_of_the_chosen_service_are_filled_in_and_an_unknown_one_is_told(ben: Browser) -> None:
    page = page_of(ben, "/docs/verify?service=shipping&way=pyjwt")
    code = page.select_one("#code-verify-offline-py")
    assert code
    for text in ('AUDIENCE = "shipping"', 'ENVIRONMENT = "prod"', '"parcels:read"', 'ISSUER = "http://localhost"'):
        assert text in code.text
    assert "The policy has no service zebra." in page_of(ben, "/docs/call?service=zebra").get_text(" ")
    hostile = ben.get("/docs/call?service=<img src=x onerror=alert(1)>").text
    assert "<img" not in hostile


def test_each_piece_of_code_names_its_file_and_the_version_whose_tests_ran_it(ben: Browser) -> None:
    figures = page_of(ben, "/docs/call?service=payments").select("figure.shown")
    proofs = [figure.select_one(".proof") for figure in figures]
    words = [proof.get_text(strip=True) for proof in proofs if proof]
    assert words.count(f"Run by the tests of keymgr {__version__}") == 4
    assert words.count(f"Its command line is checked by the tests of keymgr {__version__}") == 2
    assert all(figure.select("figcaption code") and figure.select("[data-copy]") for figure in figures)


def test_a_link_opens_the_form_filled_in(ben: Browser) -> None:
    page = page_of(ben, "/docs/link?service=payments")
    links = [node.text for node in page.select(".link")]
    assert len(links) == 4
    form = page_of(ben, links[0].removeprefix("http://localhost"))
    chosen = form.select_one("select[name=service] option[selected]")
    assert chosen
    assert chosen["value"] == "payments"
    assert [box["value"] for box in form.select("input[name=scope][checked]")] == ["charges:read"]
    assert [radio["value"] for radio in form.select("input[name=environment][checked]")] == ["prod"]
    name = form.select_one("input[name=name]")
    assert name
    assert name["value"] == "payments client"


def test_every_claim_and_every_code_is_explained(ben: Browser) -> None:
    claims = [node.text.strip() for node in page_of(ben, "/docs/claims").select("td.lead code")]
    assert claims == [*HEADER, *CLAIMS]
    codes = {node.text.strip() for node in page_of(ben, "/docs/verify").select(".pairs a code")}
    assert codes == set(VerdictCode)


def test_the_manual_and_the_page_name_the_same_claims() -> None:
    table = (ROOT / "docs" / "tokens.md").read_text().split("| claim | holds |")[1].split("\n\n")[0]
    written = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|([^|]+)\|", table, re.MULTILINE)))
    assert written == list(CLAIMS)


def test_with_a_shared_secret_no_page_offers_to_verify_offline(portal_url: str, tmp_path: Path) -> None:
    other = make_app(portal_url, tmp_path, KEYMGR_SIGNING_ALGORITHM="HS256")
    other.testing = True
    stranger = Browser(other)
    assert "never published" in stranger.get("/docs/offline").text
    assert "which this way does not check" in stranger.get("/docs/verify?way=pyjwt").text
    other.extensions["keymgr.api"].close()


def test_without_a_policy_the_names_are_made_up(migrated_file: Path, tmp_path: Path) -> None:
    url = fresh_file(migrated_file, tmp_path)
    plant_people(url)
    bare = make_app(url, tmp_path)
    ben = Browser(bare)
    ben.enter("ben")
    page = page_of(ben, "/docs/verify?service=payments")
    assert "your-service" in page.get_text()
    assert not page.select("#aimed")
    bare.extensions["keymgr.api"].close()


def test_a_page_that_is_not_there_is_not_there(stranger: Browser) -> None:
    assert stranger.get("/docs/zebra").status_code == 404
