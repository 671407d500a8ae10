"""What services present when they ask us to verify: made, listed and revoked by admins."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.issuer import Issuer
from keymgr.keys.mint import fresh_id
from keymgr.keys.outcomes import NotNow, NotYours
from keymgr.keys.trail import Event, tell
from keymgr.policy.model import InForce
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.changes import ChangeKind, announce
from keymgr.store.keys import ServiceCredential
from keymgr.tokens.opaque import render_service_credential
from keymgr.tokens.secret import digest, mint


@dataclass(frozen=True, slots=True)
class Created:
    """A service may ask from now on; `credential` is shown once and kept nowhere."""

    credential_id: str
    service: str
    credential: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """One service credential as lists show it."""

    credential_id: str
    service: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The service credential is revoked; from the commit on its calls are refused."""

    credential_id: str


def create_service_credential(
    session: Session, in_force: InForce | None, *, service: str, actor: Actor, issuer: Issuer, now: datetime
) -> Created | NotNow:
    """Make a credential for a service of the policy in force; the door has checked that the actor is an admin."""
    if in_force is None or service not in in_force.policy.services:
        return NotNow(f"The policy in force has no service {service}. Add it to the policy first, then create this.")
    secret = mint(issuer.secret_bytes)
    credential_id = fresh_id("svc", now)
    row = ServiceCredential(
        id=credential_id,
        service=service,
        secret_digest=digest(secret, issuer.pepper),
        created_at=now,
        created_by=actor.id,
    )
    session.add(row)
    session.flush()
    event = Event("service_credential.created", "service_credential", credential_id, {"service": service})
    tell(session, issuer.audit_level, actor, now, event)
    announce(session, ChangeKind.SERVICE_CREDENTIAL, credential_id, now)
    return Created(credential_id, service, render_service_credential(credential_id, secret))


def list_service_credentials(session: Session) -> tuple[Listed, ...]:
    """List all, revoked ones too, by service and age."""
    columns = (
        ServiceCredential.id,
        ServiceCredential.service,
        ServiceCredential.created_at,
        ServiceCredential.created_by,
        ServiceCredential.revoked_at,
    )
    statement = select(*columns).order_by(ServiceCredential.service, ServiceCredential.created_at, ServiceCredential.id)
    return tuple(Listed(*row) for row in session.execute(statement))


def revoke_service_credential(
    session: Session, *, credential_id: str, actor: Actor, level: AuditLevel, now: datetime
) -> Ended | NotYours | NotNow:
    """Revoke one; the door has checked that the actor is an admin."""
    statement = select(ServiceCredential).where(ServiceCredential.id == credential_id).with_for_update()
    row = session.scalar(statement.execution_options(populate_existing=True))
    if row is None:
        return NotYours()
    if row.revoked_at is not None:
        return NotNow(f"The credential {credential_id} of {row.service} is already revoked. There is nothing to do.")
    row.revoked_at = now
    session.flush()
    event = Event("service_credential.revoked", "service_credential", credential_id, {"service": row.service})
    tell(session, level, actor, now, event)
    announce(session, ChangeKind.SERVICE_CREDENTIAL, credential_id, now)
    return Ended(credential_id)
