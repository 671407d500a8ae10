"""How long the list of keys takes at 10,000 keys, for every sort, filter and search: `python -m benchmarks.lists`.

Every key was used on each of the last thirty days and was refused now and then, which is as dear as it gets. The ratio
is to a bare count of the table, on the same connection. Add `--postgresql` for a server of its own beside SQLite.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from keymgr.keys.listing import Direction, Filters, Sort, listing
from keymgr.keys.status import Status
from keymgr.store.base import Record
from keymgr.store.engine import connect
from keymgr.store.keys import Credential, Key
from keymgr.store.migrate import upgrade
from keymgr.store.policies import PolicyRevision
from keymgr.store.usage import UsageDay
from tests.databases import make_database, server

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
OWNERS, PART = 100, 5_000
MINE = frozenset({"svc:team-7"})


@dataclass(frozen=True)
class Measured:
    """One question to the list in milliseconds; `processor` is this process's, which on SQLite is all there is."""

    name: str
    median: float
    worst: float
    processor: float


def main() -> None:
    """Fill the databases, ask every question in turns, and print what it took."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--postgresql", action="store_true")
    chosen = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {"SQLite": f"sqlite:///{folder}/keymgr.db"}
        if chosen.postgresql:
            urls["PostgreSQL"] = make_database(stack.enter_context(server()), "lists")
        for name, url in urls.items():
            upgrade(url)
            engine = connect(url)
            with Session(engine) as session:
                fill(session, chosen.keys)
            with Session(engine) as session:
                report(name, measure(session, chosen.rounds), chosen.keys)
            engine.dispose()


def fill(session: Session, count: int) -> None:
    """Add keys in every state, their credentials, and thirty days of use of each."""
    revision = PolicyRevision(
        name="benchmark", digest="0", applied_at=NOW, applied_by="cli", app_version="0", documents=[], summary={}
    )
    session.add(revision)
    session.flush()
    for table, rows in (
        (Key, (a_key(number, revision.id) for number in range(count))),
        (Credential, (row for number in range(count) for row in credentials(number, count))),
        (UsageDay, (row for number in range(count) for row in days(number))),
    ):
        store(session, table, rows)
    session.commit()
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("ANALYZE"))  # As its autovacuum does; SQLite is never told, so it is not here either.
        session.commit()


def store(session: Session, table: type[Record], rows: Iterator[Mapping[str, Any]]) -> None:
    """Insert rows, some thousands at a time."""
    while part := list(islice(rows, PART)):
        session.execute(insert(table.__table__), part)  # type: ignore[arg-type]  # a Table, typed wider.


def a_key(number: int, revision: int) -> dict[str, Any]:
    """Return one key: one in ten revoked, one in twenty suspended, one in seven never used."""
    state = "revoked" if number % 10 == 0 else "suspended" if number % 20 == 1 else "active"
    used = None if number % 7 == 0 else NOW - timedelta(minutes=number * 37 % 80_000)
    return {
        "id": f"key_{number:026}",
        "name": f"worker {number * 7919 % 10_007} of team {number % OWNERS}",
        "owner": f"svc:team-{number % OWNERS}",
        "service": f"service-{number % 40}",
        "environment": ("dev", "staging", "prod")[number % 3],
        "scopes": [f"thing-{each}:read" for each in range(number % 5 + 1)],
        "cidrs": [],
        "terms": {},
        "token_form": "jwt",
        "created_at": NOW - timedelta(days=number % 90 + 1),
        "created_by": "user:ana",
        "expires_at": ends(number),
        "rule": "benchmark",
        "rule_source": "benchmark.yaml:1:1",
        "revision_id": revision,
        "evidence": {},
        "state": state,
        "revoked_at": NOW if state == "revoked" else None,
        "last_used_at": used,
    }


def ends(number: int) -> datetime:
    """Return when a key expires; some have already."""
    return NOW + timedelta(hours=number * 31 % 2_400 - 200)


def credentials(number: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield the current credential, and for one key in fifteen the one before, which still works."""
    row = {
        "id": f"crd_{number:026}",
        "key_id": f"key_{number:026}",
        "generation": 2,
        "secret_digest": number.to_bytes(32),
        "status_index": number,
        "issued_at": NOW,
        "expires_at": ends(number),
        "state": "current",
        "retires_at": None,
    }
    yield row
    if number % 15 == 0:
        other = number + count
        old = {"id": f"crd_{other:026}", "secret_digest": other.to_bytes(32), "status_index": other, "generation": 1}
        yield {**row, **old, "state": "retiring", "retires_at": NOW + DAY}


def days(number: int) -> Iterator[dict[str, Any]]:
    """Yield thirty days of accepted calls, and every third day some that were refused."""
    for ago in range(30):
        row = {"key_id": f"key_{number:026}", "day": (NOW - ago * DAY).date(), "code": "ok"}
        yield {**row, "calls": number * 13 % 5_000 + ago}
        if ago % 3 == 0:
            yield {**row, "code": "rate_limited", "calls": ago + 1}


def measure(session: Session, rounds: int) -> list[Measured]:
    """Ask every question so many times, in turns."""
    asked = questions(session)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in asked}
    for _ in range(rounds + 1):
        for name, ask in asked.items():
            started, worked = time.perf_counter(), time.process_time()
            ask()
            taken[name].append((time.perf_counter() - started, time.process_time() - worked))
            session.rollback()
    return [_measured(name, times[1:]) for name, times in taken.items()]


def _measured(name: str, times: list[tuple[float, float]]) -> Measured:
    wall, processor = ([1_000 * seconds for seconds in each] for each in zip(*times, strict=True))
    return Measured(name, statistics.median(wall), max(wall), statistics.median(processor))


def questions(session: Session) -> dict[str, Callable[[], object]]:
    """Return every sort both ways, every filter and several searches; whoever asks sees all keys."""
    bare = select(func.count()).select_from(Key)
    asked: dict[str, Callable[[], object]] = {"bare count": lambda: session.scalar(bare)}

    def ask(name: str, owners: frozenset[str] | None = None, **options: Any) -> None:  # noqa: ANN401 - what listing takes.
        asked[name] = lambda: listing(session, owners, now=NOW, **options)

    for sort in Sort:
        for direction in Direction:
            ask(f"sort {sort} {direction}", sort=sort, direction=direction)
    for status in Status:
        ask(f"status {status}", filters=Filters(status=status))
    ask(
        "status Active, calls desc", filters=Filters(status=Status.ACTIVE), sort=Sort.CALLS, direction=Direction("desc")
    )
    ask("service", filters=Filters(service="service-3"))
    ask("environment", filters=Filters(environment="prod"))
    ask("owner", filters=Filters(owner="svc:team-7"))
    ask("scope", filters=Filters(scope="thing-2:read"))
    ask("unused", filters=Filters(unused=True))
    for search in (
        "worker 12",
        "worker",
        "zebra",
        "key_0000000000000000000000012",
        "crd_00000000000000000000000123",
        "k",
    ):
        ask(f"search {search[:14]}", filters=Filters(search=search))
    ask("page 100", number=100)
    ask("one team's, calls", MINE, sort=Sort.CALLS)
    return asked


def report(database: str, found: list[Measured], count: int) -> None:
    """Print a table, the dearest last."""
    bare = found[0].median
    print(f"\n{database}, {count:,} keys: milliseconds (median, worst, of our own processor), ratio to a bare count")
    for each in sorted(found, key=lambda one: one.median):
        print(f"{each.name:<28} {each.median:7.1f} {each.worst:7.1f} {each.processor:7.1f} {each.median / bare:7.1f}")


if __name__ == "__main__":
    main()
