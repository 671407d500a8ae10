"""The clock's door: does what is due, every few seconds, in one process at a time; run by `python -m keymgr.worker`."""

import argparse
import logging
import os
import random
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from types import FrameType

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from keymgr.config import BadSettings, Settings, load
from keymgr.config.logs import speak
from keymgr.keys.due import Keep, Ticked, tick
from keymgr.parts import make_source
from keymgr.reconcile.drain import drain
from keymgr.reconcile.live import in_force
from keymgr.reconcile.puller import Puller
from keymgr.reconcile.reevaluate import Place, reevaluate
from keymgr.reconcile.settle import Clockwork
from keymgr.store.audit import AuditLevel
from keymgr.store.engine import StoreError, connect
from keymgr.store.leases import give_back, take
from keymgr.store.lock import share_policy

LEASE = "clock"
LEASE_SECONDS = 30.0
PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 60.0
_PULL_ENDS_SECONDS = 5.0
_AWAY = (DBAPIError, PoolTimeout, StoreError)
_LOG = logging.getLogger("keymgr.worker")


class Clock:
    """One process that keeps time. Its lease is its heartbeat: who looks at the row sees who works and until when."""

    def __init__(self, settings: Settings, engine: Engine, holder: str) -> None:
        self._engine = engine
        self._holder = holder
        self._level = AuditLevel(settings.audit_level)
        self._keep = Keep(
            session_idle=timedelta(minutes=settings.session_idle_minutes),
            session_absolute=timedelta(hours=settings.session_hours),
        )
        self._failures = 0
        source, every = make_source(settings), settings.policy_pull_seconds
        self._puller = None if source is None else Puller(source, every, self._begin, lambda: datetime.now(UTC), holder)
        self._place: Place | None = None

    def beat(self) -> bool:
        """Do what is due, if it is our turn; False when the database failed, which is logged and tried again later."""
        try:
            ticked = self._work(datetime.now(UTC))
            if ticked is not None and self._puller is not None:
                self._puller.beat()
            while ticked is not None and self._look_again(datetime.now(UTC)):
                pass
        except _AWAY as error:
            self._failures += 1
            _LOG.error("The database did not let the clock work (%s); it tries again soon.", type(error).__name__)
            return False
        self._failures = 0
        if ticked is not None and any((ticked.lapsed, ticked.retired)):
            _LOG.info("%d requests lapsed, %d old credentials retired.", ticked.lapsed, ticked.retired)
        return True

    def pause_seconds(self) -> float:
        """Say how long to rest: always the same after success, longer and longer and never alike after failures."""
        if self._failures == 0:
            return PAUSE_SECONDS
        longest = min(_LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2.0**self._failures)
        return random.uniform(PAUSE_SECONDS / 2, longest)  # noqa: S311 - spreads load, guards nothing.

    def stop(self, *, patiently: bool = False) -> None:
        """Let another process take over at once; a database that is away will find out when the lease ends.

        A pull that is under way gets a few seconds, or, `patiently`, all the time it needs.
        """
        if self._puller is not None:
            self._puller.finish(None if patiently else _PULL_ENDS_SECONDS)
        try:
            with Session(self._engine) as session, session.begin():
                give_back(session, LEASE, self._holder)
        except _AWAY:
            _LOG.warning("The clock's lease could not be given back; it ends by itself.")

    @contextmanager
    def _begin(self) -> Iterator[Session]:
        """Lend a session for one transaction, which is committed when the block ends well."""
        with Session(self._engine) as session, session.begin():
            yield session

    def _work(self, now: datetime) -> Ticked | None:
        """Renew the lease and do the work; None while another process holds it."""
        with Session(self._engine) as session, session.begin():
            if not take(session, LEASE, self._holder, now, LEASE_SECONDS):
                return None
        with Session(self._engine) as session, session.begin():
            return tick(session, now, level=self._level, keep=self._keep)

    def _look_again(self, now: datetime) -> bool:
        """Look at a portion of the live keys and empty a part of the outbox; True while there is more and it is ours.

        Where the clock was is remembered only with the commit; a process that has just started looks at everything.
        """
        with Session(self._engine) as session, session.begin():
            if not take(session, LEASE, self._holder, now, LEASE_SECONDS):
                return False
        with Session(self._engine) as session, session.begin():
            share_policy(session)
            opened = in_force(session)
            if opened is None:
                return False
            work = Clockwork(session, opened, self._level, now)
            place, noted = reevaluate(work, self._place)
            drained = drain(work)
        self._place = place
        if any((noted.flagged, noted.released, drained.done, drained.failed)):
            _LOG.info(
                "%d keys flagged, %d fit again; %d effects done, %d failed.",
                noted.flagged,
                noted.released,
                drained.done,
                drained.failed,
            )
        return place.after is not None or drained.is_full


def run(settings: Settings, stopping: SimpleQueue[int], *, rounds: int | None = None) -> int:
    """Beat until something is put into `stopping`, or `rounds` times; return 1 when the last beat failed."""
    engine = connect(settings.database_url)
    clock = Clock(settings, engine, holder=f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}")
    done = 0
    while True:
        is_well = clock.beat()
        done += 1
        if done == rounds or _is_over(stopping, clock.pause_seconds()):
            break
    clock.stop(patiently=done == rounds)
    engine.dispose()
    return 0 if is_well else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the settings, then keep time until SIGTERM or SIGINT; with `--once` do what is due and end."""
    parser = argparse.ArgumentParser(prog="python -m keymgr.worker", description="Does what is due, until stopped.")
    parser.add_argument("--once", action="store_true", help="do what is due now and end")
    once = parser.parse_args(arguments).once
    try:
        settings = load()
    except BadSettings as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return 1
    speak(settings.log_format)
    stopping: SimpleQueue[int] = SimpleQueue()

    def note(number: int, _frame: FrameType | None) -> None:
        stopping.put(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    try:
        return run(settings, stopping, rounds=1 if once else None)
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _is_over(stopping: SimpleQueue[int], seconds: float) -> bool:
    """Rest, unless we are told to stop before or meanwhile."""
    try:
        stopping.get(timeout=seconds)
    except Empty:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
