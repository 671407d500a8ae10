"""An apply stops at a guard, an acknowledgement lets it through once, and keys follow a rule that was renamed."""

from collections.abc import Callable, Mapping
from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.policy.documents_set import ChangeGuard
from keymgr.policy.guards import Trip
from keymgr.reconcile.apply import Applied, ApplyOutcome, Blocked, apply_policy
from keymgr.store.audit import AuditEvent
from keymgr.store.keys import Key
from keymgr.store.policies import PolicyRevision, SpentAck
from keymgr.store.standing import KeyStanding
from tests.reconcile.small_policy import PLACE, REST, small_policy
from tests.reconcile.standing_house import add_keys, add_owners

SET = "metadata: {name: small, owner: payments}\nspec:\n"
GUARDS = SET + "  guards: {max_keys_losing_access: {count: LIMIT}}\n"
ACK = """
apiVersion: keymgr/v1
kind: ChangeAck
metadata: {name: NAME, owner: payments}
spec:
  guard: max_keys_losing_access
  max: MAX
  base: "BASE"
  expires_at: "EXPIRES"
  reason: told the owners
"""


def guarded(days: int, limit: int | None, **acks: str) -> dict[str, bytes]:
    """A policy whose keys may live so many days, that lets at most `limit` keys lose access."""
    rest = REST if limit is None else REST.replace(SET, GUARDS.replace("LIMIT", str(limit)))
    return (
        small_policy(days) | {"rest.yaml": rest.encode()} | {f"acks/{name}.yaml": acks[name].encode() for name in acks}
    )


def ack(base: str, most: int = 3, expires: str = "2026-12-01T00:00:00Z", name: str = "meant") -> str:
    written = ACK.replace("MAX", str(most)).replace("BASE", base)
    return written.replace("EXPIRES", expires).replace("NAME", name)


def apply(session: Session, files: Mapping[str, bytes], now: datetime) -> ApplyOutcome:
    session.rollback()
    with session.begin():
        return apply_policy(session, files, revision=None, ref=None, author=None, applied_by="cli:ana", now=now)


def applied(session: Session, files: Mapping[str, bytes], now: datetime) -> Applied:
    outcome = apply(session, files, now)
    assert isinstance(outcome, Applied), outcome
    return outcome


@pytest.fixture
def base(session: Session, now: datetime) -> Applied:
    """A policy in force that lets one key at most lose access, and three keys that live for sixty days."""
    add_owners(session, now, "ben")
    outcome = applied(session, guarded(90, 1), now)
    add_keys(session, outcome.revision, now, 3, owner="user:ben", service="ledger", scopes=["entries:read"], rule="a")
    return outcome


def verdicts(session: Session) -> list[str]:
    return list(session.scalars(select(KeyStanding.verdict)))


def test_too_many_keys_that_would_lose_access_stop_the_apply(session: Session, base: Applied, now: datetime) -> None:
    outcome = apply(session, guarded(30, 1), now)
    assert isinstance(outcome, Blocked)
    trips = {trip.guard: (trip.value, trip.limit) for trip in outcome.report.blocking}
    assert trips[ChangeGuard.MAX_KEYS_LOSING_ACCESS] == (3, 1)
    assert outcome.base_digest == base.digest
    assert verdicts(session) == []
    assert session.scalars(select(PolicyRevision.id)).all() == [base.revision]


def test_the_guards_in_force_count_where_the_proposed_ones_are_looser(
    session: Session, base: Applied, now: datetime
) -> None:
    for looser in (guarded(30, 100), guarded(30, None)):
        outcome = apply(session, looser, now)
        assert isinstance(outcome, Blocked)
        assert {trip.guard for trip in outcome.report.blocking} >= {
            ChangeGuard.MAX_KEYS_LOSING_ACCESS,
            ChangeGuard.GUARDS_LOOSENED,
        }
    assert base.changed


def test_the_proposed_guards_count_where_they_are_stricter(session: Session, now: datetime) -> None:
    add_owners(session, now, "ben")
    first = applied(session, guarded(90, None), now)
    add_keys(session, first.revision, now, 2, owner="user:ben", service="ledger", scopes=["entries:read"], rule="a")
    assert isinstance(apply(session, guarded(30, 1), now), Blocked)


def acknowledged(outcome: ApplyOutcome) -> dict[str, bytes]:
    """The files that the printed guards ask for, one for each."""
    assert isinstance(outcome, Blocked)
    return {f"acks/{trip.guard}.yaml": _for(trip, outcome.base_digest).encode() for trip in outcome.report.blocking}


def _for(trip: Trip, base: str) -> str:
    written = ack(base, trip.value, name=trip.guard.value.replace("_", "-"))
    return written.replace("guard: max_keys_losing_access", f"guard: {trip.guard}")


def test_an_acknowledgement_lets_the_change_through_and_is_spent(
    session: Session, base: Applied, now: datetime
) -> None:
    acks = acknowledged(apply(session, guarded(30, 1), now))
    outcome = applied(session, guarded(30, 1) | acks, now)
    assert verdicts(session) == ["violates"] * 3
    spent = session.scalars(select(SpentAck)).all()
    assert len(spent) == len(acks)
    assert {(row.guard, row.revision_id) for row in spent} >= {("max_keys_losing_access", outcome.revision)}
    detail = session.scalars(select(AuditEvent.detail).where(AuditEvent.action == "policy.applied")).all()[-1]
    assert detail["keys"] == {"breaks": 3}
    assert "max_keys_losing_access" in detail["acknowledged"]
    back = applied(session, guarded(90, 1), now)
    assert back.digest == base.digest
    assert verdicts(session) == ["ok"] * 3
    assert isinstance(apply(session, guarded(30, 1) | acks, now), Blocked)


@pytest.mark.parametrize(
    "unfit",
    [
        lambda base: ack(base, 2),
        lambda base: ack(base, expires="2026-11-22T10:00:00Z"),
        lambda base: ack(base.replace(base[-20:], "0" * 20)),
    ],
    ids=["too small", "over", "another base"],
)
def test_an_acknowledgement_that_does_not_fit_helps_nothing(
    session: Session, base: Applied, now: datetime, unfit: Callable[[str], str]
) -> None:
    acks = acknowledged(apply(session, guarded(30, 1), now))
    acks["acks/max_keys_losing_access.yaml"] = unfit(base.digest).encode()
    outcome = apply(session, guarded(30, 1) | acks, now)
    assert isinstance(outcome, Blocked)
    assert [trip.guard for trip in outcome.report.blocking] == [ChangeGuard.MAX_KEYS_LOSING_ACCESS]
    assert session.scalars(select(SpentAck)).all() == []


def test_keys_follow_a_rule_to_its_new_name(session: Session, base: Applied, now: datetime) -> None:
    files = guarded(90, 1)
    renamed = files[PLACE].replace(b"name: a,", b"name: z, previously: [a],")
    tested = files["rest.yaml"].replace(b"rule: a}", b"rule: z}")
    outcome = applied(session, files | {PLACE: renamed, "rest.yaml": tested}, now)
    assert outcome.revision == base.revision + 1
    assert session.scalars(select(Key.rule)).all() == ["z"] * 3
    assert verdicts(session) == []
