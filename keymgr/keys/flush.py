"""Usage counts kept in memory and written in batches, so that verifying a key waits for no write.

At most one interval of counts is lost to `kill -9`, none to a normal stop. While the database refuses to be written,
counts are kept, up to a bound.
"""

import atexit
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from keymgr.keys.usage import Calls
from keymgr.store.forks import forget_after_fork
from keymgr.store.key_facts import CredentialFacts
from keymgr.tokens.verdicts import VerdictCode

INTERVAL_SECONDS = 1.0
CAPACITY = 50_000
_log = logging.getLogger(__name__)

Write = Callable[[Sequence[Calls]], None]
_Counted = tuple[str, str, VerdictCode, datetime]


class UsageBuffer:
    """Counts calls of one process and hands them to `write`, which commits them; threads may share it.

    The thread that does so starts with the first call, so a process that was forked meanwhile starts its own.
    """

    def __init__(self, write: Write, *, interval_seconds: float = INTERVAL_SECONDS, capacity: int = CAPACITY) -> None:
        self._write = write
        self._interval_seconds = interval_seconds
        self._capacity = capacity
        self._counts: dict[_Counted, Calls] = {}
        self._dropped = 0
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        forget_after_fork(self)

    def count(self, facts: CredentialFacts, code: VerdictCode, address: str | None, now: datetime) -> None:
        """Count one call. Nothing here waits for the database."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        name = (facts.key_id, facts.credential_id, code, hour)
        with self._lock:
            counted = self._counts.get(name)
            if counted is None and len(self._counts) >= self._capacity:
                self._dropped += 1
                return
            calls = 1 if counted is None else counted.calls + 1
            self._counts[name] = Calls(facts.key_id, facts.credential_id, code, calls, now, address)
            if self._thread is None:
                self._start()

    def flush(self) -> None:
        """Write what was counted until now; what cannot be written is kept for the next time."""
        with self._flushing:
            with self._lock:
                counts, self._counts = self._counts, {}
                dropped, self._dropped = self._dropped, 0
            if dropped:
                _log.error("Usage of %d calls was not counted: too many keys between two writes.", dropped)
            if not counts:
                return
            try:
                self._write(tuple(counts.values()))
            except Exception:  # noqa: BLE001 - whatever went wrong with the write, the counts must survive it.
                _log.exception("Usage could not be written and is kept in memory until the next try.")
                self._put_back(counts)

    def close(self) -> None:
        """Stop the thread and write what is left; the next call starts it again."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stop.set()
        atexit.unregister(self.close)
        if thread is not None:
            thread.join(timeout=5)
        self.flush()

    def forget(self) -> None:
        """Start afresh in a child process: what the parent has counted, the parent writes."""
        self._counts = {}
        self._dropped = 0
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._thread = None

    def _start(self) -> None:
        """Begin to write now and then, and once more at a normal exit; the caller holds the lock."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keymgr-usage", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _run(self) -> None:
        stop = self._stop
        while not stop.wait(self._interval_seconds):
            self.flush()

    def _put_back(self, counts: dict[_Counted, Calls]) -> None:
        """Add counts that were not written to those that came in meanwhile, as far as there is room."""
        with self._lock:
            for name, old in counts.items():
                new = self._counts.get(name)
                if new is not None:
                    self._counts[name] = replace(new, calls=old.calls + new.calls)
                elif len(self._counts) < self._capacity:
                    self._counts[name] = old
                else:
                    self._dropped += old.calls
