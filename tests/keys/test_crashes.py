"""Killed at every write: key and audit agree, and what was acknowledged is still there."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from tests.databases import fresh_file
from tests.keys.house import POLICY, STAGING, Counter, add_person, put_in_force
from tests.keys.sweep import DEADLY, NOW, approve_one

ROOT = Path(__file__).parents[2]
STRACE = shutil.which("strace")
WHICH_EVENT = {"claim": "request.claimed", "issue": "key.issued", "rotate": "key.rotated", "revoke": "key.revoked"}


@dataclass(frozen=True)
class Prepared:
    """A database with one key, closed and whole; every child gets a copy of its own."""

    file: Path
    revision: int
    key_id: str


@pytest.fixture
def prepared(migrated_file: Path, tmp_path: Path) -> Prepared:
    engine = connect(fresh_file(migrated_file, tmp_path))
    with Session(engine) as session:
        add_person(session, "ana", NOW)
        counter = Counter(session, put_in_force(session, POLICY, NOW), NOW)
        key_id = counter.issue(STAGING).key_id
        approve_one(counter)
    engine.dispose()
    return Prepared(tmp_path / "keymgr.db", counter.in_force.revision, key_id)


def swept(verb: str, call: str, prepared: Prepared) -> list[tuple[Path, int]]:
    """Kill at the first call, the second, and so on until one gets through: every copy, and how its child ended."""
    assert STRACE is not None, "The crash sweep needs strace; `make test` installs it."
    inject = f"inject={call}:signal=SIGKILL:when={DEADLY}"
    tracer = [STRACE, "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    program = [sys.executable, "-m", "tests.keys.sweep", verb, call]
    run = subprocess.run(
        [*tracer, *program, str(prepared.file), str(prepared.revision), prepared.key_id],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    ends = [line.split() for line in run.stdout.splitlines()]
    return [(prepared.file.with_name(f"{number}.db"), int(code)) for number, code in ends]


def counted(database: sqlite3.Connection, statement: str, *values: str) -> int:
    return int(database.execute(f"select count(*) from {statement}", values).fetchone()[0])  # noqa: S608 - our own words.


def took_place(verb: str, database: sqlite3.Connection, prepared: Prepared) -> bool:
    """Whether the rows of keys say that the verb took place."""
    match verb:
        case "issue":
            return counted(database, "api_key where id <> ?", prepared.key_id) == 1
        case "claim":
            claimed = counted(database, "key_request where state = 'claimed' and key_id is not null")
            assert claimed == counted(database, "api_key where id <> ?", prepared.key_id)
            return claimed == 1
        case "rotate":
            return counted(database, "credential where generation = 2") == 1
        case _:
            return counted(database, "api_key where state = 'revoked'") == 1


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
@pytest.mark.parametrize("verb", ["issue", "rotate", "revoke", "claim"])
def test_a_kill_at_any_write_leaves_key_and_audit_agreeing(verb: str, call: str, prepared: Prepared) -> None:
    seen = set()
    ends = swept(verb, call, prepared)
    for file, _ in ends:
        acknowledged = file.with_suffix(".acknowledged").exists()
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
            happened = took_place(verb, database, prepared)
            told = counted(database, "audit_event where action = ?", WHICH_EVENT[verb])
            assert told == happened + (verb == "issue")
            assert counted(database, "change_feed where kind = 'key'") == 1 + happened
            assert counted(database, "credential where state = 'current'") == counted(database, "api_key")
            assert happened or not acknowledged
        seen.add((happened, acknowledged))
    assert [code for _, code in ends] == [-signal.SIGKILL] * (len(ends) - 1) + [0]
    assert seen >= {(False, False), (True, True)}
