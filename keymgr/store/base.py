"""The base of every table: naming convention, moments in time, and JSON columns."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass
from sqlalchemy.types import JSON, TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as whole microseconds since 1970 so that both databases order it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - the signature is SQLAlchemy's.
        """Turn a datetime into microseconds; a naive one is refused with `TypeError`."""
        return None if value is None else (value - EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's.
        """Turn microseconds into a datetime in UTC."""
        return None if value is None else EPOCH + value * _MICROSECOND


_WHOLE_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both databases; SQLite numbers rows by itself only in a column it calls INTEGER."""
_DOCUMENT = JSON(none_as_null=True)
"""JSON as text, so that the order of its members is kept; None is NULL."""


class Base(DeclarativeBase):
    """Owns the metadata; constraint names are the same on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own way to declare it.
        int: _WHOLE_NUMBER,
        datetime: Moment,
        dict[str, Any]: _DOCUMENT,
        list[str]: _DOCUMENT,
        list[Any]: _DOCUMENT,
    }


class Record(MappedAsDataclass, Base, kw_only=True):
    """A row with a checked keyword constructor."""

    __abstract__ = True
