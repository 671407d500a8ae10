"""A gunicorn worker on uvloop and httptools: quick answers in the event loop, everything else as WSGI in threads."""

import asyncio
import gc
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

import uvloop
from gunicorn.workers.base import Worker

from keymgr.cli.loop_service import Service

_BEAT_SECONDS = 1.0
_STOPPING_BEAT_SECONDS = 0.05
_LINGER_SECONDS = 2.0


class LoopWorker(Worker):  # type: ignore[misc] # gunicorn carries no types.
    """Serves until it is told to stop, then takes in who has connected already and finishes what is under way.

    A client that keeps its connection is let go once it has been quiet for two seconds, so that a request that is on
    its way at that moment still finds somebody.
    """

    loop: asyncio.AbstractEventLoop
    sockets: list[Any]

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - gunicorn's own signature.
        super().__init__(*arguments, **options)
        self._is_quick = False
        self._wake: asyncio.Event | None = None

    def init_signals(self) -> None:
        """Hear gunicorn's signals as any worker does while the application is made: the loop is deaf until it runs."""
        super().init_signals()
        signal.set_wakeup_fd(-1)

    def _hear(self) -> None:
        """Hear gunicorn's signals in the running loop."""
        self.loop.add_signal_handler(signal.SIGTERM, self.stop)
        self.loop.add_signal_handler(signal.SIGQUIT, self._stop_quickly)
        self.loop.add_signal_handler(signal.SIGINT, self._stop_quickly)
        self.loop.add_signal_handler(signal.SIGUSR1, self.log.reopen_files)
        self.loop.add_signal_handler(signal.SIGABRT, self._abort)

    def stop(self) -> None:
        """Stop when everything under way is done."""
        self.alive = False
        if self._wake is not None:
            self._wake.set()

    def run(self) -> None:
        """Serve until told to stop."""
        self.loop = uvloop.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self._wake = asyncio.Event()
        service = Service(self, self.wsgi, self.loop)
        # What was made until now stays for good: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        try:
            self.loop.run_until_complete(self._serve(service))
        finally:
            service.threads.shutdown(wait=False, cancel_futures=True)
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    async def _serve(self, service: Service) -> None:
        self._hear()
        servers = [
            await self.loop.create_server(service.connect, sock=each.sock, ssl=self._tls()) for each in self.sockets
        ]
        while self.alive and os.getppid() == self.ppid:
            self.notify()
            service.sweep()
            await self._rest(_BEAT_SECONDS)
        service.is_stopping = True
        for each in self.sockets:
            await self._take_in(service, each.sock)
        for server in servers:
            server.close()
        for each in self.sockets:
            each.sock.close()
        await self._finish(service)

    async def _rest(self, seconds: float) -> None:
        """Wait, but not after a signal."""
        assert self._wake is not None  # noqa: S101 - `run` has made it.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)

    async def _take_in(self, service: Service, listener: socket.socket) -> None:
        """Accept who is queued in the kernel already: they would be cut off when the socket closes."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setblocking(False)  # noqa: FBT003 - the socket's own signature.
            await self.loop.connect_accepted_socket(service.connect, client, ssl=self._tls())

    async def _finish(self, service: Service) -> None:
        """Wait for requests under way, within gunicorn's graceful timeout."""
        until = self.loop.time() + self.cfg.graceful_timeout
        while service.close_idle(_LINGER_SECONDS) and self.loop.time() < until and not self._is_quick:
            self.notify()
            service.sweep()
            await asyncio.sleep(_STOPPING_BEAT_SECONDS)
        left = service.close_idle(0)
        if left:
            self.log.warning("Closing %d connections with a request under way.", left)
        for connection in tuple(service.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def _stop_quickly(self) -> None:
        """Stop without waiting for anybody; what was counted is still written."""
        self._is_quick = True
        self.cfg.worker_int(self)
        self.stop()

    def _abort(self) -> None:
        """End at once: gunicorn's master has waited for too long."""
        self.cfg.worker_abort(self)
        sys.exit(1)

    def _tls(self) -> Any:  # noqa: ANN401 - an `ssl.SSLContext` or None.
        if not self.cfg.is_ssl:
            return None
        from gunicorn.sock import ssl_context  # noqa: PLC0415 - only where the server itself speaks TLS.

        return ssl_context(self.cfg)
