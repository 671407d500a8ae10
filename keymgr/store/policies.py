"""Tables of applied policy: revisions with their snapshots, the head, and every attempt."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from keymgr.store.base import Record


class PolicyRevision(Record):
    """One applied state of the YAML. `documents` is the snapshot `reconcile` compiles from; rows never change."""

    __tablename__ = "policy_revision"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's own way; a number never comes twice.

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(80), index=True)
    applied_at: Mapped[datetime]
    applied_by: Mapped[str] = mapped_column(String(200))
    app_version: Mapped[str] = mapped_column(String(40))
    documents: Mapped[list[Any]]
    summary: Mapped[dict[str, Any]]
    commit: Mapped[str | None] = mapped_column(String(64), default=None)
    ref: Mapped[str | None] = mapped_column(String(200), default=None)
    author: Mapped[str | None] = mapped_column(String(320), default=None)
    signer: Mapped[str | None] = mapped_column(String(320), default=None)
    rollback_of: Mapped[int | None] = mapped_column(default=None)


class PolicyHead(Record):
    """Which revision is in force; exactly one row once something has been applied.

    After a rollback the set is pinned for `pinned_reason`, and `bad_digest` is refused until the pin is taken off.
    """

    __tablename__ = "policy_head"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision_id: Mapped[int] = mapped_column(ForeignKey("policy_revision.id"))
    pinned_reason: Mapped[str | None] = mapped_column(String(500), default=None)
    bad_digest: Mapped[str | None] = mapped_column(String(80), default=None)


class PolicyAttempt(Record):
    """One run of apply, successful or not: `result_code` is the exit code it ended with."""

    __tablename__ = "policy_attempt"

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None] = mapped_column(default=None)
    commit: Mapped[str | None] = mapped_column(String(64), default=None)
    digest: Mapped[str | None] = mapped_column(String(80), default=None)
    result_code: Mapped[int | None] = mapped_column(default=None)
    message: Mapped[str] = mapped_column(Text, default="")


class SpentAck(Record):
    """A ChangeAck that has excused a guard once; `ack_digest` is over its content, so a copy does not help."""

    __tablename__ = "spent_ack"

    ack_digest: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    guard: Mapped[str] = mapped_column(String(64))
    revision_id: Mapped[int] = mapped_column(ForeignKey("policy_revision.id"))


class PolicyOverride(Record):
    """An emergency narrowing made in the portal: what `target` names is not issued until `expires_at` or `lifted_at`.

    `kind` is service, scope or team; `target` its name, for a scope `service/scope`.
    """

    __tablename__ = "policy_override"
    __table_args__ = (CheckConstraint("kind in ('service', 'scope', 'team')", name="kind"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    target: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(80))
    expires_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None] = mapped_column(default=None)
    lifted_by: Mapped[str | None] = mapped_column(String(80), default=None)


class PlanCredential(Record):
    """What a pull-request job presents to ask for a plan; it can do nothing else."""

    __tablename__ = "plan_credential"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(80))
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)


class ForgeDelivery(Record):
    """A webhook delivery that was seen, so that a replay does nothing; old rows are swept by the clock."""

    __tablename__ = "forge_delivery"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(index=True)
