"""Tables and columns of pins, spent acks, overrides, plan credentials and webhook deliveries."""

import sqlalchemy as sa
from alembic import op

from keymgr.store.base import Moment

revision = "0008_policy_control"
down_revision = "0007_leases"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables and add the columns."""
    with op.batch_alter_table("policy_head") as head:
        head.add_column(sa.Column("pinned_reason", sa.String(length=500), nullable=True))
        head.add_column(sa.Column("bad_digest", sa.String(length=80), nullable=True))
    with op.batch_alter_table("policy_revision") as revisions:
        revisions.add_column(sa.Column("signer", sa.String(length=320), nullable=True))
        revisions.add_column(sa.Column("rollback_of", _NUMBER, nullable=True))
    op.create_table(
        "spent_ack",
        sa.Column("ack_digest", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("guard", sa.String(length=64), nullable=False),
        sa.Column("revision_id", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["policy_revision.id"], name=op.f("fk_spent_ack_revision_id_policy_revision")
        ),
        sa.PrimaryKeyConstraint("ack_digest", name=op.f("pk_spent_ack")),
    )
    _create_override()
    op.create_table(
        "plan_credential",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_credential")),
        sa.UniqueConstraint("secret_digest", name=op.f("uq_plan_credential_secret_digest")),
    )
    op.create_table(
        "forge_delivery",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forge_delivery")),
    )
    op.create_index(op.f("ix_forge_delivery_seen_at"), "forge_delivery", ["seen_at"], unique=False)


def _create_override() -> None:
    op.create_table(
        "policy_override",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("lifted_at", Moment(), nullable=True),
        sa.Column("lifted_by", sa.String(length=80), nullable=True),
        sa.CheckConstraint("kind in ('service', 'scope', 'team')", name=op.f("ck_policy_override_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_override")),
    )


def downgrade() -> None:
    """Drop the tables and the columns."""
    for table in ("forge_delivery", "plan_credential", "policy_override", "spent_ack"):
        op.drop_table(table)
    with op.batch_alter_table("policy_revision") as revisions:
        revisions.drop_column("rollback_of")
        revisions.drop_column("signer")
    with op.batch_alter_table("policy_head") as head:
        head.drop_column("bad_digest")
        head.drop_column("pinned_reason")
