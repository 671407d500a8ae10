"""How fast the audit trail of 1,000,000 events is read and exported: `python benchmarks/audit.py [database]`."""

import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from keymgr.store.audit import AuditEvent
from keymgr.store.audit_reading import Search, find_entries
from keymgr.store.engine import connect
from keymgr.store.migrate import upgrade
from keymgr.web.audit_file import FileKind, file_lines

EVENTS, OLD, BATCH, ROUNDS = 1_000_000, 10_000, 10_000, 5
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36"
START = datetime(2026, 1, 1, tzinfo=UTC)
ACTIONS = ("key.issued", "key.rotated", "key.revoked", "person.signed_in", "person.signed_out", "request.made")
SEARCHES = {
    "everything": Search(),
    "a busy actor": Search(actor="user:person-3"),
    "an actor who was busy long ago": Search(actor="user:old-hand"),
    "an action": Search(action="key.revoked"),
    "a rare action": Search(action="policy.unpinned"),
    "a key": Search(object_kind="key", object_id="key_000777"),
    "actor and action": Search(actor="user:person-3", action="key.revoked"),
    "actor and an action of others": Search(actor="user:person-3", action="policy.unpinned"),
    "a day in the middle": Search(since=START + timedelta(days=100), until=START + timedelta(days=101)),
    "from the middle on": Search(since=START + timedelta(days=100)),
    "until the middle": Search(until=START + timedelta(days=100)),
    "refused": Search(outcome="refused"),
    "a request id, not there": Search(request_id="req-none"),
    "a service": Search(service="payments"),
    "a word, not there": Search(text="zebra"),
    "a word of an actor, not there": Search(actor="user:person-3", text="zebra"),
}


def events() -> Iterator[dict[str, Any]]:
    """Yield events with the shape of real ones, spread over 200 days."""
    dice = random.Random(7)  # noqa: S311 - sample data.
    for number in range(EVENTS):
        actor = "user:old-hand" if number < OLD else f"user:person-{dice.randrange(200)}"
        key = f"key_{dice.randrange(10_000):06}"
        detail = {
            "name": "checkout worker",
            "owner": actor,
            "credential": f"crd_{number:026}",
            "rule": "payments-dev",
            "source": "rules/payments.yaml:14",
            "user_agent": BROWSER,
        }
        yield {
            "at": START + timedelta(seconds=number * 17),
            "actor": actor,
            "action": "policy.unpinned" if number % 200_000 == 0 else dice.choice(ACTIONS),
            "object_kind": "key",
            "object_id": key,
            "outcome": "refused" if number % 97 == 0 else "done",
            "detail": detail,
            "request_id": f"req-{number:016x}",
            "address": "198.51.100.7",
        }


def fill(session: Session) -> None:
    """Write the events in batches."""
    batch: list[dict[str, Any]] = []
    for event in events():
        batch.append(event)
        if len(batch) == BATCH:
            session.execute(insert(AuditEvent), batch)
            session.commit()
            batch = []


def read(session: Session) -> None:
    """Print how long each search takes for its first page, and one for a page deep in the trail."""
    for name, search in SEARCHES.items():
        times, found = [], 0
        for _ in range(ROUNDS):
            started = time.perf_counter()
            page = find_entries(session, search)
            times.append((time.perf_counter() - started) * 1000)
            found = len(page.entries)
            session.rollback()
        print(f"{name:34} {found:3} entries  {sorted(times)[ROUNDS // 2]:7.1f} ms  (at most {max(times):.1f})")
    started = time.perf_counter()
    find_entries(session, Search(), before=EVENTS // 2)
    print(f"{'a page in the middle':34}              {(time.perf_counter() - started) * 1000:7.1f} ms")


def export(session: Session) -> None:
    """Print how long it takes to write everything out in either form, and what memory that needs."""
    newest = session.scalar(select(func.max(AuditEvent.id))) or 0
    for kind in FileKind:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        started, size, lines = time.perf_counter(), 0, 0
        for piece in file_lines(lambda: session, Search(), below=newest + 1, kind=kind):
            size += len(piece)
            lines += piece.count("\n")
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{kind}: {lines:,} lines, {size // 2**20} MB in {seconds:.0f} s; {after} MB of memory, {before} before")


def main() -> None:
    """Fill a database, unless it is full, and measure."""
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder) / 'audit.db'}"
        upgrade(url)
        engine = connect(url)
        with Session(engine) as session:
            if not session.scalar(select(func.max(AuditEvent.id))):
                fill(session)
        with Session(engine.execution_options(read_only=True)) as session:
            read(session)
            export(session)
        engine.dispose()


if __name__ == "__main__":
    main()
