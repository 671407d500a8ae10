"""Tables of how live keys stand against the policy, of past decisions, and of effects that are still to happen."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from keymgr.store.base import Record


class KeyStanding(Record):
    """The last verdict on a live key. `since` is the start of the unbroken violation: a new reason restarts nothing.

    `due_at` is when `action` happens if it still does not fit then; `acted_at` when it did.
    """

    __tablename__ = "key_standing"
    __table_args__ = (
        CheckConstraint("verdict in ('ok', 'ok_by_another_rule', 'violates', 'unknown', 'exempt')", name="verdict"),
        CheckConstraint("action is null or action in ('flag', 'suspend', 'expire', 'revoke')", name="action"),
    )

    key_id: Mapped[str] = mapped_column(ForeignKey("api_key.id"), primary_key=True)
    verdict: Mapped[str] = mapped_column(String(24), index=True)
    reasons: Mapped[list[Any]]
    rule: Mapped[str | None] = mapped_column(String(64))
    revision_id: Mapped[int] = mapped_column(ForeignKey("policy_revision.id"))
    checked_at: Mapped[datetime]
    since: Mapped[datetime | None] = mapped_column(default=None)
    action: Mapped[str | None] = mapped_column(String(16), default=None)
    due_at: Mapped[datetime | None] = mapped_column(default=None, index=True)
    acted_at: Mapped[datetime | None] = mapped_column(default=None)


class PastDecision(Record):
    """One answer of `ask` with all that it was decided from, so that it can be replayed under another policy."""

    __tablename__ = "past_decision"
    __table_args__ = (CheckConstraint("outcome in ('allowed', 'needs_approval', 'denied')", name="outcome"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    at: Mapped[datetime] = mapped_column(index=True)
    asker: Mapped[dict[str, Any]]
    wish: Mapped[dict[str, Any]]
    evidence: Mapped[dict[str, Any]]
    outcome: Mapped[str] = mapped_column(String(16))
    rule: Mapped[str | None] = mapped_column(String(64))
    revision_id: Mapped[int] = mapped_column(ForeignKey("policy_revision.id"))


class Effect(Record):
    """An outbox row: something to do after the commit, retried until `done_at`; `idempotency_key` makes it once."""

    __tablename__ = "effect"
    __table_args__ = (Index("ix_effect_due", "done_at", "next_at"),)

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    idempotency_key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(40))
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(500), default=None)
    done_at: Mapped[datetime | None] = mapped_column(default=None)
