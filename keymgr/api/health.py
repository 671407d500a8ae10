"""Is this process alive, and is it ready to work: for load balancers and people with a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime

from flask import Blueprint, Response
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from keymgr.api.answer import json_answer
from keymgr.api.desk import Desk
from keymgr.store.leases import Lease
from keymgr.store.migrate import head
from keymgr.store.policies import PolicyHead

CLOCK_LEASE = "clock"
_OK = "ok"
_NEEDED = ("database", "migrations", "policy")


def add_health(blueprint: Blueprint, desk: Desk) -> None:
    """Add the two health checks to the machine's door."""
    newest = head()

    @blueprint.get("/healthz")
    def show_health() -> Response:
        """Say that this process answers; it asks nothing else."""
        return json_answer(200, {"status": _OK}).to_flask()

    @blueprint.get("/readyz")
    def show_readiness() -> Response:
        """Say whether requests should be sent here. A late clock is told, but takes no node out of service."""
        checks = _checks(desk, newest, datetime.now(UTC))
        ready = all(checks.get(name) == _OK for name in _NEEDED)
        answer = json_answer(200 if ready else 503, {"status": _OK if ready else "not_ready", "checks": checks})
        return (answer if ready else answer.with_headers(("Retry-After", "5"))).to_flask()


def _checks(desk: Desk, newest: str, now: datetime) -> Mapping[str, str]:
    try:
        with desk.reading() as session:
            at = session.scalar(text("select version_num from alembic_version"))
            if at != newest:
                return {"database": _OK, "migrations": "pending"}
            return {"database": _OK, "migrations": _OK, "policy": _policy(session), "worker": _worker(session, now)}
    except SQLAlchemyError:
        return {"database": "unreachable"}


def _policy(session: Session) -> str:
    return "none_applied" if session.scalar(select(PolicyHead.revision_id)) is None else _OK


def _worker(session: Session, now: datetime) -> str:
    until = session.scalar(select(Lease.until).where(Lease.name == CLOCK_LEASE))
    return _OK if until is not None and until > now else "late"
