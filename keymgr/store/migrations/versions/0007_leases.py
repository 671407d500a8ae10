"""Tables of leases."""

import sqlalchemy as sa
from alembic import op

from keymgr.store.base import Moment

revision = "0007_leases"
down_revision = "0006_audit_and_changes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("lease")
