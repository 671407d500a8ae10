"""Tables of requests."""

import sqlalchemy as sa
from alembic import op

from keymgr.store.base import Moment

revision = "0004_requests"
down_revision = "0003_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "key_request",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("requester", sa.String(length=80), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("cidrs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("ttl_seconds", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("justification", sa.String(length=2000), nullable=False),
        sa.Column("wish_digest", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("rule_source", sa.String(length=400), nullable=False),
        sa.Column("revision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "state in ('waiting', 'approved', 'refused', 'withdrawn', 'lapsed', 'claimed')",
            name=op.f("ck_key_request_state"),
        ),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["policy_revision.id"], name=op.f("fk_key_request_revision_id_policy_revision")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_request")),
    )
    op.create_index(op.f("ix_key_request_owner"), "key_request", ["owner"], unique=False)
    op.create_index(op.f("ix_key_request_requester"), "key_request", ["requester"], unique=False)
    op.create_index(op.f("ix_key_request_state"), "key_request", ["state"], unique=False)
    op.create_table(
        "form_nonce",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("object_id", sa.String(length=40), nullable=True),
        sa.Column("used_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_form_nonce_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_form_nonce")),
    )
    op.create_index(op.f("ix_form_nonce_used_at"), "form_nonce", ["used_at"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("form_nonce")
    op.drop_table("key_request")
