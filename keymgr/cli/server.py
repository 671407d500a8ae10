"""What we add to gunicorn, by name on its command line: a stop that drops nobody, and its lines as JSON."""

import socket

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from keymgr.config.logs import JsonLines


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn carries no types.
    """A thread worker that, once told to stop, takes in who has connected already and turns later callers away.

    Gunicorn's own keeps the listening socket open, unanswered, until it ends: whoever connects meanwhile is cut off.
    """

    sockets: list[socket.socket]

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the signature is gunicorn's.
        """Begin or stop to accept connections."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            listeners, self.sockets = self.sockets, []
            for listener in listeners:
                self._take_in(listener)
                listener.close()

    def _take_in(self, listener: socket.socket) -> None:
        """Accept what the kernel has queued; each is answered as usual, within the graceful timeout."""
        before = -1
        while before != self.nr_conns:
            before = self.nr_conns
            self.accept(listener)


class JsonLogger(Logger):  # type: ignore[misc] # gunicorn carries no types.
    """Gunicorn's own lines in the same JSON as ours."""

    def setup(self, cfg: Config) -> None:
        """Set gunicorn's handlers up as it does, with our formatter."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())
