"""Taking turns: transactions that must not do the same thing at the same moment wait for each other until commit."""

import hashlib

from sqlalchemy import Integer, cast, func, select
from sqlalchemy.orm import Session

_OURS = 0x6B6D
"""The first of two numbers of our PostgreSQL advisory locks; the policy lock has one number and never meets them."""


def take_turn(session: Session, what: str) -> None:
    """Wait until no other open transaction does `what`, such as `owner user:ana`; held until this one ends.

    On SQLite the write transaction is the lock, and this only makes sure that there is one.
    """
    if session.get_bind().dialect.name != "postgresql":
        session.connection()
        return
    number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:4], signed=True)
    session.execute(select(func.pg_advisory_xact_lock(cast(_OURS, Integer), cast(number, Integer))))
