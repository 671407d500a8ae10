"""Tables of key standings, past decisions and effects."""

import sqlalchemy as sa
from alembic import op

from keymgr.store.base import Moment

revision = "0009_standing"
down_revision = "0008_policy_control"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    _create_standing()
    op.create_table(
        "past_decision",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("asker", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("wish", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=True),
        sa.Column("revision_id", _NUMBER, nullable=False),
        sa.CheckConstraint("outcome in ('allowed', 'needs_approval', 'denied')", name=op.f("ck_past_decision_outcome")),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["policy_revision.id"], name=op.f("fk_past_decision_revision_id_policy_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_decision")),
    )
    op.create_index(op.f("ix_past_decision_at"), "past_decision", ["at"], unique=False)
    op.create_table(
        "effect",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("payload", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("next_at", Moment(), nullable=False),
        sa.Column("tries", _NUMBER, nullable=False),
        sa.Column("last_error", sa.String(length=500), nullable=True),
        sa.Column("done_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_effect")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_effect_idempotency_key")),
    )
    op.create_index("ix_effect_due", "effect", ["done_at", "next_at"], unique=False)


def _create_standing() -> None:
    op.create_table(
        "key_standing",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("verdict", sa.String(length=24), nullable=False),
        sa.Column("reasons", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=True),
        sa.Column("revision_id", _NUMBER, nullable=False),
        sa.Column("checked_at", Moment(), nullable=False),
        sa.Column("since", Moment(), nullable=True),
        sa.Column("action", sa.String(length=16), nullable=True),
        sa.Column("due_at", Moment(), nullable=True),
        sa.Column("acted_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "action is null or action in ('flag', 'suspend', 'expire', 'revoke')", name=op.f("ck_key_standing_action")
        ),
        sa.CheckConstraint(
            "verdict in ('ok', 'ok_by_another_rule', 'violates', 'unknown', 'exempt')",
            name=op.f("ck_key_standing_verdict"),
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_key_standing_key_id_api_key")),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["policy_revision.id"], name=op.f("fk_key_standing_revision_id_policy_revision")
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_key_standing")),
    )
    op.create_index(op.f("ix_key_standing_due_at"), "key_standing", ["due_at"], unique=False)
    op.create_index(op.f("ix_key_standing_verdict"), "key_standing", ["verdict"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("effect", "past_decision", "key_standing"):
        op.drop_table(table)
