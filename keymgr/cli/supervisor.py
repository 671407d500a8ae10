"""Runs the server and the clock side by side: hands signals on, restarts a dead clock, ends with the server."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from types import FrameType

_LOG = logging.getLogger("keymgr.serve")
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_STOP_SECONDS = 10.0

Child = subprocess.Popen[bytes]


class Supervisor:
    """Two children in sessions of their own, so that Ctrl-C reaches only us and we end them in order."""

    _server: Child
    _clock: Child
    _clock_started: float

    def __init__(self, server: Sequence[str], clock: Sequence[str], environ: Mapping[str, str]) -> None:
        self._commands = {"server": server, "clock": clock}
        self._environ = environ
        self._events: SimpleQueue[signal.Signals | Child] = SimpleQueue()
        self._stopping = False
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._clock_due: float | None = None

    def run(self, *, may_reload: Callable[[], bool]) -> int:
        """Start both and return the server's exit code once both have ended; ask `may_reload` before a reload."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)
        self._server = self._start("server")
        self._start_clock()
        while (event := self._next()) is not self._server:
            if event is None:
                self._start_clock()
            elif event is self._clock:
                self._plan_restart()
            elif event is signal.SIGHUP:
                self._reload(may_reload)
            elif isinstance(event, signal.Signals):
                self._stop()
        self._end_clock()
        return _exit_code(self._server)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._events.put(signal.Signals(number))

    def _start(self, name: str) -> Child:
        child = subprocess.Popen(self._commands[name], env=dict(self._environ), start_new_session=True)  # noqa: S603 - our own two commands, no shell.
        threading.Thread(target=self._watch, args=(child,), daemon=True, name=f"watch-{name}").start()
        return child

    def _start_clock(self) -> None:
        self._clock, self._clock_due, self._clock_started = self._start("clock"), None, time.monotonic()

    def _watch(self, child: Child) -> None:
        child.wait()
        self._events.put(child)

    def _next(self) -> signal.Signals | Child | None:
        """Wait for what happens next; None means that the clock's pause is over."""
        if self._clock_due is None:
            return self._events.get()
        try:
            return self._events.get(timeout=max(0.0, self._clock_due - time.monotonic()))
        except Empty:
            return None

    def _plan_restart(self) -> None:
        if self._stopping:
            return
        if time.monotonic() - self._clock_started > _LONGEST_PAUSE_SECONDS:
            self._pause_seconds = _FIRST_PAUSE_SECONDS
        _LOG.error("The clock ended with %s; it starts again in %.0f s.", _exit_code(self._clock), self._pause_seconds)
        self._clock_due = time.monotonic() + self._pause_seconds
        self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, 2 * self._pause_seconds)

    def _reload(self, may_reload: Callable[[], bool]) -> None:
        """Start new workers and a new clock, unless the settings they would read are bad."""
        if self._stopping or not may_reload():
            return
        _LOG.info("Reloading: new workers take over, the old ones finish what they have begun.")
        self._server.send_signal(signal.SIGHUP)
        self._end_clock()
        self._start_clock()

    def _stop(self) -> None:
        """Stop gently the first time; whoever insists gets the quick way."""
        _LOG.info("Stopping: requests that have begun are answered first.")
        self._server.send_signal(signal.SIGQUIT if self._stopping else signal.SIGTERM)
        self._clock.send_signal(signal.SIGTERM)
        self._stopping, self._clock_due = True, None

    def _end_clock(self) -> None:
        self._clock.terminate()
        try:
            self._clock.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._clock.kill()
            self._clock.wait()


def _exit_code(child: Child) -> int:
    """Return a child's exit code, 128 + the signal's number when a signal ended it."""
    return child.returncode if child.returncode >= 0 else 128 - child.returncode
