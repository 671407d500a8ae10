"""The verifier's view of a PostgreSQL database: what is asked for is read each time, so that nothing can be stale.

A sequence does not order commits, so a feed of changes needs more care here than on SQLite. Until verification is
tuned for several nodes, two indexed reads per request are the price of being right on all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

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
from keymgr.store.key_states import StatesUnavailableError
from keymgr.tokens.signing import VerifyingKey

T = TypeVar("T")
Answer = TypeVar("Answer")

_CREDENTIAL = text(CREDENTIAL)
_CALLER = text(CALLER)
_SIGNING_KEYS = text(SIGNING_KEYS)


class PostgresqlKeyStates(Generic[T]):
    """Key states read through an engine; the same methods and errors as `SqliteKeyStates`."""

    def __init__(
        self,
        engine: Engine,
        *,
        read_credential: Callable[[CredentialFacts], T],
        read_signing_keys: Callable[[Sequence[SigningKeyFacts]], Mapping[str, VerifyingKey]],
    ) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._read_credential = read_credential
        self._read_signing_keys = read_signing_keys
        self._known_keys: tuple[tuple[SigningKeyFacts, ...], Mapping[str, VerifyingKey]] | None = None

    def signing_keys(self) -> Mapping[str, VerifyingKey]:
        """Return the keys that verify; a new object only when the rows have changed."""
        rows = self._rows(_SIGNING_KEYS, {})
        return self._guarded(lambda: self._parse_keys(rows))

    def credential(self, credential_id: str) -> T | None:
        """Return the parsed state of a credential, None when there is none."""
        rows = self._rows(_CREDENTIAL, {"id": credential_id})
        return self._guarded(lambda: self._read_credential(credential_facts(rows[0]))) if rows else None

    def caller(self, credential_id: str) -> CallerFacts | None:
        """Return a service credential, None when there is none."""
        rows = self._rows(_CALLER, {"id": credential_id})
        return self._guarded(lambda: caller_facts(rows[0])) if rows else None

    def close(self) -> None:
        """Do nothing: the engine is its owner's to close."""

    def _parse_keys(self, rows: Sequence[Sequence[Any]]) -> Mapping[str, VerifyingKey]:
        facts = tuple(signing_key_facts(row) for row in rows)
        known = self._known_keys
        if known is None or known[0] != facts:
            known = (facts, self._read_signing_keys(facts))
            self._known_keys = known
        return known[1]

    def _rows(self, statement: Any, values: Mapping[str, str]) -> Sequence[Sequence[Any]]:  # noqa: ANN401 - SQLAlchemy's text clause.
        try:
            with self._engine.connect() as connection:
                return [tuple(row) for row in connection.execute(statement, dict(values))]
        except SQLAlchemyError as error:
            raise StatesUnavailableError(f"The state of keys cannot be read: {type(error).__name__}.") from error

    def _guarded(self, parse: Callable[[], Answer]) -> Answer:
        try:
            return parse()
        except (ValueError, TypeError, KeyError) as error:
            raise StatesUnavailableError(f"A stored key cannot be understood: {type(error).__name__}.") from error
