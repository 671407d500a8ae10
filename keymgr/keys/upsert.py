"""The statements that SQLite and PostgreSQL spell alike but SQLAlchemy keeps in two places."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, case
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keymgr.store.base import Record


def insert_unless_there(session: Session, table: type[Record], row: Mapping[str, Any]) -> bool:
    """Insert a row and say True, or say False when its key is taken; waits for a transaction that is inserting it."""
    statement = _insert(session, table).values(**row).on_conflict_do_nothing()
    return session.execute(statement.returning(*table.__table__.primary_key)).first() is not None


def insert_or_add(session: Session, table: type[Record], rows: Sequence[Mapping[str, Any]], counter: str) -> None:
    """Insert rows, and where a row with the same primary key is there, add to its column `counter`."""
    statement = _insert(session, table)
    total = table.__table__.c[counter] + statement.excluded[counter]
    _write(session, table, statement, rows, {counter: total})


def insert_or_gather(
    session: Session, table: type[Record], rows: Sequence[Mapping[str, Any]], *, total: str, earliest: str, latest: str
) -> None:
    """Do the same, and let two moments grow apart: the earliest goes back only, the latest forward only."""
    statement = _insert(session, table)
    old, new = table.__table__.c, statement.excluded
    changes: dict[str, ColumnElement[Any]] = {
        total: old[total] + new[total],
        earliest: case((new[earliest] < old[earliest], new[earliest]), else_=old[earliest]),
        latest: case((new[latest] > old[latest], new[latest]), else_=old[latest]),
    }
    _write(session, table, statement, rows, changes)


def _write(
    session: Session,
    table: type[Record],
    statement: postgresql.Insert | sqlite.Insert,
    rows: Sequence[Mapping[str, Any]],
    changes: Mapping[str, ColumnElement[Any]],
) -> None:
    keys = [column.name for column in table.__table__.primary_key]
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), list(rows))


def _insert(session: Session, table: type[Record]) -> postgresql.Insert | sqlite.Insert:
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
