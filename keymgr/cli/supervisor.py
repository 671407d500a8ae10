"""Runs the server with its companions: hands signals on, restarts a dead companion, ends when the server ends."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType

_LOG = logging.getLogger("keymgr.serve")
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_STOP_SECONDS = 10.0
_PATIENCE_SECONDS = 1.0

Child = subprocess.Popen[bytes]


class Companion:
    """A process beside the server, such as the clock: started again when it dies, after longer and longer pauses."""

    child: Child
    due: float | None = None

    def __init__(self, name: str, start: Callable[[], Child]) -> None:
        self.name = name
        self._start = start
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self.start()

    def start(self) -> None:
        """Start it now."""
        self.child, self.due, self._started = self._start(), None, time.monotonic()

    def plan_restart(self) -> None:
        """Set when a dead one starts again; who lived long pauses little."""
        now = time.monotonic()
        lived_long = now - self._started > _LONGEST_PAUSE_SECONDS
        pause_seconds = _FIRST_PAUSE_SECONDS if lived_long else self._pause_seconds
        self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, 2 * pause_seconds)
        self.due = now + pause_seconds
        _LOG.error("The %s ended with %s; it starts again in %.0f s.", self.name, exit_code(self.child), pause_seconds)

    def end(self) -> None:
        """Stop it gently, then not so gently, and wait for it."""
        self.due = None
        self.child.terminate()
        try:
            self.child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Supervisor:
    """Children run in sessions of their own, so that Ctrl-C reaches only us and we end them in order."""

    def __init__(
        self, server: Sequence[str], companions: Mapping[str, Sequence[str]], environ: Mapping[str, str]
    ) -> None:
        self._environ = dict(environ)
        self._events: SimpleQueue[signal.Signals | Child] = SimpleQueue()
        self._stopping_since: float | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)
        self._server = self._start(server)
        self._companions = [Companion(name, partial(self._start, command)) for name, command in companions.items()]

    def run(self, *, may_reload: Callable[[], bool]) -> int:
        """Return the server's exit code once all have ended; `may_reload` is asked before a reload."""
        while (event := self._next()) is not self._server:
            if event is signal.SIGHUP:
                self._reload(may_reload)
            elif isinstance(event, signal.Signals):
                self._stop(event)
            elif self._stopping_since is None:
                self._restart(event)
        for companion in self._companions:
            companion.end()
        return exit_code(self._server)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._events.put(signal.Signals(number))

    def _start(self, command: Sequence[str]) -> Child:
        child = subprocess.Popen(command, env=self._environ, start_new_session=True)  # noqa: S603 - our own commands, no shell.
        threading.Thread(target=self._watch, args=(child,), daemon=True).start()
        return child

    def _watch(self, child: Child) -> None:
        child.wait()
        self._events.put(child)

    def _next(self) -> signal.Signals | Child | None:
        """Wait for what happens next; None means that a companion's pause is over."""
        due = min((companion.due for companion in self._companions if companion.due is not None), default=None)
        try:
            return self._events.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
        except Empty:
            return None

    def _restart(self, ended: Child | None) -> None:
        """Plan for the companion that has just ended, and start those whose pause is over."""
        for companion in self._companions:
            if companion.child is ended:
                companion.plan_restart()
            elif companion.due is not None and companion.due <= time.monotonic():
                companion.start()

    def _reload(self, may_reload: Callable[[], bool]) -> None:
        """Start new workers and companions, unless the settings they would read are bad."""
        if self._stopping_since is not None or not may_reload():
            return
        _LOG.info("Reloading: new workers take over, the old ones finish what they have begun.")
        self._server.send_signal(signal.SIGHUP)
        for companion in self._companions:
            companion.end()
            companion.start()

    def _stop(self, number: signal.Signals) -> None:
        """Stop gently; only who presses Ctrl-C again after a while gets the quick way."""
        if self._stopping_since is not None:
            if number is signal.SIGINT and time.monotonic() - self._stopping_since > _PATIENCE_SECONDS:
                self._server.send_signal(signal.SIGQUIT)
            return
        _LOG.info("Stopping: requests that have begun are answered first.")
        self._stopping_since = time.monotonic()
        self._server.send_signal(signal.SIGTERM)
        for companion in self._companions:
            companion.due = None
            companion.child.terminate()


def exit_code(child: Child) -> int:
    """Return a child's exit code, 128 + the signal's number when a signal ended it."""
    return child.returncode if child.returncode >= 0 else 128 - child.returncode
