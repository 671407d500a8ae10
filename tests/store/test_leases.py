"""A lease has one holder at a time, also between processes."""

import subprocess
import sys
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from keymgr.store.leases import Lease, give_back, take

TAKE = """
import sys
from datetime import datetime
from sqlalchemy.orm import Session
from keymgr.store.engine import connect
from keymgr.store.leases import take
with Session(connect(sys.argv[1])) as session, session.begin():
    print(take(session, "clock", sys.argv[2], datetime.fromisoformat(sys.argv[3]), 30))
"""


def test_a_lease_is_kept_by_its_holder_and_refused_to_others(session: Session, now: datetime) -> None:
    assert take(session, "clock", "one", now, 30)
    assert not take(session, "clock", "two", now + timedelta(seconds=29), 30)
    assert take(session, "clock", "one", now + timedelta(seconds=29), 30)
    assert not take(session, "clock", "two", now + timedelta(seconds=58), 30)


def test_a_lease_that_is_over_goes_to_whoever_asks_first(session: Session, now: datetime) -> None:
    take(session, "clock", "one", now, 30)
    assert take(session, "clock", "two", now + timedelta(seconds=30), 30)
    assert not take(session, "clock", "one", now + timedelta(seconds=31), 30)


def test_leases_of_other_names_are_not_touched(session: Session, now: datetime) -> None:
    assert take(session, "clock", "one", now, 30)
    assert take(session, "mail", "two", now, 30)
    give_back(session, "clock", "two")
    assert session.get_one(Lease, "clock").holder == "one"
    give_back(session, "clock", "one")
    assert take(session, "clock", "two", now, 30)
    assert not take(session, "mail", "one", now, 30)


def test_of_four_processes_exactly_one_takes_the_lease(engine: Engine, database_url: str, now: datetime) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, database_url, f"process-{number}", now.isoformat()],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    answers = [process.communicate()[0].strip() for process in runs]
    assert sorted(answers) == ["False", "False", "False", "True"]
    with Session(engine) as session:
        assert session.get_one(Lease, "clock").holder == f"process-{answers.index('True')}"
