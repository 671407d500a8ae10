"""Keys as rows, with any terms and in any state, and a verifier over them: for the tests of verification."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from limits.storage import Storage
from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from keymgr.keys.flush import UsageBuffer
from keymgr.keys.issuer import Issuer
from keymgr.keys.known import Known, know, know_signing_keys
from keymgr.keys.limiting import Limiter
from keymgr.keys.mint import fresh_id
from keymgr.keys.signatures import Signatures
from keymgr.keys.signing_keys import ensure_active
from keymgr.keys.usage import Calls
from keymgr.keys.verdict import Question
from keymgr.keys.verify import KeyStates, Verifier
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.counters import SharedCounters, counters_url
from keymgr.store.key_states import SqliteKeyStates
from keymgr.store.key_states_postgresql import PostgresqlKeyStates
from keymgr.store.keys import Credential, Key
from keymgr.store.people import Person, ServiceAccount
from keymgr.store.policies import PolicyRevision
from keymgr.tokens.claims import Claims
from keymgr.tokens.opaque import render
from keymgr.tokens.secret import digest, mint
from keymgr.tokens.wrap import wrap
from tests.keys.house import ISSUER

NUMBERS = itertools.count()
HOUR = timedelta(hours=1)
Limit = tuple[str, int, int]


@dataclass(frozen=True)
class Given:
    """A key that exists, and the text that was shown once."""

    key_id: str
    credential_id: str
    token: str
    secret: str
    claims: Claims


@dataclass
class Verifying:
    """A verifier over a fresh database, and what it wrote of usage."""

    engine: Engine
    now: datetime
    counters: Storage
    issuer: Issuer = ISSUER
    written: list[Calls] = field(default_factory=list)
    leeway_seconds: int = 30

    def open(self) -> Verifier:
        """A verifier as another process would have it: its own caches and connections."""
        return Verifier(
            states=open_states(self.engine, self.issuer),
            limiter=Limiter(self.counters),
            signatures=Signatures(
                issuer=self.issuer.url, pepper=self.issuer.pepper, leeway_seconds=self.leeway_seconds
            ),
            usage=UsageBuffer(self.written.extend, interval_seconds=3600),
            bound=self.issuer.bound,
        )


def open_states(engine: Engine, issuer: Issuer = ISSUER) -> KeyStates:
    read_signing_keys = partial(know_signing_keys, vault=issuer.vault)
    if engine.dialect.name == "postgresql":
        return PostgresqlKeyStates[Known](engine, read_credential=know, read_signing_keys=read_signing_keys)
    path = Path(str(engine.url.database))
    return SqliteKeyStates[Known](path, read_credential=know, read_signing_keys=read_signing_keys)


def open_counters(path: Path) -> SharedCounters:
    return SharedCounters(counters_url(path))


def limit(*limits: Limit) -> list[dict[str, object]]:
    return [{"name": name, "requests": requests, "per_seconds": seconds} for name, requests, seconds in limits]


def add_owner(session: Session, owner: str, now: datetime) -> None:
    kind, _, name = owner.partition(":")
    if kind == "user":
        session.add(Person(id=fresh_id("usr", now), name=name, display_name=name, created_at=now))
    else:
        session.add(ServiceAccount(id=fresh_id("sva", now), name=name, team="payments", created_at=now))
    session.commit()


def add_revision(session: Session, now: datetime) -> int:
    revision = PolicyRevision(
        name="acme",
        digest="sha256:abc",
        applied_at=now,
        applied_by="cli:test",
        app_version="0",
        documents=[],
        summary={},
    )
    session.add(revision)
    session.commit()
    return revision.id


def add_key(
    session: Session,
    now: datetime,
    revision_id: int,
    *,
    owner: str = "user:ana",
    service: str = "payments-api",
    environment: str = "prod",
    scopes: Sequence[str] = ("charges:read", "charges:write"),
    cidrs: Sequence[str] = (),
    rate_limits: Sequence[Limit] = (),
    owner_rate_limits: Sequence[Limit] = (),
    quota: Limit | None = None,
    form: str = "jwt",
    rule: str = "payments-prod",
    expires_in: timedelta = 24 * HOUR,
    credential_expires_in: timedelta | None = None,
    issuer: Issuer = ISSUER,
) -> Given:
    """Store a key as issuing does, and return its token; committed and announced."""
    key = Key(
        id=fresh_id("key", now), name="a key", owner=owner, service=service, environment=environment,
        scopes=list(scopes), cidrs=list(cidrs),
        terms={
            "rate_limits": limit(*rate_limits), "owner_rate_limits": limit(*owner_rate_limits),
            "quota": None if quota is None else limit(quota)[0], "rotate_every_seconds": None,
            "rotation_overlap_seconds": 0, "idle_expiry_seconds": None,
        },
        token_form=form, created_at=now, created_by=owner, expires_at=now + expires_in, rule=rule,
        rule_source="rules.yaml:1:1", revision_id=revision_id, evidence={},
    )  # fmt: skip
    session.add(key)
    session.flush()
    given = add_credential(
        session, key, now, generation=1, expires_at=now + (credential_expires_in or expires_in), issuer=issuer
    )
    session.commit()
    return given


def add_credential(
    session: Session, key: Key, now: datetime, *, generation: int, expires_at: datetime, issuer: Issuer = ISSUER
) -> Given:
    secret = mint(32)
    signing_key = ensure_active(session, issuer, now)
    credential = Credential(
        id=fresh_id("crd", now), key_id=key.id, generation=generation, secret_digest=digest(secret, issuer.pepper),
        status_index=next(NUMBERS), issued_at=now, expires_at=expires_at,
        signing_kid=None if key.token_form == "opaque" else signing_key.kid,
    )  # fmt: skip
    session.add(credential)
    session.flush()
    claims = Claims(
        issuer=issuer.url, subject=key.owner, audience=key.service, client_id=key.id, credential_id=credential.id,
        scopes=frozenset(key.scopes), environment=key.environment, issued_at=int(now.timestamp()),
        not_before=int(now.timestamp()), expires_at=int(expires_at.timestamp()), status_index=0,
        status_uri=issuer.status_uri, policy="abc:rule", secret=secret,
    )  # fmt: skip
    opaque = key.token_form == "opaque"
    token = render(key.environment, credential.id, secret) if opaque else wrap(claims, signing_key)
    announce(session, ChangeKind.KEY, key.id, now)
    return Given(key.id, credential.id, token, secret, claims)


def resigned(session: Session, given: Given, now: datetime, **other: object) -> str:
    """The same token, signed by our own key, but saying something else: what a stolen signing key could make."""
    return wrap(replace(given.claims, **other), ensure_active(session, ISSUER, now))  # type: ignore[arg-type]  # fields by name.


def set_key(session: Session, given: Given, now: datetime, **values: object) -> None:
    session.execute(update(Key).where(Key.id == given.key_id).values(**values))
    announce(session, ChangeKind.KEY, given.key_id, now)
    session.commit()


def set_credential(session: Session, given: Given, now: datetime, **values: object) -> None:
    session.execute(update(Credential).where(Credential.id == given.credential_id).values(**values))
    announce(session, ChangeKind.KEY, given.key_id, now)
    session.commit()


def asked(given: Given | str, **other: object) -> Question:
    token = given if isinstance(given, str) else given.token
    return replace(Question(token, "payments-api"), **other)  # type: ignore[arg-type]  # fields by name.


@dataclass(frozen=True)
class Shop:
    """A committed place for keys: a revision, two owners, one moment."""

    session: Session
    now: datetime
    revision: int

    def key(self, **other: Any) -> Given:  # noqa: ANN401 - the terms of add_key, by name.
        return add_key(self.session, self.now, self.revision, **other)

    def change_key(self, given: Given, **values: object) -> None:
        set_key(self.session, given, self.now, **values)

    def change_credential(self, given: Given, **values: object) -> None:
        set_credential(self.session, given, self.now, **values)

    def resigned(self, given: Given, **other: object) -> str:
        return resigned(self.session, given, self.now, **other)

    def announce(self, kind: ChangeKind, object_id: str) -> None:
        announce(self.session, kind, object_id, self.now)
        self.session.commit()


def open_shop(session: Session, now: datetime) -> Shop:
    add_owner(session, "user:ana", now)
    add_owner(session, "svc:pay-ci", now)
    return Shop(session, now, add_revision(session, now))
