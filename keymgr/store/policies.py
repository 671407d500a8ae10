"""Tables of applied policy: revisions with their snapshots, the head, and every attempt."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
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


class PolicyHead(Record):
    """Which revision is in force; exactly one row once something has been applied."""

    __tablename__ = "policy_head"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision_id: Mapped[int] = mapped_column(ForeignKey("policy_revision.id"))


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
