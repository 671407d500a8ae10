"""Policy control as a door does it: each call is one transaction of its own."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from keymgr.policy.documents import Document
from keymgr.policy.load import Loaded, load
from keymgr.reconcile.apply import Applied, ApplyOutcome, Expectation, apply_policy
from keymgr.reconcile.live import in_force
from keymgr.reconcile.rollback import RollbackOutcome, RolledBack, Unpinned, roll_back, unpin
from keymgr.store.policies import PolicyRevision

GUARDED = "  guards: {always_ack: [guardrail_removed]}\n"
GUARDRAIL = b"""
apiVersion: keymgr/v1
kind: Guardrail
metadata: {name: ceiling, owner: payments}
spec:
  applies_to: {services: [ledger]}
  enforcement: enforce
  ceilings: {max_ttl: 90d}
"""


def apply(
    engine: Engine,
    files: Mapping[str, bytes],
    now: datetime,
    *,
    label: str | None = "c0ffee",
    expect: Expectation | None = None,
    signer: str | None = None,
) -> ApplyOutcome:
    with Session(engine) as session, session.begin():
        return apply_policy(
            session,
            files,
            revision=label,
            ref="main",
            author="Ana <ana@example.org>",
            signer=signer,
            applied_by="cli:ana",
            now=now,
            expect=expect,
            wait_seconds=5,
        )


def applied(outcome: ApplyOutcome) -> Applied:
    assert isinstance(outcome, Applied), outcome
    return outcome


def rollback(
    engine: Engine,
    to: int,
    now: datetime,
    *,
    acks: Iterable[Document] = (),
    reason: str = "it broke",
    wait_seconds: float = 5,
) -> RollbackOutcome:
    with Session(engine) as session, session.begin():
        return roll_back(
            session, to=to, reason=reason, applied_by="cli:ana", now=now, acks=acks, wait_seconds=wait_seconds
        )


def rolled_back(outcome: RollbackOutcome) -> RolledBack:
    assert isinstance(outcome, RolledBack), outcome
    return outcome


def take_pin_off(engine: Engine, now: datetime) -> Unpinned:
    with Session(engine) as session, session.begin():
        return unpin(session, actor="cli:ana", now=now)


def days_in_force(engine: Engine) -> int | None:
    with Session(engine) as session:
        live = in_force(session)
        return None if live is None else live.policy.rules["a"].limits.max_ttl_seconds // 86_400


def an_ack(guard: str, base: str, *, name: str = "once") -> tuple[Document, ...]:
    text = f"""
apiVersion: keymgr/v1
kind: ChangeAck
metadata: {{name: {name}, owner: payments}}
spec: {{guard: {guard}, max: 5, base: "{base}", expires_at: "2026-12-01T00:00:00Z", reason: wanted}}
"""
    found = load({"ack.yaml": text.encode()})
    assert isinstance(found, Loaded), found
    return found.documents


def tamper(engine: Engine, revision: int, *, days: int, digest: str | None = None) -> None:
    """Change a stored rule behind everybody's back, as somebody with the database's password could."""
    with Session(engine) as session, session.begin():
        row = session.get_one(PolicyRevision, revision)
        documents = [dict(entry) for entry in row.documents]
        for entry in documents:
            if entry["kind"] == "IssuanceRule":
                data = entry["data"]
                limits = data["spec"]["limits"] | {"max_ttl": f"{days}d"}
                entry["data"] = data | {"spec": data["spec"] | {"limits": limits}}
        changed = {"documents": documents} | ({} if digest is None else {"digest": digest})
        session.execute(update(PolicyRevision).where(PolicyRevision.id == revision).values(**changed))
