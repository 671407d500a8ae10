"""How long the reports take at 10,000 keys, each used on thirty days: `python -m benchmarks.reports [--postgresql]`."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from benchmarks.lists import NOW, fill
from keymgr.keys.reports import by_status, counted_since, expiring, expiry_weeks, unused
from keymgr.keys.reports_fit import out_of_policy, owner_gone
from keymgr.keys.reports_use import anomalies
from keymgr.keys.reports_waits import waits
from keymgr.store.engine import connect
from keymgr.store.migrate import upgrade
from keymgr.store.people import ServiceAccount
from tests.databases import make_database, server

ROUNDS, TEAMS = 9, 100
QUESTIONS: Mapping[str, Callable[[Session], object]] = {
    "expiring in 60 days": lambda session: expiring(session, None, days=60, now=NOW),
    "weeks of expiry": lambda session: expiry_weeks(session, None, weeks=9, now=NOW),
    "never used": lambda session: unused(session, None, days=None, now=NOW),
    "unused for 30 days": lambda session: unused(session, None, days=30, now=NOW),
    "out of policy": lambda session: out_of_policy(session, None, now=NOW),
    "owner gone": lambda session: owner_gone(session, None, teams=frozenset({"payments"}), now=NOW),
    "anomalies": lambda session: anomalies(session, None, now=NOW),
    "anomalies of one owner": lambda session: anomalies(session, frozenset({"svc:team-7"}), now=NOW),
    "status": lambda session: by_status(session, None, NOW),
    "approval times": lambda session: waits(session, None, now=NOW),
    "first day": counted_since,
}


def measure(session: Session) -> None:
    """Print the median and the worst of some rounds."""
    for name, ask in QUESTIONS.items():
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            ask(session)
            times.append((time.perf_counter() - started) * 1000)
        print(f"{name:26} {statistics.median(times):7.1f} ms  (at most {max(times):.1f})")


def main() -> None:
    """Fill the databases and ask."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, default=10_000)
    options.add_argument("--postgresql", action="store_true")
    chosen = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {"SQLite": f"sqlite:///{folder}/keymgr.db"}
        if chosen.postgresql:
            urls["PostgreSQL"] = make_database(stack.enter_context(server()), "reports")
        for name, url in urls.items():
            upgrade(url)
            engine = connect(url)
            accounts = [
                {"id": f"sva_{number}", "name": f"team-{number}", "team": "payments", "created_at": NOW}
                for number in range(1, TEAMS)
            ]
            with Session(engine) as session:
                fill(session, chosen.keys)
                session.execute(
                    insert(ServiceAccount), [{"state": "active", "sample": False, **each} for each in accounts]
                )
                session.commit()
            with Session(engine) as session:
                session.execute(text("ANALYZE"))
                session.commit()
                print(f"--- {name}, {chosen.keys:,} keys")
                measure(session)
            engine.dispose()


if __name__ == "__main__":
    main()
