"""Tables of signing keys and service credentials."""

import sqlalchemy as sa
from alembic import op

from keymgr.store.base import Moment

revision = "0005_signing_keys"
down_revision = "0004_requests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("public_jwk", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("kek_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("activated_at", Moment(), nullable=True),
        sa.Column("retiring_at", Moment(), nullable=True),
        sa.Column("retired_at", Moment(), nullable=True),
        sa.CheckConstraint("state in ('next', 'active', 'retiring', 'retired')", name=op.f("ck_signing_key_state")),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_key")),
    )
    op.create_index(op.f("ix_signing_key_kek_id"), "signing_key", ["kek_id"], unique=False)
    op.create_index(
        "uq_signing_key_one_active",
        "signing_key",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "service_credential",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_credential")),
        sa.UniqueConstraint("secret_digest", name=op.f("uq_service_credential_secret_digest")),
    )
    op.create_index(op.f("ix_service_credential_service"), "service_credential", ["service"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("service_credential")
    op.drop_table("signing_key")
