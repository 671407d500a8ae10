"""Build the verifier for the database at hand."""

from functools import partial
from pathlib import Path

from limits.storage import Storage
from sqlalchemy import Engine

from keymgr.keys.flush import UsageBuffer
from keymgr.keys.issuer import Issuer
from keymgr.keys.known import know, know_signing_keys
from keymgr.keys.limiting import Limiter
from keymgr.keys.signatures import Signatures
from keymgr.keys.verify import KeyStates, Verifier
from keymgr.store.key_states import SqliteKeyStates
from keymgr.store.key_states_postgresql import PostgresqlKeyStates


def open_verifier(
    engine: Engine, counters: Storage, issuer: Issuer, *, leeway_seconds: int, usage: UsageBuffer
) -> Verifier:
    """Build a verifier over this database and these counters; nothing is opened before the first question."""
    return Verifier(
        states=_states(engine, issuer),
        limiter=Limiter(counters),
        signatures=Signatures(issuer=issuer.url, pepper=issuer.pepper, leeway_seconds=leeway_seconds),
        usage=usage,
        bound=issuer.bound,
    )


def _states(engine: Engine, issuer: Issuer) -> KeyStates:
    read_keys = partial(know_signing_keys, vault=issuer.vault)
    if engine.dialect.name == "postgresql":
        return PostgresqlKeyStates(engine, read_credential=know, read_signing_keys=read_keys)
    path = Path(str(engine.url.database))
    return SqliteKeyStates(path, read_credential=know, read_signing_keys=read_keys)
