"""The verifier's view: what is committed is seen at the next request, in every process, and doubt is never a yes."""

import itertools
import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, delete, insert, make_url, update
from sqlalchemy.orm import Session

from keymgr.store.changes import Change, ChangeKind, announce
from keymgr.store.engine import connect
from keymgr.store.key_facts import CredentialFacts, SigningKeyFacts
from keymgr.store.key_states import SqliteKeyStates, StatesUnavailableError
from keymgr.store.key_states_postgresql import PostgresqlKeyStates
from keymgr.store.keys import Credential, Key, KeyState, ServiceCredential, SigningKey
from keymgr.store.people import Person
from keymgr.store.policies import PolicyRevision
from keymgr.tokens.signing import Algorithm, VerifyingKey, from_public_jwk, generate, public_jwk

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
CREDENTIAL = "crd_1"
States = SqliteKeyStates[CredentialFacts] | PostgresqlKeyStates[CredentialFacts]
FORK = multiprocessing.get_context("fork")
NUMBERS = itertools.count(1)


def read_signing_keys(rows: Sequence[SigningKeyFacts]) -> Mapping[str, VerifyingKey]:
    return {row.kid: from_public_jwk(row.public_jwk or {}) for row in rows}


def as_it_is(facts: CredentialFacts) -> CredentialFacts:
    return facts


def open_states(engine: Engine) -> States:
    if engine.dialect.name == "postgresql":
        return PostgresqlKeyStates(engine, read_credential=as_it_is, read_signing_keys=read_signing_keys)
    path = Path(str(engine.url.database))
    return SqliteKeyStates(path, read_credential=as_it_is, read_signing_keys=read_signing_keys)


@pytest.fixture
def stored(session: Session) -> Session:
    """A session on a database that holds one key of Ana's and one service credential."""
    revision = PolicyRevision(
        name="acme", digest="sha256:abc", applied_at=AT, applied_by="cli", app_version="0", documents=[], summary={}
    )
    session.add_all([revision, Person(id="usr_1", name="ana", display_name="Ana", created_at=AT)])
    session.flush()
    session.add(
        Key(
            id="key_1", name="k", owner="user:ana", service="payments-api", environment="prod", scopes=["a:b"],
            cidrs=["10.0.0.0/8"], terms={"quota": None}, token_form="jwt", created_at=AT, created_by="user:ana",
            expires_at=AT, rule="r", rule_source="r:1:1", revision_id=revision.id, evidence={},
        )
    )  # fmt: skip
    session.flush()
    session.add(
        Credential(
            id=CREDENTIAL, key_id="key_1", generation=1, secret_digest=b"s" * 32, status_index=0, issued_at=AT,
            expires_at=AT,
        )
    )  # fmt: skip
    session.add(
        ServiceCredential(
            id="svc_1", service="payments-api", secret_digest=b"c" * 32, created_at=AT, created_by="user:ana"
        )
    )
    change(session)
    return session


@pytest.fixture
def states(stored: Session, engine: Engine) -> Iterator[States]:
    del stored
    states = open_states(engine)
    yield states
    if isinstance(states, SqliteKeyStates):
        states.close()


@pytest.fixture
def sqlite_states(sqlite_url: str) -> Iterator[SqliteKeyStates[CredentialFacts]]:
    states = open_states(create_engine(sqlite_url))
    assert isinstance(states, SqliteKeyStates)
    yield states
    states.close()


def change(session: Session, object_id: str = "key_1", kind: ChangeKind = ChangeKind.KEY) -> None:
    announce(session, kind, object_id, AT)
    session.commit()


def state_of(states: States) -> KeyState | None:
    states.signing_keys()
    facts = states.credential(CREDENTIAL)
    return None if facts is None else facts.key_state


def set_state(session: Session, state: KeyState) -> None:
    session.execute(update(Key).values(state=state, revoked_at=AT))
    change(session)


def add_signing_key(session: Session, state: str = "active") -> str:
    key = generate(Algorithm.ES256)
    session.add(
        SigningKey(
            kid=key.kid,
            algorithm="ES256",
            state=state,
            public_jwk=public_jwk(key),
            sealed=b"s",
            kek_id="k",
            created_at=AT,
        )
    )
    change(session, key.kid, ChangeKind.SIGNING_KEY)
    return key.kid


def test_all_that_is_stored_of_a_credential_is_read(states: States) -> None:
    states.signing_keys()
    facts = states.credential(CREDENTIAL)
    assert facts is not None
    assert (facts.key_id, facts.owner, facts.owner_state) == ("key_1", "user:ana", "active")
    assert (facts.scopes, facts.cidrs, facts.terms) == (("a:b",), ("10.0.0.0/8",), {"quota": None})
    assert (facts.expires_at, facts.retires_at, facts.secret_digest) == (int(AT.timestamp()), None, b"s" * 32)
    assert states.credential("crd_unknown") is None


def test_a_change_is_seen_at_the_next_request(states: States, stored: Session) -> None:
    assert state_of(states) is KeyState.ACTIVE
    for state in (KeyState.REVOKED, KeyState.ACTIVE, KeyState.SUSPENDED):
        set_state(stored, state)
        assert state_of(states) is state


def test_a_change_of_the_owner_is_seen_at_the_next_request(states: States, stored: Session) -> None:
    assert state_of(states) is KeyState.ACTIVE
    stored.execute(update(Person).values(state="left"))
    change(stored, "user:ana", ChangeKind.OWNER)
    states.signing_keys()
    facts = states.credential(CREDENTIAL)
    assert facts is not None
    assert facts.owner_state == "left"


def test_what_is_not_committed_is_not_seen(states: States, stored: Session) -> None:
    assert state_of(states) is KeyState.ACTIVE
    stored.execute(update(Key).values(state="revoked", revoked_at=AT))
    announce(stored, ChangeKind.KEY, "key_1", AT)
    assert state_of(states) is KeyState.ACTIVE
    stored.rollback()
    assert state_of(states) is KeyState.ACTIVE


def test_a_revoked_service_credential_is_seen_at_the_next_request(states: States, stored: Session) -> None:
    states.signing_keys()
    caller = states.caller("svc_1")
    assert caller is not None
    assert (caller.service, caller.revoked) == ("payments-api", False)
    assert states.caller("svc_1") == caller
    assert states.caller("svc_2") is None
    stored.execute(update(ServiceCredential).values(revoked_at=AT))
    change(stored, "svc_1", ChangeKind.SERVICE_CREDENTIAL)
    states.signing_keys()
    again = states.caller("svc_1")
    assert again is not None
    assert again.revoked


def test_signing_keys_come_and_go_and_stay_the_same_object_meanwhile(states: States, stored: Session) -> None:
    assert states.signing_keys() == {}
    kid = add_signing_key(stored)
    known = states.signing_keys()
    assert set(known) == {kid}
    change(stored)
    assert states.signing_keys() is known
    stored.execute(update(SigningKey).values(state="retired"))
    change(stored, kid, ChangeKind.SIGNING_KEY)
    assert states.signing_keys() == {}


def test_a_change_feed_that_was_trimmed_drops_everything(states: States, stored: Session) -> None:
    assert state_of(states) is KeyState.ACTIVE
    stored.execute(delete(Change))
    set_state(stored, KeyState.REVOKED)
    stored.execute(delete(Change))
    stored.commit()
    assert state_of(states) is KeyState.REVOKED


def test_a_feed_that_was_rewritten_up_to_the_same_number_drops_everything(states: States, stored: Session) -> None:
    change(stored, "key_2")
    assert state_of(states) is KeyState.ACTIVE
    stored.execute(delete(Change))
    stored.execute(update(Key).values(state="revoked", revoked_at=AT))
    change(stored)
    change(stored, "key_9")
    assert state_of(states) is KeyState.REVOKED


def test_more_changes_than_are_read_at_once_drop_everything(states: States, stored: Session) -> None:
    assert state_of(states) is KeyState.ACTIVE
    rows = [{"kind": "key", "object_id": f"key_{number}", "at": AT} for number in range(5_000)]
    stored.execute(insert(Change), rows)
    set_state(stored, KeyState.REVOKED)
    assert state_of(states) is KeyState.REVOKED


def test_a_row_that_makes_no_sense_is_doubt(states: States, stored: Session) -> None:
    stored.execute(update(Key).values(scopes=5))
    change(stored)
    states.signing_keys()
    with pytest.raises(StatesUnavailableError):
        states.credential(CREDENTIAL)


def test_an_empty_database_is_doubt_and_a_good_one_ends_it(tmp_path: Path, sqlite_url: str) -> None:
    good = Path(str(make_url(sqlite_url).database))
    states = SqliteKeyStates(tmp_path / "other.db", read_credential=as_it_is, read_signing_keys=read_signing_keys)
    with pytest.raises(StatesUnavailableError):
        states.signing_keys()
    assert not (tmp_path / "other.db").exists(), "a verifier must not create the database it asks"
    good.rename(tmp_path / "other.db")
    assert states.signing_keys() == {}
    states.close()


def test_an_error_forgets_what_was_known_and_marks_nothing_as_seen(
    sqlite_states: SqliteKeyStates[CredentialFacts], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect(sqlite_url)
    with Session(engine) as session:
        add_signing_key(session)
        assert len(sqlite_states.signing_keys()) == 1
        add_signing_key(session, state="next")
        fail: Callable[[Sequence[SigningKeyFacts]], Mapping[str, VerifyingKey]] = _fail
        with monkeypatch.context() as patch:
            patch.setattr(sqlite_states, "_read_signing_keys", fail)
            for _ in range(2):
                with pytest.raises(StatesUnavailableError):
                    sqlite_states.signing_keys()
        assert len(sqlite_states.signing_keys()) == 2
    engine.dispose()


def _fail(rows: Sequence[SigningKeyFacts]) -> Mapping[str, VerifyingKey]:
    raise ValueError(f"{len(rows)} rows that nobody can read")


def test_a_database_that_lost_its_tables_is_doubt_until_they_are_back(states: States, engine: Engine) -> None:
    assert state_of(states) is KeyState.ACTIVE
    rename(engine, ("signing_key", "keys_away"), ("change_feed", "feed_away"))
    with pytest.raises(StatesUnavailableError):
        states.signing_keys()
    rename(engine, ("keys_away", "signing_key"), ("feed_away", "change_feed"))
    assert state_of(states) is KeyState.ACTIVE


def rename(engine: Engine, *tables: tuple[str, str]) -> None:
    with engine.connect() as connection:
        for old, new in tables:
            connection.exec_driver_sql(f"alter table {old} rename to {new}")
        connection.commit()


def serve(states: SqliteKeyStates[CredentialFacts], pipe: Connection) -> None:
    while pipe.recv() == "ask":
        pipe.send(str(state_of(states)))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # Forking beside threads is the point.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_process_accepts_after_an_acknowledged_revocation(engine: Engine, states: States, stored: Session) -> None:
    """Two forked processes that inherit a warm view; each change is seen by both at their next request."""
    assert isinstance(states, SqliteKeyStates)
    assert state_of(states) is KeyState.ACTIVE
    stored.close()
    engine.dispose()
    pairs = [FORK.Pipe() for _ in range(2)]
    children = [FORK.Process(target=serve, args=(states, theirs)) for _, theirs in pairs]
    for child in children:
        child.start()
    for state in (KeyState.ACTIVE, KeyState.REVOKED, KeyState.ACTIVE, KeyState.SUSPENDED, KeyState.ACTIVE) * 20:
        set_state(stored, state)
        assert state_of(states) is state
        for ours, _ in pairs:
            ours.send("ask")
            assert ours.recv() == state
    for (ours, _), child in zip(pairs, children, strict=True):
        ours.send("stop")
        child.join(10)
        assert child.exitcode == 0


def test_the_cache_is_bounded(sqlite_url: str) -> None:
    path = Path(str(make_url(sqlite_url).database))
    with sqlite3.connect(path) as database:
        database.executemany(
            "insert into service_credential (id, service, secret_digest, created_at, created_by)"
            " values (?, 's', ?, 0, 'x')",
            [(f"svc_{number}", str(number).encode()) for number in range(100)],
        )
    database.close()
    states = SqliteKeyStates(path, read_credential=as_it_is, read_signing_keys=read_signing_keys, capacity=10)
    states.signing_keys()
    assert all(states.caller(f"svc_{number}") is not None for number in range(100))
    assert len(states._callers._entries) <= 10  # noqa: SLF001 - the bound is inside.
    states.close()
