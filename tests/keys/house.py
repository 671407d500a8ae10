"""A small policy in force, people who ask under it, and what issues: for the tests of keys."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keymgr.keys.ask import ask
from keymgr.keys.issuer import Issuer
from keymgr.keys.order import Order
from keymgr.keys.outcomes import AskOutcome, Issued
from keymgr.keys.rights import Rights
from keymgr.policy.decision import Explanation
from keymgr.policy.model import Asker, Evidence, FactValue, InForce, Policy, RateLimit, TokenForm, Wish
from keymgr.store.audit import Actor, AuditEvent, AuditLevel
from keymgr.store.base import Base
from keymgr.store.changes import Change
from keymgr.store.people import Person
from keymgr.store.policies import PolicyHead, PolicyRevision
from keymgr.tokens.signing import Algorithm
from keymgr.tokens.vault import Vault
from tests.policy.builders import DAY, LIMITS, a_person, a_policy, a_rule, a_wish, an_account, steps

NUMBERS = itertools.count(1)
Made = TypeVar("Made")
ISSUER = Issuer(
    url="https://keys.example.org",
    algorithm=Algorithm.ES256,
    token_form=TokenForm.JWT,
    secret_bytes=32,
    bound=True,
    enabled=True,
    pepper=b"p" * 32,
    vault=Vault({"first": b"k" * 32}, "first"),
    audit_level=AuditLevel.DETAILED,
    status_uri="https://keys.example.org/status-lists/1",
)
LEVEL = AuditLevel.DETAILED
LEAKED = "km_prod_01jdabcdefghjkmnpqrstvwxyz_" + "Ab3" * 16
POLICY = a_policy(
    a_rule("dev-read", scopes=["charges:read", "reports:read"]),
    a_rule(
        "staging-rotating",
        environments=["staging"],
        scopes=["charges:read"],
        limits=replace(
            LIMITS,
            default_ttl_seconds=90 * DAY,
            rotate_every_seconds=10 * DAY,
            rotation_overlap_seconds=2 * DAY,
            max_keys_per_owner=1,
        ),
    ),
    a_rule(
        "staging-opaque",
        environments=["staging"],
        scopes=["reports:read"],
        limits=replace(
            LIMITS,
            rotate_every_seconds=None,
            token=TokenForm.OPAQUE,
            rate_limits=(RateLimit("burst", 10, 1),),
            owner_rate_limits=(RateLimit("daily", 1000, DAY),),
            quota=RateLimit("monthly", 50_000, 30 * DAY),
        ),
    ),
    a_rule("prod-write", environments=["prod"], scopes=["charges:write"], approval=steps(2)),
)
ANA = a_person("ana")
CI = an_account("pay-ci")
BEN = a_person("ben")
ANAS_BROWSER = Actor("user:ana", "198.51.100.7", "a browser", "req-1")
ANAS = Rights(frozenset({ANA.id, CI.id}))
BENS = Rights(frozenset({BEN.id}))
ADMINS = Rights(frozenset({"user:root"}), admin=True)
NO_FACTS = Evidence({})
STAGING = a_wish("charges:read", environment="staging")
OPAQUE = a_wish("reports:read", environment="staging")
PROD = a_wish("charges:write", environment="prod")
FOREIGN = a_wish("refunds:write")


def put_in_force(session: Session, policy: Policy, now: datetime, documents: list[object] | None = None) -> InForce:
    """Store a revision and make it the one in force, as `apply` does, and commit."""
    revision = PolicyRevision(
        name=policy.name,
        digest=policy.digest,
        applied_at=now,
        applied_by="cli:test",
        app_version="0",
        documents=documents or [],
        summary={},
        commit="4f2c1ab",
    )
    session.add(revision)
    session.flush()
    head = session.get(PolicyHead, 1)
    if head is None:
        session.add(PolicyHead(id=1, revision_id=revision.id))
    else:
        head.revision_id = revision.id
    in_force = InForce(policy, revision.id, "4f2c1ab")
    session.commit()
    return in_force


def add_person(session: Session, name: str, now: datetime) -> str:
    session.add(Person(id=f"usr_{name}", name=name, display_name=name.title(), created_at=now))
    session.commit()
    return f"usr_{name}"


def an_order(
    wish: Wish | None = None,
    *,
    name: str = "checkout worker",
    nonce: str | None = None,
    person_id: str = "usr_ana",
    seen: int | None = None,
    facts: dict[str, FactValue] | None = None,
) -> Order:
    return Order(
        name=name,
        wish=wish or a_wish("charges:read"),
        justification="the checkout needs it",
        evidence=Evidence(facts or {"issuance.mfa": True, "issuance.groups": ("a", "b")}),
        seen_revision=seen,
        nonce=nonce or f"nonce-{next(NUMBERS)}",
        person_id=person_id,
    )


@dataclass(frozen=True)
class Counter:
    """Where keys are asked for in one line; it commits, as a door does."""

    session: Session
    in_force: InForce
    now: datetime
    issuer: Issuer = ISSUER

    def ask(self, order: Order | None = None, *, asker: Asker = ANA, now: datetime | None = None) -> AskOutcome:
        outcome = ask(
            self.session,
            self.in_force,
            asker=asker,
            actor=ANAS_BROWSER,
            order=order or an_order(),
            issuer=self.issuer,
            now=now or self.now,
        )
        self.session.commit()
        return outcome

    def issue(
        self,
        wish: Wish | None = None,
        *,
        name: str = "checkout worker",
        asker: Asker = ANA,
        now: datetime | None = None,
    ) -> Issued:
        outcome = self.ask(an_order(wish, name=name), asker=asker, now=now)
        assert isinstance(outcome, Issued), outcome
        return outcome


def story(session: Session, object_id: str | None = None) -> list[tuple[str, str]]:
    """What the trail tells, oldest first, of one object or of all but signing keys."""
    statement = select(AuditEvent).order_by(AuditEvent.id).where(AuditEvent.object_kind != "signing_key")
    events = session.scalars(statement).all()
    return [(event.action, event.outcome) for event in events if object_id in (None, event.object_id)]


def last_event(session: Session) -> AuditEvent:
    event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
    session.refresh(event)
    return event


def changes(session: Session) -> list[tuple[str, str]]:
    """What was announced, oldest first, but for signing keys."""
    rows = session.execute(select(Change.kind, Change.object_id).order_by(Change.id))
    return [(kind, object_id) for kind, object_id in rows if kind != "signing_key"]


def dump(session: Session) -> str:
    """Every row of every table as text, bytes as hexadecimal digits."""
    rows = (row for table in Base.metadata.sorted_tables for row in session.execute(select(table)))
    return "\n".join(value.hex() if isinstance(value, bytes) else str(value) for row in rows for value in row)


def at_once(engine: Engine, count: int, work: Callable[[Session], Made]) -> list[Made]:
    """Do the same in many threads, each with a session and a commit of its own."""

    def one(_: int) -> Made:
        with Session(engine) as session, session.begin():
            return work(session)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def answers(explanation: Explanation) -> list[str]:
    return [type(line.decision).__name__ for line in explanation.lines]


def later(moment: datetime, **span: float) -> datetime:
    return moment + timedelta(**span)
