"""Approvals and messages of requests, usage per day and per address, and what people prefer."""

import sqlalchemy as sa
from alembic import op

from keymgr.store.base import Moment

revision = "0010_approvals"
down_revision = "0009_standing"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DAYS_OF_HOURS = {
    "sqlite": """
        insert into key_usage_day (key_id, day, code, calls)
        select key_id, date(hour / 1000000, 'unixepoch'), code, sum(calls) from key_usage group by 1, 2, 3
    """,
    "postgresql": """
        insert into key_usage_day (key_id, day, code, calls)
        select key_id, cast(to_timestamp(hour / 1000000) at time zone 'UTC' as date), code, sum(calls)
        from key_usage group by 1, 2, 3
    """,
}
_REQUEST_COLUMNS = (
    "decided_by",
    "decision_reason",
    "asked",
    "claim_until",
    "nudged_at",
    "reviewed_at",
    "reviewed_by",
    "review_note",
)


def upgrade() -> None:
    """Create the tables and columns; usage per day is summed up from the hours that are there."""
    _widen_requests()
    _create_approvals()
    _create_usage()
    with op.batch_alter_table("person") as person:
        person.add_column(sa.Column("time_zone", sa.String(length=64), nullable=False, server_default="UTC"))
        person.add_column(sa.Column("shortcuts", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("person") as person:
        person.alter_column("time_zone", server_default=None)
        person.alter_column("shortcuts", server_default=None)


def _widen_requests() -> None:
    with op.batch_alter_table("key_request") as request:
        request.add_column(sa.Column("decided_by", sa.String(length=80), nullable=True))
        request.add_column(sa.Column("decision_reason", sa.String(length=2000), nullable=True))
        request.add_column(sa.Column("asked", sa.JSON(none_as_null=True), nullable=True))
        request.add_column(sa.Column("claim_until", Moment(), nullable=True))
        request.add_column(sa.Column("key_id", sa.String(length=40), nullable=True))
        request.add_column(sa.Column("nudged_at", Moment(), nullable=True))
        request.add_column(sa.Column("break_glass", sa.Boolean(), nullable=False, server_default=sa.false()))
        request.add_column(sa.Column("reviewed_at", Moment(), nullable=True))
        request.add_column(sa.Column("reviewed_by", sa.String(length=80), nullable=True))
        request.add_column(sa.Column("review_note", sa.String(length=2000), nullable=True))
        request.create_foreign_key(op.f("fk_key_request_key_id_api_key"), "api_key", ["key_id"], ["id"])
    with op.batch_alter_table("key_request") as request:
        request.alter_column("break_glass", server_default=None)


def _create_approvals() -> None:
    op.create_table(
        "request_approval",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("step", _NUMBER, nullable=False),
        sa.Column("approver", sa.String(length=80), nullable=False),
        sa.Column("wish_digest", sa.String(length=64), nullable=False),
        sa.Column("revision_id", _NUMBER, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["key_request.id"], name=op.f("fk_request_approval_request_id_key_request")
        ),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["policy_revision.id"], name=op.f("fk_request_approval_revision_id_policy_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_approval")),
        sa.UniqueConstraint(
            "request_id", "approver", "wish_digest", name=op.f("uq_request_approval_request_id_approver_wish_digest")
        ),
    )
    op.create_index(op.f("ix_request_approval_request_id"), "request_approval", ["request_id"], unique=False)
    op.create_table(
        "request_message",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["key_request.id"], name=op.f("fk_request_message_request_id_key_request")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_message")),
    )
    op.create_index(op.f("ix_request_message_request_id"), "request_message", ["request_id"], unique=False)


def _create_usage() -> None:
    op.create_table(
        "key_usage_day",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("calls", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "day", "code", name=op.f("pk_key_usage_day")),
    )
    op.create_index(op.f("ix_key_usage_day_day"), "key_usage_day", ["day"], unique=False)
    op.execute(_DAYS_OF_HOURS[op.get_bind().dialect.name])
    op.create_table(
        "key_source",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("first_at", Moment(), nullable=False),
        sa.Column("last_at", Moment(), nullable=False),
        sa.Column("calls", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("key_id", "address", name=op.f("pk_key_source")),
    )
    op.create_index(op.f("ix_key_source_last_at"), "key_source", ["last_at"], unique=False)


def downgrade() -> None:
    """Drop the tables and columns."""
    with op.batch_alter_table("person") as person:
        person.drop_column("shortcuts")
        person.drop_column("time_zone")
    for table in ("key_source", "key_usage_day", "request_message", "request_approval"):
        op.drop_table(table)
    with op.batch_alter_table("key_request") as request:
        request.drop_constraint(op.f("fk_key_request_key_id_api_key"), type_="foreignkey")
        for column in ("key_id", "break_glass", *_REQUEST_COLUMNS):
            request.drop_column(column)
