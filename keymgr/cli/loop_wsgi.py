"""WSGI for the event-loop worker: one call runs in a thread and hands its answer to the loop piece by piece."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Protocol

from keymgr.cli.loop_answer import BODILESS, BadHeaderError, Clock, checked, connection_line, head, status_line
from keymgr.cli.loop_lane import Lane
from keymgr.cli.loop_request import Request

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIApplication

_PIECE_BYTES = 64 * 1024
SLOWEST_CLIENT_SECONDS = 30.0
_BROKEN = b"The server had a problem. It is in its log.\n"


class Wire(Protocol):
    """The connection that an answer goes to; all but reading attributes happens in the loop."""

    transport: asyncio.Transport
    peer: tuple[str, int]
    is_closed: bool
    is_full: bool

    def send(self, data: bytes) -> None:
        """Write a part of the answer."""

    def finish(self, *, keep_alive: bool) -> None:
        """End the answer."""


class Shared(Protocol):
    """What all answers of a worker share."""

    app: "WSGIApplication"
    loop: asyncio.AbstractEventLoop
    lane: Lane | None
    log: Any
    threads: Executor
    clock: Clock
    is_stopping: bool

    def environ(self, request: Request, peer: tuple[str, int]) -> dict[str, Any] | None:
        """Write a request as WSGI has it; None when it cannot be read."""

    def log_access(self, peer: str, request: Request, status: int, sent_bytes: int) -> None:
        """Write a line of the access log."""


class ClientGoneError(Exception):
    """Nobody is there to read the answer, or too slowly."""


class Answering:
    """One request that is answered in a thread: by the lane where that has to wait for a database, else by WSGI."""

    def __init__(self, service: Shared, connection: Wire, request: Request) -> None:
        self._service = service
        self._connection = connection
        self._request = request
        self._status: str | None = None
        self._fields: list[tuple[str, str]] = []
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._sent = 0
        self._head_is_sent = False
        self._is_chunked = False
        self._announced: int | None = None
        self._keep_alive = request.keep_alive
        self._may_go_on = threading.Event()

    def begin(self) -> None:
        """Hand the work to a thread."""
        self._service.threads.submit(self._work)

    def wake(self) -> None:
        """Let the thread look again: the client reads on, or is gone. Called in the loop."""
        self._may_go_on.set()

    def _work(self) -> None:
        try:
            self._answer()
        except ClientGoneError:
            self._keep_alive = False
        except Exception:
            # Whatever an application raises ends its own request and nothing else.
            self._service.log.exception("Error handling request %s", self._request.method)
            self._break_off()
        finally:
            self._request.close()
            self._service.loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._connection.finish(keep_alive=self._keep_alive)

    def _answer(self) -> None:
        lane = self._service.lane
        if lane is not None and lane.takes(self._request):
            status, fields, body = lane.answer(self._request, self._connection.peer[0])
            self._start(status_line(status), list(fields))
            self._write(body)
            self._finish()
            return
        environ = self._service.environ(self._request, self._connection.peer)
        if environ is None:
            self._start("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8")])
            self._write(b"The address or the scheme of the request cannot be read.\n")
            self._finish()
            return
        self._run(environ)

    def _run(self, environ: dict[str, Any]) -> None:
        pieces: Iterable[bytes] = self._service.app(environ, self._start)
        try:
            for piece in pieces:
                if self._connection.is_closed:
                    raise ClientGoneError
                self._write(piece)
            self._finish()
        finally:
            close: Callable[[], None] | None = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _start(
        self, status: str, fields: list[tuple[str, str]], exc_info: "OptExcInfo | None" = None
    ) -> Callable[[bytes], None]:
        """Begin the answer (PEP 3333); with `exc_info` begin it anew, if nothing has been sent."""
        if exc_info is not None and self._head_is_sent and exc_info[1] is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._status is not None and exc_info is None:
            raise AssertionError("The application started its answer twice.")
        self._status, self._fields = status, checked(fields)
        return self._write

    def _write(self, piece: bytes) -> None:
        self._buffer.append(piece)
        self._buffered += len(piece)
        if self._buffered >= _PIECE_BYTES:
            self._send(self._taken(is_last=False))

    def _finish(self) -> None:
        """Send what is left; a body that is shorter than announced can only be told by closing."""
        data = self._taken(is_last=True)
        if self._announced is not None and self._sent < self._announced and self._may_have_body():
            self._keep_alive = False
        if not self._connection.is_closed:
            self._service.loop.call_soon_threadsafe(self._connection.send, data)
        status = int((self._status or "500")[:3])
        self._service.log_access(self._connection.peer[0], self._request, status, self._sent)

    def _taken(self, *, is_last: bool) -> bytes:
        """Take what is buffered as it goes over the wire, the head before it the first time."""
        body = b"".join(self._buffer) if self._may_have_body() else b""
        self._buffer, self._buffered = [], 0
        before = b"" if self._head_is_sent else self._head(len(body) if is_last else None)
        if self._announced is not None:
            body = body[: max(0, self._announced - self._sent)]
        self._sent += len(body)
        if self._is_chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body += b"0\r\n\r\n" if is_last else b""
        return before + body

    def _head(self, whole_bytes: int | None) -> bytes:
        """Write the head; `whole_bytes` is the length of the body where all of it is there."""
        if self._status is None:
            raise AssertionError("The application did not start its answer.")
        self._head_is_sent = True
        lengths = [value for name, value in self._fields if name.lower() == "content-length"]
        if lengths:
            self._announced = int(lengths[0])
        elif whole_bytes is not None and self._request.method != "HEAD" and self._has_length():
            self._fields.append(("Content-Length", str(whole_bytes)))
        elif self._may_have_body() and self._request.version == "1.1":
            self._is_chunked = True
            self._fields.append(("Transfer-Encoding", "chunked"))
        elif self._may_have_body():
            self._keep_alive = False
        if self._service.is_stopping:
            self._keep_alive = False
        keep = connection_line(self._request.version, keep_alive=self._keep_alive)
        return head(self._status, self._fields, self._service.clock, keep=keep)

    def _may_have_body(self) -> bool:
        return self._request.method != "HEAD" and self._has_length()

    def _has_length(self) -> bool:
        return int((self._status or "500")[:3]) not in BODILESS

    def _send(self, data: bytes) -> None:
        """Hand a piece to the loop and wait until the client can take more."""
        self._may_go_on.clear()
        self._service.loop.call_soon_threadsafe(self._hand_over, data)
        if not self._may_go_on.wait(SLOWEST_CLIENT_SECONDS) or self._connection.is_closed:
            self._service.loop.call_soon_threadsafe(self._connection.transport.abort)
            raise ClientGoneError

    def _hand_over(self, data: bytes) -> None:
        self._connection.send(data)
        if not self._connection.is_full:
            self._may_go_on.set()

    def _break_off(self) -> None:
        """Say that something went wrong; in the middle of an answer break it off, so that nobody takes it for whole."""
        self._keep_alive = False
        if self._head_is_sent:
            self._service.loop.call_soon_threadsafe(self._connection.transport.abort)
            return
        self._buffer, self._buffered, self._status = [], 0, None
        fields = [("Content-Type", "text/plain; charset=utf-8")]
        try:
            self._start("500 Internal Server Error", fields, sys.exc_info())
            self._write(_BROKEN)
            self._finish()
        except (BadHeaderError, ClientGoneError):  # pragma: no cover - its header is ours, and it waits for nobody.
            self._service.loop.call_soon_threadsafe(self._connection.transport.abort)
