"""When the clock pulls: every so often, and when the forge hints; beside its other work, one process at a time."""

import logging
import random
import threading
from datetime import timedelta

from keymgr.reconcile.forge import forget_deliveries
from keymgr.reconcile.git_fetch import FETCH_SECONDS, Source
from keymgr.reconcile.pull import Begin, Now, Pulled, pull
from keymgr.reconcile.pull_due import RUNNING, begin_fetch, is_due, postpone
from keymgr.store.leases import give_back, take

_LEASE_SECONDS = FETCH_SECONDS + 180
_LONGEST_SECONDS = 3_600.0
_JITTER = 0.1
_LOG = logging.getLogger("keymgr.pull")


class Puller:
    """Pulls in a thread, so that the clock's heartbeat goes on while a forge is slow.

    The next run is planned as one begins; a hint that comes meanwhile moves it, so no hint is ever lost. Runs that
    fail are tried again later and later, but a hint counts at once.
    """

    def __init__(self, source: Source, every_seconds: float, begin: Begin, now: Now, holder: str) -> None:
        self._source, self._every, self._holder = source, every_seconds, holder
        self._begin, self._now = begin, now
        self._failures = 0
        self._thread: threading.Thread | None = None

    def beat(self) -> None:
        """Begin a run when it is time for one and none is under way here; the caller holds the clock's lease."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._begin() as session:
            forget_deliveries(session, self._now())
            due = is_due(session, self._now())
        if due:
            self._thread = threading.Thread(target=self.run, name="pull", daemon=True)
            self._thread.start()

    def finish(self, seconds: float | None) -> None:
        """Wait for a run that is under way; what is not applied by then is undone and done again later."""
        if self._thread is not None:
            self._thread.join(seconds)

    def run(self) -> Pulled | None:
        """Fetch and apply once; None when another process does it, or when a surprise was logged."""
        now = self._now()
        with self._begin() as session:
            if not take(session, RUNNING, self._holder, now, _LEASE_SECONDS):
                return None
            planned = begin_fetch(session, now, self._every * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - spreads load, guards nothing.
        pulled = None
        try:
            pulled = pull(self._source, self._begin, self._now)
        except Exception:  # noqa: BLE001 - the last resort of a thread: logged, and tried again later.
            _LOG.exception("Policy could not be pulled; the clock tries again later.")
        self._failures = 0 if pulled is not None and pulled.result_code == 0 else self._failures + 1
        with self._begin() as session:
            give_back(session, RUNNING, self._holder)
            if self._failures:
                postpone(session, planned, self._now() + timedelta(seconds=self._patience()))
        _tell(pulled)
        return pulled

    def _patience(self) -> float:
        """Return how long to wait after failures: twice as long each time, never less than usual, at most an hour."""
        return max(self._every, min(_LONGEST_SECONDS, self._every * 2.0 ** min(self._failures - 1, 20)))


def _tell(pulled: Pulled | None) -> None:
    if pulled is not None and pulled.result_code:
        first = pulled.message.partition("\n")[0]
        _LOG.warning("Policy was not applied (%d): %s `keymgr policy status` has it all.", pulled.result_code, first)
    elif pulled is not None and pulled.changed:
        _LOG.info("%s", pulled.message)
