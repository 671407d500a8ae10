"""What pull-request jobs present to ask for a plan: made, listed, recognised and revoked; good for nothing else."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.trail import Event, tell
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.policies import PlanCredential
from keymgr.tokens.identifiers import new_id
from keymgr.tokens.opaque import recognise_plan_credential, render_plan_credential
from keymgr.tokens.secret import digest, matches, mint

NAME_LENGTH = 100
_KIND = "plan_credential"


@dataclass(frozen=True, slots=True)
class Made:
    """A job may ask from now on; `credential` is shown once and kept nowhere."""

    credential_id: str
    name: str
    credential: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """One plan credential as lists show it."""

    credential_id: str
    name: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NotDone:
    """Nothing was changed; the sentence says why and what to do."""

    sentence: str


def create_plan_credential(
    session: Session, *, name: str, actor: Actor, pepper: bytes, level: AuditLevel, now: datetime
) -> Made | NotDone:
    """Make a credential; `name` says in lists and in the audit trail what it is for."""
    name = name.strip()
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        return NotDone(f"A name is one line of 1 to {NAME_LENGTH} characters, such as the repository it is for.")
    credential_id, secret = new_id("pln", now, secrets.token_bytes(10)), mint()
    row = PlanCredential(
        id=credential_id, name=name, secret_digest=digest(secret, pepper), created_at=now, created_by=actor.id
    )
    session.add(row)
    session.flush()
    tell(session, level, actor, now, Event("plan_credential.created", _KIND, credential_id, {"name": name}))
    return Made(credential_id, name, render_plan_credential(credential_id, secret))


def list_plan_credentials(session: Session) -> tuple[Listed, ...]:
    """List all, revoked ones too, by age."""
    columns = (
        PlanCredential.id,
        PlanCredential.name,
        PlanCredential.created_at,
        PlanCredential.created_by,
        PlanCredential.revoked_at,
    )
    statement = select(*columns).order_by(PlanCredential.created_at, PlanCredential.id)
    return tuple(Listed(*row) for row in session.execute(statement))


def revoke_plan_credential(
    session: Session, *, credential_id: str, actor: Actor, level: AuditLevel, now: datetime
) -> NotDone | None:
    """Revoke one; None when it is done, and from the commit on its calls are refused."""
    statement = select(PlanCredential).where(PlanCredential.id == credential_id).with_for_update()
    row = session.scalar(statement.execution_options(populate_existing=True))
    if row is None:
        return NotDone(f"There is no plan credential {credential_id}. `keymgr policy credential list` shows them all.")
    if row.revoked_at is not None:
        return NotDone(f"The plan credential {credential_id} is already revoked. There is nothing to do.")
    row.revoked_at = now
    session.flush()
    tell(session, level, actor, now, Event("plan_credential.revoked", _KIND, credential_id, {"name": row.name}))
    return None


def recognise_job(session: Session, text: str, pepper: bytes) -> str | None:
    """Return the id of the credential that this text is, None when it is none or one that is revoked."""
    opaque = recognise_plan_credential(text)
    if opaque is None:
        return None
    columns = select(PlanCredential.secret_digest, PlanCredential.revoked_at)
    row = session.execute(columns.where(PlanCredential.id == opaque.credential_id)).one_or_none()
    if row is None or not matches(opaque.secret, row.secret_digest, pepper) or row.revoked_at is not None:
        return None
    return opaque.credential_id
