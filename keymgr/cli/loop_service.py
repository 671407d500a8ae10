"""What all connections of one event-loop worker share: the application, its lane, threads, limits and log."""

import asyncio
import io
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from keymgr.cli.loop_answer import Clock, refusal, status_line
from keymgr.cli.loop_connection import Connection
from keymgr.cli.loop_lane import Lane, Quick
from keymgr.cli.loop_request import TOO_MANY, Refusal, Request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Service:
    """One worker's state. `loop`'s thread owns everything but `app`, which `threads` call."""

    def __init__(self, worker: Any, app: "WSGIApplication", loop: asyncio.AbstractEventLoop) -> None:  # noqa: ANN401 - gunicorn carries no types.
        self._worker = worker
        self._cfg = worker.cfg
        self.app = app
        self.loop = loop
        self.log = worker.log
        self.threads: Executor = ThreadPoolExecutor(self._cfg.threads, thread_name_prefix="keymgr-wsgi")
        self.clock = Clock()
        self.clock.tick()
        self.is_stopping = False
        self.connections: set[Connection] = set()
        quick: Quick | None = getattr(app, "extensions", {}).get("keymgr.quick")
        self.lane = None if quick is None else Lane(quick)
        self._trusted = [ip_network(text) for text in self._cfg.forwarded_allow_ips or [] if text != "*"]

    def connect(self) -> Connection:
        """Make what speaks with a new client."""
        return Connection(self)

    def joined(self, connection: Connection) -> None:
        """Count a new client in, or turn it away when there are too many."""
        self.connections.add(connection)
        if len(self.connections) > self._cfg.worker_connections:
            connection.transport.write(refusal(TOO_MANY, self.clock))
            connection.transport.close()

    def left(self, connection: Connection) -> None:
        """Count a client out."""
        self.connections.discard(connection)

    def counted(self) -> None:
        """Count a request; after so many of them a worker makes room for a fresh one."""
        worker = self._worker
        worker.nr += 1
        if worker.nr >= worker.max_requests and worker.alive:
            self.log.info("Autorestarting worker after current request.")
            worker.stop()

    def sweep(self) -> None:
        """Do what is due every second: the date, and clients that take too long."""
        self.clock.tick()
        now = self.loop.time()
        for connection in tuple(self.connections):
            connection.check_time(now)

    def close_idle(self, seconds: float) -> int:
        """Close connections without a request for so long, and return how many are left."""
        before = self.loop.time() - seconds
        for connection in tuple(self.connections):
            if connection.is_idle() and connection.idle_since <= before:
                connection.transport.close()
        return len(self.connections)

    def environ(self, request: Request, peer: tuple[str, int]) -> dict[str, Any] | None:
        """Write a request as WSGI has it (PEP 3333); None when its address or scheme cannot be read."""
        split, scheme = request.split_target(), self._scheme(request, peer[0])
        if split is None or scheme is None:
            return None
        server = self._server(request)
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": split[0],
            "QUERY_STRING": split[1],
            "RAW_URI": request.target.decode("latin-1"),
            "SERVER_PROTOCOL": f"HTTP/{request.version}",
            "SERVER_NAME": server[0],
            "SERVER_PORT": server[1],
            "REMOTE_ADDR": peer[0],
            "REMOTE_PORT": str(peer[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": scheme,
            "wsgi.input": request.open_body() if request.body_bytes else io.BytesIO(),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": self._cfg.workers > 1,
            "wsgi.run_once": False,
        }
        environ.update(_http_fields(request))
        return environ

    def log_access(self, peer: str, request: Request, status: int, sent_bytes: int) -> None:
        """Write a line of the access log, where one was asked for."""
        if not self._cfg.accesslog:
            return
        answer = SimpleNamespace(status=status_line(status), sent=sent_bytes, headers=[])
        fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.fields}
        environ = {
            "REQUEST_METHOD": request.method,
            "RAW_URI": request.target.decode("latin-1"),
            "QUERY_STRING": "",
            "SERVER_PROTOCOL": f"HTTP/{request.version}",
            "REMOTE_ADDR": peer,
            "HTTP_REFERER": fields.get("referer", "-"),
            "HTTP_USER_AGENT": fields.get("user-agent", "-"),
        }
        took = timedelta(seconds=self.loop.time() - request.began_at)
        self.log.access(answer, SimpleNamespace(headers=list(fields.items())), environ, took)

    def log_refusal(self, peer: str, why: Refusal) -> None:
        """Say who sent what cannot be answered."""
        self.log.warning("Refused a request from %s: %s", peer or "a local socket", why.sentence)

    def _scheme(self, request: Request, peer: str) -> str | None:
        """Return http or https, as proxies on the list say; None when they contradict themselves."""
        if not self._is_trusted(peer):
            return "https" if self._cfg.is_ssl else "http"
        said = {
            request.text(name.lower().encode()) == secure
            for name, secure in self._cfg.secure_scheme_headers.items()
            if request.text(name.lower().encode()) is not None
        }
        if len(said) > 1:
            return None
        return "https" if True in said or self._cfg.is_ssl else "http"

    def _is_trusted(self, peer: str) -> bool:
        if not peer:
            return bool(self._trusted)
        return any(ip_address(peer.partition("%")[0]) in network for network in self._trusted)

    def _server(self, request: Request) -> tuple[str, str]:
        name, _, port = (request.text(b"host") or "localhost").rpartition(":")
        return (name, port) if name and port.isdecimal() else (request.text(b"host") or "localhost", "80")


def _http_fields(request: Request) -> dict[str, str]:
    """Write header fields as WSGI has them; the length is that of the body we have read."""
    found: dict[str, str] = {}
    for name, value in request.fields:
        if name in {b"content-length", b"transfer-encoding", b"content-type"}:
            continue
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    content_type = request.text(b"content-type")
    if content_type is not None:
        found["CONTENT_TYPE"] = content_type
    if request.body_bytes or request.field(b"content-length") is not None:
        found["CONTENT_LENGTH"] = str(request.body_bytes)
    return found
