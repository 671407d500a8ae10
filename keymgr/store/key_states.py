"""The verifier's view of an SQLite database: parsed key states in memory, dropped as soon as a commit changed them.

SQLite says in microseconds whether another connection has committed (`PRAGMA data_version`). When it has, the rows of
the change feed past the last one seen say what to look at again. Nothing here answers from memory while in doubt.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from keymgr.store.changes import ChangeKind
from keymgr.store.forks import forget_after_fork
from keymgr.store.key_facts import (
    CALLER,
    CREDENTIAL,
    SIGNING_KEYS,
    CallerFacts,
    CredentialFacts,
    SigningKeyFacts,
    caller_facts,
    credential_facts,
    signing_key_facts,
)
from keymgr.store.memory import MAX_AGE_SECONDS, Memory
from keymgr.tokens.signing import VerifyingKey

T = TypeVar("T")
Answer = TypeVar("Answer")

CAPACITY = 100_000
BUSY_MILLISECONDS = 2_000
_CHANGES_AT_ONCE = 5_000
_LAST_CHANGE = "select id, kind, object_id, at from change_feed order by id desc limit 1"
_CHANGES = "select id, kind, object_id, at from change_feed where id >= ? order by id limit ?"

_Change = tuple[int, str, str, int]


class StatesUnavailableError(Exception):
    """The state of keys cannot be read now, so nothing may be accepted."""


class SqliteKeyStates(Generic[T]):
    """Key states of one process; threads may share it. Every method raises `StatesUnavailableError` when in doubt.

    `read_credential` parses a credential's facts once, when they enter the cache; `read_signing_keys` does so for all
    signing keys together. Both may raise ValueError, TypeError or KeyError for rows they cannot make sense of.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_credential: Callable[[CredentialFacts], T],
        read_signing_keys: Callable[[Sequence[SigningKeyFacts]], Mapping[str, VerifyingKey]],
        capacity: int = CAPACITY,
    ) -> None:
        self._database: sqlite3.Connection | None = None
        self._path = path
        self._read_credential = read_credential
        self._read_signing_keys = read_signing_keys
        self._credentials: Memory[T] = Memory(capacity)
        self._callers: Memory[CallerFacts] = Memory(capacity)
        self._inherited: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._seen_version: int | None = None
        self._last_change: _Change | None = None
        self._keys: Mapping[str, VerifyingKey] = {}
        self._key_facts: tuple[SigningKeyFacts, ...] | None = None
        self._keys_are_fresh = False
        self._keys_at = 0.0
        forget_after_fork(self)

    def __del__(self) -> None:
        if self._database is not None:
            self._database.close()

    def forget(self) -> None:
        """Start afresh in a child process; the inherited connection is kept from being closed, but never used."""
        if self._database is not None:
            self._inherited.append(self._database)
            self._database = None
        self._lock = threading.Lock()
        self._start_afresh()

    def close(self) -> None:
        """Close the database; the next question opens it again."""
        with self._lock:
            self._give_up()

    def signing_keys(self) -> Mapping[str, VerifyingKey]:
        """Look whether anything was committed since the last call, then return the keys that verify.

        Every request starts here: what was committed before it began is seen by all that it asks afterwards. The
        mapping is a new object whenever signing keys have changed.
        """
        with self._lock:
            return self._guarded(self._refresh)

    def credential(self, credential_id: str) -> T | None:
        """Return the parsed state of a credential, None when there is none."""
        with self._lock:
            return self._guarded(lambda database: self._credential(database, credential_id))

    def caller(self, credential_id: str) -> CallerFacts | None:
        """Return a service credential, None when there is none."""
        with self._lock:
            return self._guarded(lambda database: self._caller(database, credential_id))

    def _guarded(self, ask: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Ask the database; on any error forget everything, so that the next request begins from the file."""
        try:
            if self._database is None:
                self._database = _open(self._path)
            return ask(self._database)
        except (sqlite3.Error, OSError, ValueError, TypeError, KeyError) as error:
            self._give_up()
            raise StatesUnavailableError(f"The state of keys cannot be read: {type(error).__name__}.") from error

    def _refresh(self, database: sqlite3.Connection) -> Mapping[str, VerifyingKey]:
        version = database.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen_version:
            self._apply_changes(database)
        if not self._keys_are_fresh or time.monotonic() - self._keys_at > MAX_AGE_SECONDS:
            self._reread_signing_keys(database)
        # Only now, after everything has succeeded, is the change marked as seen.
        self._seen_version = version
        return self._keys

    def _reread_signing_keys(self, database: sqlite3.Connection) -> None:
        """Read the signing keys again; the mapping stays the same object when nothing about them has changed."""
        facts = tuple(signing_key_facts(row) for row in database.execute(SIGNING_KEYS).fetchall())
        if facts != self._key_facts:
            self._keys = self._read_signing_keys(facts)
            self._key_facts = facts
        self._keys_at = time.monotonic()
        self._keys_are_fresh = True

    def _apply_changes(self, database: sqlite3.Connection) -> None:
        """Drop what the feed names. If its rows do not follow on the last one seen, drop everything."""
        if self._last_change is None:
            self._drop_everything()
            self._last_change = database.execute(_LAST_CHANGE).fetchone()
            return
        rows: list[_Change] = database.execute(_CHANGES, (self._last_change[0], _CHANGES_AT_ONCE)).fetchall()
        if not rows or rows[0] != self._last_change or len(rows) == _CHANGES_AT_ONCE:
            self._drop_everything()
            self._last_change = database.execute(_LAST_CHANGE).fetchone()
            return
        for _, kind, object_id, _ in rows[1:]:
            self._drop(kind, object_id)
        self._last_change = rows[-1]

    def _drop(self, kind: str, object_id: str) -> None:
        """Note that what was read about this object until now no longer counts."""
        if kind == ChangeKind.SIGNING_KEY:
            self._keys_are_fresh = False
        elif kind == ChangeKind.SERVICE_CREDENTIAL:
            self._callers.changed(object_id)
        else:
            self._credentials.changed(object_id)

    def _credential(self, database: sqlite3.Connection, credential_id: str) -> T | None:
        known = self._credentials.get(credential_id)
        if known is not None:
            return known
        row = database.execute(CREDENTIAL, {"id": credential_id}).fetchone()
        if row is None:
            return None
        facts = credential_facts(row)
        value = self._read_credential(facts)
        self._credentials.put(credential_id, value, depends_on=(facts.key_id, facts.owner))
        return value

    def _caller(self, database: sqlite3.Connection, credential_id: str) -> CallerFacts | None:
        known = self._callers.get(credential_id)
        if known is not None:
            return known
        row = database.execute(CALLER, {"id": credential_id}).fetchone()
        if row is None:
            return None
        value = caller_facts(row)
        self._callers.put(credential_id, value, depends_on=(credential_id,))
        return value

    def _give_up(self) -> None:
        """Close the connection. Its change counter means nothing to another one, so everything is dropped with it."""
        if self._database is not None:
            self._database.close()
            self._database = None
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._seen_version = None
        self._last_change = None
        self._drop_everything()

    def _drop_everything(self) -> None:
        self._credentials.clear()
        self._callers.clear()
        self._keys_are_fresh = False


def _open(path: Path) -> sqlite3.Connection:
    """Open the file for reading; it is never created here, and a missing one is an error."""
    address = f"{path.absolute().as_uri()}?mode=rw"
    database = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    database.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    database.execute("PRAGMA query_only = ON")
    return database
