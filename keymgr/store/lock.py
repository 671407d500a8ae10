"""The policy lock: whoever decides by the policy shares it, whoever replaces the policy owns it.

Both hold until the transaction ends, and the death of the holder frees them: there is nothing to unlock by force.
"""

from sqlalchemy import func, select, true
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keymgr.store.engine import StoreError

POLICY_LOCK = 0x6B65796D01
_NEVER_ZERO_MILLISECONDS = 1


class LockNotObtained(StoreError):  # noqa: N818 - named for what happened, as in policy.md; the command exits with 6.
    """Somebody else holds the lock and did not let go in time; nothing was changed, trying again is safe."""


def share_policy(session: Session) -> None:
    """Keep the policy from being replaced until this transaction ends; many may share at the same time.

    On SQLite the transaction itself is the lock. Take it before reading which policy is in force.
    """
    try:
        if _is_sqlite(session):
            session.connection()
        else:
            session.execute(select(func.pg_advisory_xact_lock_shared(POLICY_LOCK)))
    except OperationalError as error:
        raise _not_obtained(error) from error


def own_policy(session: Session, wait_seconds: float) -> None:
    """Keep everybody else from deciding by the policy until this transaction ends.

    Call it before the transaction's first query. Waits at most `wait_seconds`, then raises `LockNotObtained`; the
    transaction is then good only for a rollback.
    """
    try:
        if _is_sqlite(session):
            session.connection(execution_options={"wait_seconds": wait_seconds})
        else:
            _own_on_postgresql(session, wait_seconds)
    except OperationalError as error:
        raise _not_obtained(error) from error


def _own_on_postgresql(session: Session, wait_seconds: float) -> None:
    usual = session.scalar(select(func.current_setting("lock_timeout")))
    patience = max(_NEVER_ZERO_MILLISECONDS, int(wait_seconds * 1000))
    session.execute(select(func.set_config("lock_timeout", f"{patience}ms", true())))
    session.execute(select(func.pg_advisory_xact_lock(POLICY_LOCK)))
    session.execute(select(func.set_config("lock_timeout", usual, true())))


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _not_obtained(error: OperationalError) -> Exception:
    """Tell a lock that was held too long from a database that failed."""
    busy = getattr(error.orig, "sqlite_errorname", "").startswith("SQLITE_BUSY")
    timed_out = getattr(error.orig, "sqlstate", None) == "55P03"
    if busy or timed_out:
        return LockNotObtained("Another process is changing the policy or the keys. Nothing was changed: try again.")
    return error
