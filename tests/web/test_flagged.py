"""Keys that no longer fit the policy: on the first page with what mends them, and on their own."""

import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from flask import Flask
from playwright.sync_api import Browser as Chromium
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.standing import Stood, write_standings
from keymgr.policy.existing import Verdict
from keymgr.policy.model import ViolationAction
from keymgr.store.engine import connect
from keymgr.store.policies import PolicyHead
from tests.web.browsing import Watched, serving
from tests.web.house import Browser, Seeded, address_of, make_app

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
TOO_LONG = {"reason": "LIMIT_TTL", "sentence": "30 days are more than 7.", "source": "rules/a.yaml:1:1"}
UNSAID = {"reason": "FACT_UNKNOWN", "sentence": "It is not known whether it was asked for with MFA.", "source": None}


def words(text: str) -> str:
    return re.sub(r"\s+", " ", BeautifulSoup(text, "html.parser").get_text(" "))


def flag(url: str, key_id: str, how: Stood) -> None:
    engine = connect(url)
    with Session(engine) as session, session.begin():
        revision = session.scalars(select(PolicyHead.revision_id)).one()
        write_standings(session, {key_id: how}, revision, datetime.now(UTC))
    engine.dispose()


def late(action: ViolationAction, reason: Mapping[str, str | None], *, acted: bool = False) -> Stood:
    due = datetime.now(UTC) + timedelta(days=10)
    verdict = Verdict.UNKNOWN if reason is UNSAID else Verdict.VIOLATES
    return Stood(verdict, (reason,), None, due, action, due, due if acted else None)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (late(ViolationAction.SUSPEND, TOO_LONG), "will be suspended"),
        (late(ViolationAction.REVOKE, TOO_LONG), "will be revoked"),
        (late(ViolationAction.SUSPEND, TOO_LONG, acted=True), "was suspended"),
        (late(ViolationAction.FLAG, UNSAID), "is to be mended by"),
    ],
    ids=["suspend", "revoke", "done", "flag"],
)
def test_a_key_that_does_not_fit_is_shown_with_its_day_and_its_remedy(
    ben: Browser, app: Flask, seeded: Seeded, how: Stood, said: str
) -> None:
    assert "No longer fits" not in ben.get("/").text
    flag(address_of(app), seeded.active, how)
    page = BeautifulSoup(ben.get("/").text, "html.parser")
    section = next(line for line in page.select("section[aria-labelledby=needs] li") if "No longer fits" in line.text)
    button = section.select_one("a.button")
    assert button
    told = words(str(section))
    assert said in told
    if how.verdict is Verdict.UNKNOWN:
        assert "Rotate it" in told
        assert str(button["href"]).endswith(f"/keys/{seeded.active}/rotate")
    else:
        assert "30 days are more than 7. Replace it with a key that lives shorter." in told
        assert "scope=charges:write" in str(button["href"])
    assert f"It {said}" in words(ben.get(f"/keys/{seeded.active}").text)
    assert f"It {said}" not in words(ben.get(f"/keys/{seeded.grace}").text)


def test_one_that_also_ends_soon_is_one_thing_to_do(ben: Browser, app: Flask, seeded: Seeded) -> None:
    flag(address_of(app), seeded.expiring, late(ViolationAction.SUSPEND, TOO_LONG))
    page = BeautifulSoup(ben.get("/").text, "html.parser")
    [line] = [line for line in page.select("section[aria-labelledby=needs] li") if "ci smoke test" in line.text]
    assert "No longer fits the policy" in line.text
    assert "It expires" in line.text


def test_axe_finds_nothing_on_them(portal_url: str, tmp_path: Path, seeded: Seeded, chromium: Chromium) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    app = make_app(portal_url, tmp_path, KEYMGR_PUBLIC_URL=base)
    flag(portal_url, seeded.active, late(ViolationAction.SUSPEND, TOO_LONG))
    found = []
    with serving(app, port):
        page = chromium.new_page(viewport={"width": 360, "height": 800})
        ben = Watched(page, base)
        ben.sign_in()
        for path in ("/", f"/keys/{seeded.active}"):
            ben.open(path)
            found += [violation["id"] for violation in Axe().run(ben.page, options=RULES).response["violations"]]
            found += ["scrolls sideways"] if ben.overflows else []
        page.close()
    app.extensions["keymgr.api"].close()
    assert found + ben.faults == []
