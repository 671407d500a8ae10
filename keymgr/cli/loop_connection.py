"""One connection of the event-loop worker: requests in, one after the other, answers out in the same order."""

import asyncio
import sys
from collections import deque
from typing import Protocol, cast

from keymgr.cli.loop_answer import BODILESS, connection_line, head, refusal, status_line
from keymgr.cli.loop_lane import Lane
from keymgr.cli.loop_reader import REQUEST_SECONDS, Reader
from keymgr.cli.loop_request import MALFORMED, TOO_SLOW, Refusal, Request
from keymgr.cli.loop_wsgi import SLOWEST_CLIENT_SECONDS, Answering, Shared

IDLE_SECONDS = 75.0
_WAITING_MAX = 16
_LINGER_SECONDS = 2.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Host(Shared, Protocol):
    """The worker's state that connections belong to."""

    def joined(self, connection: "Connection") -> None:
        """Count a client in."""

    def left(self, connection: "Connection") -> None:
        """Count a client out."""

    def counted(self) -> None:
        """Count a request."""

    def log_refusal(self, peer: str, why: Refusal) -> None:
        """Say who sent what cannot be answered."""


class Connection(asyncio.Protocol):
    """Everything here runs in the event loop's thread."""

    def __init__(self, service: Host) -> None:
        self._service = service
        self._reader = Reader(self, service.loop.time)
        self._waiting: deque[Request] = deque()
        self._answering: Answering | None = None
        self._out: list[bytes] = []
        self._is_over = False
        self._is_ended = False
        self._deadline = service.loop.time() + REQUEST_SECONDS
        self._written = self._gone = 0
        self._reading_deadline = 0.0
        self.idle_since = service.loop.time()
        self.transport: asyncio.Transport
        self.peer: tuple[str, int] = ("", 0)
        self.is_closed = False
        self.is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            self.peer = (name[0], name[1])
        self._service.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's.
        """End; whoever is still answering hears of it."""
        self.is_closed = self._is_over = True
        self._service.left(self)
        self._reader.close()
        if self._answering is not None:
            self._answering.wake()
        for request in self._waiting:
            request.close()

    def eof_received(self) -> bool:
        """Hear that nothing more will come: what was asked whole is answered, what broke off is refused."""
        self._is_ended = True
        if self._is_over:
            return False
        if self._reader.request is not None:
            self.refuse(MALFORMED)
        elif self.is_idle():
            self._close()
        self._flush()
        return True

    def pause_writing(self) -> None:
        """Hear nothing more from a client that reads slower than we write, or answers would pile up here."""
        self.is_full = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let whoever waited write on, or answer what has come meanwhile."""
        self.is_full = False
        if self._answering is not None:
            self._answering.wake()
        self._go_on()
        self._flush()
        self._read_on()

    def data_received(self, data: bytes) -> None:
        """Read what came, and answer what can be answered at once."""
        if self._is_over:
            return
        if not self._reader.feed(data) and not self._is_over:
            self.transport.pause_reading()
        self._flush()

    def take(self, request: Request) -> None:
        """Answer a request, or let it wait for its turn."""
        self._waiting.append(request)
        if self._answering is None:
            self._go_on()
        elif len(self._waiting) >= _WAITING_MAX:
            self.transport.pause_reading()

    def invite_body(self) -> None:
        """Tell a client that waits for it to send its body, unless an earlier answer would be in the way."""
        if self._answering is None:
            self._out.append(_CONTINUE)

    def refuse(self, why: Refusal) -> None:
        """Answer once that this goes no further; an answer that is under way is lost with the connection."""
        if self._is_over:
            return
        if self._answering is None:
            self._out.append(refusal(why, self._service.clock))
        self._service.log_refusal(self.peer[0], why)
        self._is_over = True
        self._flush()
        if not self.transport.can_write_eof() or self._is_ended:
            self.transport.close()
            return
        # Closed at once, with input unread, the kernel would throw the answer away (RFC 9112 section 9.6).
        self.transport.write_eof()
        self._deadline = self._service.loop.time() + _LINGER_SECONDS

    def went_wrong(self) -> None:
        """Log the error at hand."""
        self._service.log.error("A request could not be taken in.", exc_info=sys.exc_info())

    def send(self, data: bytes) -> None:
        """Write a part of an answer that a thread makes."""
        if not self._is_over:
            self._write(data)

    def finish(self, *, keep_alive: bool) -> None:
        """End the answer that a thread made, and go on to the next request."""
        self._answering = None
        if self._is_over:
            self.transport.close()
            return
        # Not when we are stopping: the head has promised that the connection stays; more may be on its way.
        if not keep_alive or (self._is_ended and not self._waiting):
            self._close()
            return
        self._rest()
        self._go_on()
        self._flush()
        self._read_on()

    def is_idle(self) -> bool:
        """Tell whether no request is on its way in, waiting or being answered."""
        return self._answering is None and self._reader.request is None and not self._waiting

    def check_time(self, now: float) -> None:
        """Close when the client takes too long to send a request or to read an answer, or asks nothing."""
        if self._is_stuck(now):
            self.transport.abort()
            return
        if self._is_over or self._reader.request is None:
            if now >= self._deadline and (self._is_over or self._answering is None):
                self._close()
        elif self._answering is not None:
            return
        elif now >= self._reader.deadline:
            self.refuse(TOO_SLOW)
        self._flush()

    def _go_on(self) -> None:
        """Answer requests until one of them takes a thread."""
        lane = self._service.lane
        while self._waiting and self._answering is None and not self._is_over and not self.is_full:
            request = self._waiting.popleft()
            self._service.counted()
            if lane is not None and not lane.blocks and lane.takes(request):
                self._answer_here(lane, request)
            else:
                self._answering = Answering(self._service, self, request)
                self._answering.begin()

    def _answer_here(self, lane: Lane, request: Request) -> None:
        status, fields, body = lane.answer(request, self.peer[0])
        keep_alive = request.keep_alive and not self._service.is_stopping
        if status not in BODILESS:
            fields = [*fields, ("Content-Length", str(len(body)))]
        keep = connection_line(request.version, keep_alive=keep_alive)
        self._out.append(head(status_line(status), fields, self._service.clock, keep=keep))
        if body and request.method != "HEAD":
            self._out.append(body)
        self._service.log_access(self.peer[0], request, status, len(body))
        if keep_alive:
            self._rest()
        else:
            self._close()

    def _rest(self) -> None:
        self.idle_since = self._service.loop.time()
        self._deadline = self.idle_since + IDLE_SECONDS

    def _read_on(self) -> None:
        if len(self._waiting) < _WAITING_MAX and not self._is_over and not self.is_full:
            self.transport.resume_reading()

    def _is_stuck(self, now: float) -> bool:
        """Tell whether the client has taken nothing of what we wrote for too long, even once we have closed."""
        gone = self._written - self.transport.get_write_buffer_size()
        if gone == self._written or gone > self._gone or not self._reading_deadline:
            self._gone, self._reading_deadline = gone, now + SLOWEST_CLIENT_SECONDS
        return now >= self._reading_deadline

    def _write(self, data: bytes) -> None:
        self._written += len(data)
        self.transport.write(data)

    def _flush(self) -> None:
        if self._out and not self.is_closed:
            self._write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out.clear()

    def _close(self) -> None:
        """Write what is left, and close; an answer that a thread makes is broken off."""
        self._is_over = True
        self._flush()
        self.transport.close()
