"""After the whole main job no secret is anywhere but in the one answer that showed it: no log, row, file or header."""

import base64
import html
import logging
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keymgr.keys.service_credentials import Created, create_service_credential
from keymgr.people.passwords import hash_password
from keymgr.reconcile.live import in_force
from keymgr.store.audit import Actor, AuditEvent
from keymgr.store.base import Base
from keymgr.store.engine import connect
from keymgr.store.people import Person
from keymgr.tokens.opaque import recognise, recognise_service_credential
from keymgr.web.desk import Desk
from keymgr.web.portal import DESK
from tests.web.house import QUICK, Browser, make_app

PASSWORD = "violet-otter-72-paints"
OWN = "quiet-heron-31-mends-nets"
WRONG = "amber-walrus-19-sleeps"
ORDER = {"name": "sinks", "service": "payments", "environment": "dev", "scope": ["charges:read"]}
SETTING = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@dataclass
class Job:
    """Everything that was secret on the way, and every answer but the ones that reveal."""

    app: Flask
    folder: Path
    secrets: dict[str, str] = field(
        default_factory=lambda: {"password": PASSWORD, "own password": OWN, "wrong password": WRONG}
    )
    password: str = PASSWORD
    answers: list[TestResponse] = field(default_factory=list)

    def note(self, answer: TestResponse) -> TestResponse:
        self.answers.append(answer)
        return answer

    def learn(self, name: str, token: str) -> str:
        """Take a credential apart: each part alone is as secret as the whole."""
        self.secrets[name] = token
        opaque = recognise(token) or recognise_service_credential(token)
        if opaque is not None:
            self.secrets[f"{name}, secret"] = opaque.secret
            self.secrets[f"{name}, secret in base62"] = token.rsplit("_", 1)[1]
            return token
        header, payload, signature = token.split(".")
        assert header
        self.secrets[f"{name}, payload"] = payload
        self.secrets[f"{name}, signature"] = signature
        found = re.search(r'"sec":"([^"]+)"', base64.urlsafe_b64decode(payload + "==").decode())
        assert found
        self.secrets[f"{name}, secret"] = found[1]
        return token


def shown(page: TestResponse) -> str:
    """Read the key out of the one answer that shows it."""
    assert page.status_code == 200, page.text
    found = re.search(r"data-secret[^>]*>([^<]+)<", page.text) or re.search(
        r'data-secret[^>]*value="([^"]+)"', page.text
    )
    assert found, page.text
    return html.unescape(found[1]).strip()


def make_a_service_credential(app: Flask) -> str:
    desk: Desk = app.extensions[DESK]
    with Session(app.config["KEYMGR_ENGINE"]) as session, session.begin():
        created = create_service_credential(
            session, in_force(session), service="payments", actor=Actor("cli:root"), issuer=desk.issuer,
            now=datetime.now(UTC),
        )  # fmt: skip
        assert isinstance(created, Created)
    return created.credential


def choose_a_password(job: Job, browser: Browser) -> None:
    """Choose another password, badly first."""
    job.note(browser.get("/me/password"))
    for old, new in ((WRONG, OWN), (PASSWORD, PASSWORD), (PASSWORD, WRONG[:14]), (WRONG, "")):
        assert job.note(browser.post("/me/password", {"old": old, "new": new})).status_code == 422
    assert job.note(browser.post("/me/password", {"old": PASSWORD, "new": OWN})).status_code == 303
    job.password = OWN


def sign_in(job: Job) -> Browser:
    browser = Browser(job.app)
    job.note(browser.get("/login"))
    for name, password in (("ben", WRONG), (WRONG, job.password), ("nobody", job.password)):
        assert job.note(browser.post("/login", {"name": name, "password": password})).status_code == 422
    assert job.note(browser.post("/login", {"name": "ben", "password": job.password})).status_code == 303
    if job.password == PASSWORD:
        choose_a_password(job, browser)
    job.note(browser.get("/me"))
    with browser.client.session_transaction() as cookie:
        job.secrets[f"session {len(job.secrets)}"] = cookie["_user_id"]
    return browser


def use(job: Job, browser: Browser, token: str, credential: str) -> None:
    """Use the key well and badly, as a service, a gateway and a person would."""
    client = job.app.test_client()
    bearer = {"Authorization": f"Bearer {credential}"}
    for presented in (token, token[:-1], token + "x", token[:-9] + "AAAAAAAAA", f"Bearer {token}", token.swapcase()):
        for scopes in ([], ["refunds:write"]):
            job.note(client.post("/api/v1/verify", json={"token": presented, "scopes": scopes}, headers=bearer))
        job.note(client.get("/gateway/check?aud=payments", headers={"Authorization": f"Bearer {presented}"}))
        job.note(client.get("/gateway/check?aud=ledger", headers={"Authorization": f"Bearer {presented}"}))
        job.note(client.post("/api/v1/verify", json={"token": credential}, headers={"Authorization": presented}))
        job.note(browser.post("/keys/test", {"token": presented, "service": "payments"}))
    job.note(client.post("/api/v1/verify", json={"questions": [{"token": token}] * 2}, headers=bearer))
    job.note(client.post("/api/v1/verify", json={"token": token, token: 1}, headers={"Authorization": credential}))
    job.note(client.post("/api/v1/verify", json={"token": token}, headers={"Authorization": f"Bearer {credential}x"}))
    job.note(client.post("/api/v1/verify", data=token, headers=bearer))
    counters = job.folder / "counters.db"
    job.app.extensions["keymgr.api"].close()
    counters.rename(job.folder / "aside.db")
    counters.mkdir()
    job.note(client.post("/api/v1/verify", json={"token": token}, headers=bearer))
    job.note(browser.post("/keys/test", {"token": token, "service": "payments"}))
    counters.rmdir()
    (job.folder / "aside.db").rename(counters)


def the_whole_job(job: Job) -> None:
    browser = sign_in(job)
    form = job.app.extensions[DESK].issuer.token_form
    credential = job.learn(f"{form} service", make_a_service_credential(job.app))
    token = job.learn(f"{form} key", shown(browser.post("/keys", {**ORDER, "nonce": f"{form}"})))
    job.note(browser.post("/keys", {**ORDER, "nonce": f"{form}"}))
    use(job, browser, token, credential)
    key_id = re.search(
        r"/keys/(key_[0-9a-z]{26})", job.note(browser.get("/keys?q=sinks&sort=created&direction=desc")).text
    )
    assert key_id
    turn = {"overlap": "3600", "nonce": f"{form} turn"}
    job.note(browser.get(f"/keys/{key_id[1]}/rotate"))
    second = job.learn(f"{form} second", shown(browser.post(f"/keys/{key_id[1]}/rotate", turn)))
    job.note(browser.post(f"/keys/{key_id[1]}/rotate", turn))
    use(job, browser, second, credential)
    gone = {"reason": "leaked", "typed": "sinks", "note": "seen in a log", "nonce": f"{form} gone"}
    assert job.note(browser.post(f"/keys/{key_id[1]}/revoke", gone)).status_code == 303
    use(job, browser, second, credential)
    for path in (
        "/",
        "/keys",
        f"/keys/{key_id[1]}",
        "/requests",
        "/policy",
        "/me",
        "/nowhere",
        "/.well-known/jwks.json",
    ):
        job.note(browser.get(path))
    job.note(browser.get("/status-lists/1"))
    job.note(browser.post("/logout"))


@pytest.fixture
def job(portal_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Job]:
    for logger in ("", "keymgr", "sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool", "limits", "werkzeug", "psycopg"):
        caplog.set_level(logging.DEBUG, logger=logger)
    engine = connect(portal_url)
    with Session(engine) as session, session.begin():
        ours = {"sample": False, "password_hash": hash_password(PASSWORD, QUICK)}
        session.execute(update(Person).where(Person.name == "ben").values(**ours))
    engine.dispose()
    settings = {"KEYMGR_DEMO": "false", "KEYMGR_AUDIT_LEVEL": "verbose"}
    done: Job | None = None
    for form in ("jwt", "opaque"):
        app = make_app(portal_url, tmp_path, KEYMGR_TOKEN_FORM=form, **settings)
        for logger in ("keymgr", "sqlalchemy.engine"):
            caplog.set_level(logging.DEBUG, logger=logger)
        job = done or Job(app, tmp_path)
        job.app = app
        the_whole_job(job)
        app.extensions["keymgr.api"].close()
        done = job
    assert done is not None
    yield done
    done.app.config["KEYMGR_ENGINE"].dispose()


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Every record of every phase, with its arguments and tracebacks."""
    records = [record for phase in ("setup", "call") for record in caplog.get_records(phase)]
    lines = [record.getMessage() + repr(record.args) for record in records]
    errors = [
        "".join(traceback.format_exception(record.exc_info[1])) for record in records if record.exc_info is not None
    ]
    return "\n".join([*lines, *errors])


def stored(app: Flask) -> str:
    """Every row of every table; bytes as they are and as hexadecimal digits."""
    with Session(app.config["KEYMGR_ENGINE"]) as session:
        rows = [row for table in Base.metadata.sorted_tables for row in session.execute(select(table))]
    values = [value for row in rows for value in row]
    return "\n".join(
        value.hex() + value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in values
    )


def found_in(text: str, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret in text]


def test_no_secret_is_in_any_sink(
    job: Job, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = {**job.secrets, "settings": SETTING}
    assert len(secrets) > 20
    assert min(map(len, secrets.values())) >= 20
    log = logged(caplog)
    assert "refused key_revoked" in log
    assert found_in(log, secrets) == []
    rows = stored(job.app)
    assert "key.rotated" in rows
    assert found_in(rows, secrets) == []
    out, err = capfd.readouterr()
    assert found_in(out + err, secrets) == []
    assert len(job.answers) > 100
    for answer in job.answers:
        assert found_in(str(answer.headers) + answer.request.url, secrets) == []
        page = html.unescape(answer.text).replace(f'value="{WRONG}"', "")  # What was typed as a name is shown again.
        assert found_in(page, secrets) == [], answer.request.path


def test_no_file_holds_a_secret_in_any_spelling(job: Job) -> None:
    raw = {name: secret.encode() for name, secret in job.secrets.items()}
    for name, secret in job.secrets.items():
        if name.endswith(", secret"):
            raw[f"{name}, decoded"] = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    files = [path for path in job.folder.rglob("*") if path.is_file()]
    assert {"keymgr.db", "counters.db"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert [name for name, secret in raw.items() if secret in content] == [], path.name


def test_the_trail_tells_the_whole_story_under_the_request_ids_that_were_answered(job: Job) -> None:
    answered = {answer.headers["X-Request-Id"] for answer in job.answers}
    with Session(job.app.config["KEYMGR_ENGINE"]) as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.actor.in_(["user:ben", "anonymous"]))).all()
    told = {event.action for event in events}
    assert {"person.sign_in_refused", "person.signed_in", "key.issued", "key.rotated", "key.revoked"} <= told
    revoked = [event.request_id for event in events if event.action == "key.revoked"]
    assert set(revoked) & answered
