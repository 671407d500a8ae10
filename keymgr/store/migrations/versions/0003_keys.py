"""Tables of keys."""

import sqlalchemy as sa
from alembic import op

from keymgr.store.base import Moment

revision = "0003_keys"
down_revision = "0002_policies"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("cidrs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("terms", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("token_form", sa.String(length=8), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("rule_source", sa.String(length=400), nullable=False),
        sa.Column("revision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("state_reason", sa.String(length=200), nullable=True),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.Column("revoked_by", sa.String(length=80), nullable=True),
        sa.Column("last_used_at", Moment(), nullable=True),
        sa.Column("last_used_from", sa.String(length=64), nullable=True),
        sa.CheckConstraint("state <> 'revoked' or revoked_at is not null", name=op.f("ck_api_key_revoked_has_time")),
        sa.CheckConstraint("state in ('active', 'suspended', 'revoked')", name=op.f("ck_api_key_state")),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["policy_revision.id"], name=op.f("fk_api_key_revision_id_policy_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )
    op.create_index(op.f("ix_api_key_expires_at"), "api_key", ["expires_at"], unique=False)
    op.create_index(op.f("ix_api_key_owner"), "api_key", ["owner"], unique=False)
    op.create_index("ix_api_key_owner_target", "api_key", ["owner", "service", "environment"], unique=False)
    op.create_index(op.f("ix_api_key_service"), "api_key", ["service"], unique=False)
    op.create_table(
        "credential",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("generation", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status_index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issued_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("signing_kid", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("rotate_by", Moment(), nullable=True),
        sa.Column("retires_at", Moment(), nullable=True),
        sa.Column("retired_at", Moment(), nullable=True),
        sa.Column("first_used_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "state <> 'retiring' or retires_at is not null", name=op.f("ck_credential_retiring_has_time")
        ),
        sa.CheckConstraint("state in ('current', 'retiring', 'retired')", name=op.f("ck_credential_state")),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_credential_key_id_api_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential")),
        sa.UniqueConstraint("key_id", "generation", name=op.f("uq_credential_key_id_generation")),
        sa.UniqueConstraint("secret_digest", name=op.f("uq_credential_secret_digest")),
        sa.UniqueConstraint("status_index", name=op.f("uq_credential_status_index")),
    )
    op.create_index(op.f("ix_credential_key_id"), "credential", ["key_id"], unique=False)
    op.create_index(
        "uq_credential_one_current",
        "credential",
        ["key_id"],
        unique=True,
        sqlite_where=sa.text("state = 'current'"),
        postgresql_where=sa.text("state = 'current'"),
    )
    op.create_table(
        "key_usage",
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("hour", Moment(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("calls", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "hour", "code", name=op.f("pk_key_usage")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("key_usage")
    op.drop_table("credential")
    op.drop_table("api_key")
