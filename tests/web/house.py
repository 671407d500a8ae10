"""The whole portal on a database of its own: the example policy in force, sample people, and keys in every state."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keymgr.app import create_app
from keymgr.config import load
from keymgr.keys.approvals import Narrowed, approve
from keymgr.keys.ask import ask
from keymgr.keys.conversation import say
from keymgr.keys.order import Order
from keymgr.keys.outcomes import Approved, Issued, Pending, RequestRefused, Said, Signed
from keymgr.keys.refuse import refuse
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rights import Rights
from keymgr.keys.rotate import rotate
from keymgr.keys.usage import Calls, record_batch
from keymgr.people.sample import plant
from keymgr.people.sessions import open_session
from keymgr.people.whois import asker_of_owner
from keymgr.policy.model import Asker, Evidence, InForce, Wish
from keymgr.reconcile.apply import Applied, apply_policy
from keymgr.reconcile.live import in_force
from keymgr.store.audit import Actor
from keymgr.store.engine import connect
from keymgr.store.keys import Credential, Key, KeyRequest
from keymgr.store.people import Person
from keymgr.tokens.verdicts import VerdictCode
from keymgr.web.desk import Desk
from keymgr.web.portal import DESK

ROOT = Path(__file__).parent.parent.parent
COMMIT = "4f2c1ab09d3e5f67"
FORGE = "https://forge.example/acme/policy/blob/{commit}/{path}#L{line}"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
BEN = Actor("user:ben", "127.0.0.1", "a browser", "req-seed")
PASSWORDS = {
    "ada": "ada-keeps-the-keys",
    "ben": "ben-likes-blue-doors",
    "cleo": "cleo-reads-every-rule",
    "dana": "dana-counts-small-birds",
    "eli": "eli-locks-up-at-night",
}


def make_app(database_url: str, folder: Path, **settings: str) -> Flask:
    """Join the portal's rooms on a migrated database."""
    secret = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    environ = {
        "KEYMGR_PUBLIC_URL": "http://localhost",
        "KEYMGR_SECRET_KEY": secret,
        "KEYMGR_PEPPER": secret,
        "KEYMGR_KEK": secret,
        "KEYMGR_DATABASE_URL": database_url,
        "KEYMGR_COUNTERS": str(folder / "counters.db"),
        "KEYMGR_DEMO": "true",
        "KEYMGR_FORGE_URL": FORGE,
        **settings,
    }
    return create_app(load(environ))


def plant_people(database_url: str) -> None:
    """Add the sample people with hashes that are quick to check."""
    engine = connect(database_url)
    with Session(engine) as session, session.begin():
        plant(session, datetime.now(UTC), QUICK)
    engine.dispose()


def put_in_force(database_url: str, *, change: tuple[str, str] = ("", "")) -> None:
    """Apply the example policy, with one text replaced by another everywhere."""
    files = {
        path.relative_to(ROOT / "policies").as_posix(): path.read_bytes().replace(
            change[0].encode(), change[1].encode()
        )
        if change[0]
        else path.read_bytes()
        for path in (ROOT / "policies").rglob("*.yaml")
    }
    engine = connect(database_url)
    with Session(engine) as session, session.begin():
        outcome = apply_policy(
            session,
            files,
            revision=COMMIT,
            ref="main",
            author="cleo@example.org",
            applied_by="cli:test",
            now=datetime.now(UTC),
        )
        assert isinstance(outcome, Applied), outcome
    engine.dispose()


def address_of(app: Flask) -> str:
    """Return the database address that the application was made with."""
    return str(app.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False))


@dataclass(frozen=True, slots=True)
class Seeded:
    """Ids of keys and requests in known states.

    All are ben's, or of the service account pay-ci, which ben's team answers for. `approved` was narrowed by cleo,
    `refused` refused by her; `two_step` has her signature and eli's question, and waits for security.
    """

    active: str
    expiring: str
    grace: str
    revoked: str
    waiting: str
    approved: str
    refused: str
    two_step: str


def seed(app: Flask) -> Seeded:
    """Issue keys through the verbs, so that they are exactly what the portal makes."""
    desk: Desk = app.extensions[DESK]
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        active = _issue(session, desk, "checkout worker", ["charges:read", "charges:write"], 30)
        expiring = _issue(session, desk, "ci smoke test", ["charges:read"], 9)
        grace = _issue(session, desk, "nightly export", ["charges:read", "charges:write"], 30)
        revoked = _issue(session, desk, "shipping prototype", ["charges:read"], 20)
        waiting = _issue(session, desk, "refund desk", ["charges:read"], 7, environment="prod")
        _rotate(session, desk, grace)
        revoke(
            session,
            key_id=revoked,
            actor=BEN,
            rights=Rights(frozenset({"user:ben"})),
            reason=RevokeReason.LEAKED,
            submit=None,
            level=desk.issuer.audit_level,
            now=datetime.now(UTC),
        )
        _use(session, active)
        approved, refused, two_step = _decided(session, desk)
    engine.dispose()
    return Seeded(active, expiring, grace, revoked, waiting, approved, refused, two_step)


def _decided(session: Session, desk: Desk) -> tuple[str, str, str]:
    """Make requests that have come further than waiting, through the verbs."""
    approved = _issue(session, desk, "dispute lookup", ["charges:read"], 30, environment="prod")
    refused = _issue(session, desk, "nosy dashboard", ["charges:read"], 20, environment="prod")
    wish = Wish("payments", "prod", frozenset({"charges:read", "charges:write"}), 60 * 86_400, ("10.20.4.0/24",))
    two_step = _ask(session, desk, "card capture", wish, owner="svc:pay-ci")
    office = Office(session, desk)
    office.approve(approved, "cleo", note="A week is enough for disputes.", ttl_seconds=7 * 86_400)
    office.refuse(refused, "cleo", "The dashboard reads the report API. Ask for traffic:read on reports instead.")
    office.approve(two_step, "cleo", note="Planned for the December release.")
    office.say(two_step, "eli", "Which machines run this, and who looks at their logs?")
    return approved, refused, two_step


@dataclass(frozen=True, slots=True)
class Office:
    """Where people of the house decide requests, through the verbs and without a browser."""

    session: Session
    desk: Desk

    def approve(self, request_id: str, name: str, *, note: str = "", ttl_seconds: int | None = None) -> None:
        """Approve, with a shorter life where one is given."""
        row = self.session.get_one(KeyRequest, request_id)
        narrowed = None if ttl_seconds is None else Narrowed(frozenset(row.scopes), ttl_seconds)
        outcome = approve(
            self.session,
            self._opened,
            request_id=request_id,
            approver=self._person(name),
            actor=Actor(f"user:{name}"),
            asker_of=self._look_up,
            seen_digest=row.wish_digest,
            note=note,
            narrowed=narrowed,
            submit=None,
            issuer=self.desk.issuer,
            now=datetime.now(UTC),
        )
        assert isinstance(outcome, Approved | Signed), outcome

    def refuse(self, request_id: str, name: str, reason: str) -> None:
        """Refuse with a reason."""
        outcome = refuse(
            self.session,
            self._opened,
            request_id=request_id,
            approver=self._person(name),
            actor=Actor(f"user:{name}"),
            asker_of=self._look_up,
            seen_digest=self.session.get_one(KeyRequest, request_id).wish_digest,
            reason=reason,
            submit=None,
            level=self.desk.issuer.audit_level,
            now=datetime.now(UTC),
        )
        assert isinstance(outcome, RequestRefused), outcome

    def say(self, request_id: str, name: str, text: str) -> None:
        """Add a line to the conversation."""
        outcome = say(
            self.session,
            self._opened,
            request_id=request_id,
            author=self._person(name),
            actor=Actor(f"user:{name}"),
            rights=Rights(frozenset({f"user:{name}"})),
            asker_of=self._look_up,
            text=text,
            submit=None,
            level=self.desk.issuer.audit_level,
            now=datetime.now(UTC),
        )
        assert isinstance(outcome, Said), outcome

    @property
    def _opened(self) -> InForce:
        opened = in_force(self.session)
        assert opened is not None
        return opened

    def _look_up(self, owner: str) -> Asker | None:
        return asker_of_owner(self.session, owner, self._opened.policy)

    def _person(self, name: str) -> Asker:
        person = self._look_up(f"user:{name}")
        assert person is not None
        return person


def _issue(session: Session, desk: Desk, name: str, scopes: list[str], days: int, *, environment: str = "dev") -> str:
    ttl_seconds = (days + 3) * 86_400 if days < 28 else 30 * 86_400
    wish = Wish("payments", environment, frozenset(scopes), ttl_seconds)
    return _ask(session, desk, name, wish, days_ago=3 if environment == "dev" else 0)


def _ask(session: Session, desk: Desk, name: str, wish: Wish, *, owner: str = "user:ben", days_ago: int = 0) -> str:
    now = datetime.now(UTC) - timedelta(days=days_ago)
    opened = in_force(session)
    assert opened is not None
    asker = asker_of_owner(session, owner, opened.policy)
    assert asker is not None
    person = session.query(Person).filter_by(name="ben").one()
    order = Order(name, wish, "To look into refunds.", Evidence({}), None, f"seed-{name}", person.id)
    outcome = ask(session, opened, asker=asker, actor=BEN, order=order, issuer=desk.issuer, now=now)
    assert isinstance(outcome, Issued | Pending), outcome
    return outcome.key_id if isinstance(outcome, Issued) else outcome.request_id


def _rotate(session: Session, desk: Desk, key_id: str) -> None:
    opened = in_force(session)
    assert opened is not None
    asker = asker_of_owner(session, "user:ben", opened.policy)
    assert asker is not None
    outcome = rotate(
        session,
        opened,
        key_id=key_id,
        asker=asker,
        actor=BEN,
        rights=Rights(frozenset({"user:ben"})),
        evidence=Evidence({}),
        submit=None,
        issuer=desk.issuer,
        now=datetime.now(UTC),
    )
    assert isinstance(outcome, Issued), outcome


def _use(session: Session, key_id: str) -> None:
    credential = session.query(Credential).filter_by(key_id=key_id).one().id
    now = datetime.now(UTC)
    for day in range(12):
        for code, calls in ((VerdictCode.OK, 900 + day * 137 % 700), (VerdictCode.RATE_LIMITED, day % 4)):
            if calls:
                at = now - timedelta(days=day, minutes=4)
                record_batch(session, [Calls(key_id, credential, code, calls, at, "10.2.0.7")])


class Browser:
    """A test client that fills in the form's token, as a browser does."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.token = ""

    def get(self, path: str, *, htmx: bool = False, **headers: str) -> TestResponse:
        response = self.client.get(path, headers={**({"HX-Request": "true"} if htmx else {}), **headers})
        found = re.search(r'name="csrf_token" value="([^"]+)"', response.text) if _is_page(response) else None
        self.token = found.group(1) if found else self.token
        return response

    def post(
        self,
        path: str,
        fields: Mapping[str, Sequence[str]] | None = None,
        *,
        htmx: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        data = {"csrf_token": self.token, **(fields or {})}
        return self.client.post(
            path, data=data, headers={**({"HX-Request": "true"} if htmx else {}), **(headers or {})}
        )

    def enter(self, name: str) -> None:
        """Come in as somebody without the costly check of a password."""
        engine = connect(address_of(self.client.application))
        with Session(engine) as session, session.begin():
            person = session.query(Person).filter_by(name=name).one()
            token = open_session(session, person, actor=Actor("user:" + name), now=datetime.now(UTC))
        engine.dispose()
        with self.client.session_transaction() as cookie:
            cookie["_user_id"] = token
        self.get("/me")

    def sign_in(self, name: str = "ben") -> TestResponse:
        self.get("/login")
        response = self.post("/login", {"name": name, "password": PASSWORDS[name]})
        self.get("/")
        return response


def _is_page(response: TestResponse) -> bool:
    return response.mimetype == "text/html"


def set_expiry(app: Flask, key_id: str, at: datetime) -> None:
    """Move the end of a key, as time would."""
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(update(Key).where(Key.id == key_id).values(expires_at=at))
        session.execute(update(Credential).where(Credential.key_id == key_id).values(expires_at=at))
    engine.dispose()
