"""Each of the ten classic settings has its effect, from the portal's form to the verdict (docs/settings.md)."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keymgr.keys.verdict import Question
from keymgr.store.audit import AuditEvent
from keymgr.store.engine import connect
from keymgr.store.keys import Credential, Key
from keymgr.tokens.opaque import recognise
from keymgr.web.portal import DESK
from tests.web.house import Browser, make_app, put_in_force

ASKED = {"name": "ci", "service": "payments", "environment": "dev", "scope": ["charges:read"], "nonce": "n-1"}


class House:
    """The portal with some settings or policy changed, and ben signed in."""

    def __init__(self, app: Flask, url: str) -> None:
        self.app = app
        self.ben = Browser(app)
        self.ben.enter("ben")
        self._url = url

    def ask(self, **changed: Any) -> tuple[int, str]:  # noqa: ANN401 - form fields by name.
        response = self.ben.post("/keys", {**ASKED, **changed})
        return response.status_code, response.text

    def token(self, **changed: Any) -> str:  # noqa: ANN401 - form fields by name.
        status, text = self.ask(**changed)
        assert status == 200, text
        area = BeautifulSoup(text, "html.parser").select_one("#token")
        assert area
        return area.text.strip()

    def code(self, token: str, *, service: str = "payments", address: str | None = None) -> str:
        question = Question(token=token, audience=service, scopes=frozenset(), environment=None, address=address)
        return str(self.app.extensions[DESK].verifier.verify(question, datetime.now(UTC)).code)

    @contextmanager
    def session(self) -> Iterator[Session]:
        engine = connect(self._url)
        with Session(engine) as session, session.begin():
            yield session
        engine.dispose()


class Houses:
    """Makes them, and closes them all in the end."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._apps: list[Flask] = []

    def __call__(self, *, policy: tuple[str, str] = ("", ""), **settings: str) -> House:
        if policy != ("", ""):
            put_in_force(self._url, change=policy)
        app = make_app(self._url, self._folder, **settings)
        self._apps.append(app)
        return House(app, self._url)

    def close(self) -> None:
        for app in self._apps:
            app.extensions["keymgr.api"].close()


@pytest.fixture
def house(portal_url: str, tmp_path: Path) -> Iterator[Houses]:
    houses = Houses(portal_url, tmp_path)
    yield houses
    houses.close()


def header(token: str) -> dict[str, Any]:
    return jwt.get_unverified_header(token)


def claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def test_enabled_stops_issuing_and_leaves_verification_alone(house: Houses) -> None:
    before = house()
    token = before.token()
    closed = house(KEYMGR_ISSUING_ENABLED="false")
    status, text = closed.ask(nonce="n-2")
    assert status != 200
    assert "switched off" in text
    assert closed.code(token) == "ok"


def test_lifetime_comes_from_the_rule_and_is_never_clamped(house: Houses) -> None:
    opened = house()
    usual = claims(opened.token())
    assert usual["exp"] - usual["iat"] == 7 * 86_400
    longest = claims(opened.token(nonce="n-2", lifetime=str(30 * 86_400)))
    assert longest["exp"] - longest["iat"] == 30 * 86_400
    status, text = opened.ask(nonce="n-3", lifetime=str(31 * 86_400))
    assert (status, "At most 30 days" in text) == (403, True)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "HS256", "HS384", "HS512"])
def test_the_algorithm_signs_and_verifies(house: Houses, algorithm: str) -> None:
    before = house().token()
    opened = house(KEYMGR_SIGNING_ALGORITHM=algorithm)
    token = opened.token(nonce="n-2")
    assert header(token)["alg"] == algorithm
    assert opened.code(token) == "ok"
    assert opened.code(before) == "ok"


def test_the_token_form_is_opaque_when_the_setting_or_the_rule_says_so(house: Houses) -> None:
    assert header(house().token())["typ"] == "at+jwt"
    opened = house(KEYMGR_TOKEN_FORM="opaque")
    token = opened.token(nonce="n-2")
    assert recognise(token) is not None
    assert opened.code(token) == "ok"
    by_rule = house(policy=("max_keys_per_owner: 20", "max_keys_per_owner: 20\n    token: opaque"))
    assert by_rule.token(nonce="n-3").startswith("km_dev_")


def test_rotation_interval_and_overlap_end_the_secret_before_the_key(house: Houses) -> None:
    opened = house(
        policy=("max_keys_per_owner: 20", "max_keys_per_owner: 20\n    rotate_every: 2d\n    rotation_overlap: 12h")
    )
    told = claims(opened.token(name="spins"))
    assert told["exp"] - told["iat"] == 2 * 86_400 + 12 * 3600
    key_id = str(told["client_id"])
    page = opened.ben.get(f"/keys/{key_id}/rotate").text
    nonce = re.search(r'name="nonce" value="([^"]+)"', page)
    assert nonce
    longer = opened.ben.post(f"/keys/{key_id}/rotate", {"nonce": nonce[1], "overlap": str(24 * 3600)})
    assert (longer.status_code, "12 hours" in longer.text) == (409, True)
    with opened.session() as session:
        assert session.scalars(select(Credential.id).where(Credential.key_id == key_id)).all() == [told["jti"]]


@pytest.mark.parametrize("length", [32, 48, 64])
def test_the_secret_has_the_length_that_was_set(house: Houses, length: int) -> None:
    told = claims(house(KEYMGR_SECRET_BYTES=str(length)).token())
    assert len(base64.urlsafe_b64decode(told["sec"] + "==")) == length


def test_bound_compares_the_secret_and_stateless_does_not(house: Houses) -> None:
    bound = house()
    token = bound.token()
    with bound.session() as session:
        session.execute(
            update(Credential).where(Credential.id == claims(token)["jti"]).values(secret_digest=b"\x00" * 32)
        )
    fresh = house()
    assert fresh.code(token) == "key_invalid"
    assert house(KEYMGR_SECRET_CHECK="stateless").code(token) == "ok"


def test_allowed_networks_are_asked_for_and_enforced(house: Houses) -> None:
    opened = house()
    wish = "owner=svc:pay-ci&service=payments&environment=prod&scope=charges:write"
    assert "Name at least one network" in opened.ben.get(f"/keys/new?{wish}").text
    assert "inside 10.20.0.0/16" in opened.ben.get(f"/keys/new?{wish}&cidrs=10.21.0.0/24").text
    assert opened.ask(cidrs="10.20.4.1/24")[0] != 200
    token = opened.token(cidrs="10.20.4.0/24 2001:db8:20::/64", nonce="n-2")
    for address, code in (("10.20.4.9", "ok"), ("2001:db8:20::7", "ok"), ("10.20.5.1", "context_denied")):
        assert opened.code(token, address=address) == code
    assert opened.code(token) == "context_denied"


def test_the_audit_level_decides_what_an_event_carries(house: Houses) -> None:
    found = {}
    for number, level in enumerate(("basic", "detailed", "verbose")):
        opened = house(KEYMGR_AUDIT_LEVEL=level)
        opened.token(nonce=f"granted-{number}")
        opened.ask(nonce=f"refused-{number}", environment="prod", scope=["payouts:admin"])
        with opened.session() as session:
            events = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(2)).all()
            issued = next(event for event in events if event.action == "key.issued")
            refused = any(event.outcome == "refused" for event in events)
            found[level] = (issued.address is not None, refused, len(str(issued.detail)))
    assert [found[level][:2] for level in found] == [(False, False), (True, True), (True, True)]
    assert found["verbose"][2] > found["detailed"][2] >= found["basic"][2]


def test_the_rate_limit_of_the_rule_holds(house: Houses) -> None:
    opened = house()
    token = opened.token()
    assert [opened.code(token) for _ in range(7)] == ["ok"] * 5 + ["rate_limited"] * 2


def test_a_changed_limit_reaches_new_keys_only_through_policy(house: Houses) -> None:
    opened = house(policy=("requests: 5, per: 10s", "requests: 2, per: 10s"))
    token = opened.token()
    assert [opened.code(token) for _ in range(3)] == ["ok", "ok", "rate_limited"]
    with opened.session() as session:
        kept = session.scalars(select(Key.expires_at).where(Key.id == claims(token)["client_id"])).one()
    assert kept - datetime.now(UTC) < timedelta(days=7)
