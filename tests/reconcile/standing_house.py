"""Live keys whose owners belong to teams, policies that follow each other, and a clock that is moved by hand."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from keymgr.people.enrol import set_person_state
from keymgr.policy.model import ExistingKeys, InForce, OwnerExit, Policy, ViolationAction
from keymgr.reconcile.drain import Drained, drain
from keymgr.reconcile.effects_of_apply import after_apply
from keymgr.reconcile.reevaluate import Place, reevaluate
from keymgr.reconcile.settle import Clockwork
from keymgr.reconcile.standings import Noted
from keymgr.store.audit import Actor, AuditEvent, AuditLevel
from keymgr.store.changes import Change
from keymgr.store.keys import Credential, Key
from keymgr.store.people import Person, PersonState, ServiceAccount
from keymgr.store.standing import Effect, KeyStanding
from tests.keys.house import put_in_force
from tests.policy.builders import DAY, LIMITS, a_policy, a_rule

NUMBERS = itertools.count(1)
GRACE = timedelta(days=14)
ROOT = Actor("user:root")


def a_set(
    days: int = 90,
    *,
    follows: ExistingKeys | None = None,
    members: Iterable[str] = ("ana",),
    on_exit: OwnerExit = OwnerExit.SUSPEND,
    scopes: Iterable[str] = ("charges:read",),
    digest: str = "",
) -> Policy:
    """A policy with one rule, "dev", that lets the members of payments hold keys for so many days."""
    lasting = replace(LIMITS, max_ttl_seconds=days * DAY)
    follows = follows or ExistingKeys(ViolationAction.FLAG, 14 * DAY)
    rule = replace(a_rule("dev", limits=lasting, existing_keys=follows, scopes=scopes), on_owner_exit=on_exit)
    policy = replace(a_policy(rule), existing_keys=follows, digest=digest or f"sha256:{days}-{follows.on_violation}")
    team = replace(policy.teams["payments"], members=frozenset(members))
    return replace(policy, teams={**policy.teams, "payments": team})


def then(action: ViolationAction, days: int = 14) -> ExistingKeys:
    return ExistingKeys(action, days * DAY)


@dataclass
class Town:
    """A database with one policy after the other; every step is one commit, as a door makes it."""

    session: Session
    in_force: InForce
    place: Place | None = None

    def apply(self, policy: Policy, now: datetime) -> Noted:
        before = self.in_force.policy
        self.in_force = put_in_force(self.session, policy, now)
        noted = after_apply(self.session, before, policy, self.in_force.revision, now)
        self.session.commit()
        return noted

    def tick(self, now: datetime) -> tuple[Noted, Drained]:
        """One beat of the clock: look at what is due, empty the outbox."""
        total = Noted()
        while True:
            work = Clockwork(self.session, self.in_force, AuditLevel.BASIC, now)
            self.place, noted = reevaluate(work, self.place)
            drained = drain(work, most=10_000)
            self.session.commit()
            total += noted
            if self.place.after is None:
                return total, drained

    def standing(self, key_id: str) -> KeyStanding | None:
        return self.session.get(KeyStanding, key_id, populate_existing=True)

    def verdict(self, key_id: str) -> str:
        row = self.standing(key_id)
        return "ok" if row is None else row.verdict

    def key(self, key_id: str) -> Key:
        return self.session.get_one(Key, key_id, populate_existing=True)

    def state(self, key_id: str) -> str:
        return self.key(key_id).state

    def story(self, key_id: str) -> list[tuple[str, str]]:
        rows = self.session.execute(
            select(AuditEvent.actor, AuditEvent.action).where(AuditEvent.object_id == key_id).order_by(AuditEvent.id)
        )
        return [(actor, action) for actor, action in rows]

    def effects(self) -> list[tuple[str, bool]]:
        rows = self.session.execute(select(Effect.kind, Effect.done_at).order_by(Effect.id))
        return [(kind, done_at is not None) for kind, done_at in rows]

    def announced(self) -> list[str]:
        return list(self.session.scalars(select(Change.object_id).order_by(Change.id)))

    def set_person(self, name: str, state: PersonState, now: datetime) -> None:
        person = self.session.scalars(select(Person).where(Person.name == name)).one()
        set_person_state(self.session, person, state, actor=ROOT, now=now)
        self.session.commit()

    def change_key(self, key_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table.
        self.session.execute(update(Key).where(Key.id == key_id).values(**values))
        self.session.commit()


def add_owners(session: Session, now: datetime, *names: str) -> None:
    for name in names:
        session.add(Person(id=f"usr_{name}", name=name, display_name=name.title(), created_at=now))
    session.add(ServiceAccount(id="sva_ci", name="ci", team="payments", created_at=now))
    session.commit()


def add_keys(session: Session, revision: int, now: datetime, count: int = 1, **other: Any) -> list[str]:  # noqa: ANN401 - columns of the table.
    """Store keys for 60 days, as issuing does, with a credential each."""
    rows: list[dict[str, Any]] = []
    for number in itertools.islice(NUMBERS, count):
        row = {
            "id": f"key_{number:026d}", "name": f"key {number}", "owner": "user:ana", "service": "payments",
            "environment": "dev", "scopes": ["charges:read"], "cidrs": [], "terms": {}, "token_form": "jwt",
            "created_at": now, "created_by": "user:ana", "expires_at": now + timedelta(days=60), "rule": "dev",
            "rule_source": "rules/dev.yaml:1:1", "revision_id": revision, "evidence": {"facts": {}, "keys_held": 0},
            "state": "active",
        }  # fmt: skip
        rows.append(row | other)
    session.execute(insert(Key), rows)
    session.execute(insert(Credential), [_credential(row) for row in rows])
    session.commit()
    return [row["id"] for row in rows]


def _credential(row: dict[str, Any]) -> dict[str, Any]:
    number = int(row["id"].removeprefix("key_"))
    return {
        "id": f"crd_{number:026d}", "key_id": row["id"], "generation": 1, "status_index": number,
        "secret_digest": number.to_bytes(32, "big"), "issued_at": row["created_at"], "expires_at": row["expires_at"],
        "state": "current",
    }  # fmt: skip
