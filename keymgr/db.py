"""The request's session: the only module that knows Flask-SQLAlchemy."""

from typing import Any, cast

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from keymgr.store.base import Base
from keymgr.store.engine import connect

_ENGINE = "KEYMGR_ENGINE"


class _Database(SQLAlchemy):
    """Flask-SQLAlchemy on our engine: it would otherwise build its own, without our pragmas and BEGIN IMMEDIATE."""

    def _apply_driver_defaults(self, options: dict[str, Any], app: Flask) -> None:
        """Leave the address alone: the extension would move a relative SQLite file into its instance folder."""

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:  # noqa: ARG002 - the signature is Flask-SQLAlchemy's.
        return cast("Engine", app.config[_ENGINE])


# Our tables stand on their own base: handed over, the extension would copy it, which fails on one with a type map.
_database = _Database(metadata=Base.metadata)


def attach(app: Flask, database_url: str) -> Engine:
    """Give the application its database and return the engine, which other parts of the process share."""
    engine = connect(database_url)
    app.config.from_mapping({_ENGINE: engine, "SQLALCHEMY_DATABASE_URI": engine.url})
    _database.init_app(app)
    return engine


def session() -> Session:
    """Return the session of this request; it ends with the request, and what was not committed is undone."""
    return _database.session()


def read_only() -> Session:
    """Return the request's session, begun for reading: it never waits for a writer and refuses to write.

    Call it before the request's first query; a transaction that has begun keeps what it was begun for.
    """
    current = session()
    current.connection(execution_options={"read_only": True})
    return current


def readers() -> sessionmaker[Session]:
    """Return what makes sessions apart from the request's that only read, for an answer written while it is sent."""
    return sessionmaker(_database.engine.execution_options(read_only=True))
