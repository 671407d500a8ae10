"""The two statements that SQLite and PostgreSQL spell alike but SQLAlchemy keeps in two places."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keymgr.store.base import Record


def insert_unless_there(session: Session, table: type[Record], row: Mapping[str, Any]) -> bool:
    """Insert a row and say True, or say False when its key is taken; waits for a transaction that is inserting it."""
    statement = _insert(session, table).values(**row).on_conflict_do_nothing()
    return session.execute(statement.returning(*table.__table__.primary_key)).first() is not None


def insert_or_add(session: Session, table: type[Record], rows: Sequence[Mapping[str, Any]], counter: str) -> None:
    """Insert rows, and where a row with the same primary key is there, add to its column `counter`."""
    keys = [column.name for column in table.__table__.primary_key]
    statement = _insert(session, table)
    total = table.__table__.c[counter] + statement.excluded[counter]
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_={counter: total}), list(rows))


def _insert(session: Session, table: type[Record]) -> postgresql.Insert | sqlite.Insert:
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
