"""What Alembic runs around every step: our connection, our metadata, our column types."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from keymgr.store import audit, changes, keys, leases, people, policies, standing, usage
from keymgr.store.base import Base, Moment

TABLES = (audit, changes, keys, leases, people, policies, standing, usage)
"""Every module with tables, named so that the metadata is whole."""


def render_item(kind: str, item: object, autogen_context: AutogenContext) -> str | Literal[False]:
    """Write our own column type by its name and import it; anything else is left to Alembic."""
    if kind == "type" and isinstance(item, Moment):
        autogen_context.imports.add("from keymgr.store.base import Moment")
        return "Moment()"
    return False


def run() -> None:
    """Run the steps on the connection that `keymgr.store.migrate` opened, in its one transaction."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Base.metadata,
        render_as_batch=True,
        render_item=render_item,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
