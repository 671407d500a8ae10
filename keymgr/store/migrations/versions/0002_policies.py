"""Tables of policies."""

import sqlalchemy as sa
from alembic import op

from keymgr.store.base import Moment

revision = "0002_policies"
down_revision = "0001_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "policy_revision",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("applied_at", Moment(), nullable=False),
        sa.Column("applied_by", sa.String(length=200), nullable=False),
        sa.Column("app_version", sa.String(length=40), nullable=False),
        sa.Column("documents", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("summary", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=True),
        sa.Column("ref", sa.String(length=200), nullable=True),
        sa.Column("author", sa.String(length=320), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_revision")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_policy_revision_digest"), "policy_revision", ["digest"], unique=False)
    op.create_table(
        "policy_head",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("revision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_policy_head_single")),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["policy_revision.id"], name=op.f("fk_policy_head_revision_id_policy_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_head")),
    )
    op.create_table(
        "policy_attempt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.Column("commit", sa.String(length=64), nullable=True),
        sa.Column("digest", sa.String(length=80), nullable=True),
        sa.Column("result_code", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_attempt")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("policy_attempt")
    op.drop_table("policy_head")
    op.drop_table("policy_revision")
