"""A protected sample service: what a service does with keymgr, for the demo, the tests and for reading.

Start it with `python -m keymgr.verifier.sample --server URL --credential-file FILE --service payments`.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from keymgr.verifier.challenge import rate_limit_fields
from keymgr.verifier.online import Verifier, read_credential
from keymgr.verifier.refusal import Refusal

_WELCOME: Final = """A sample service that accepts keys of keymgr.

GET  /charges   needs the scope charges:read
POST /refunds   needs the scope refunds:write

Send your key as  Authorization: Bearer KEY
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the caller."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """A protected operation: its method, the scope that it needs, and what it says to a key that may."""

    method: str
    scope: str
    result: dict[str, Any]


ROUTES: Final = {
    "/charges": Route("GET", "charges:read", {"charges": [{"id": "ch_1", "amount": 1250, "currency": "EUR"}]}),
    "/refunds": Route("POST", "refunds:write", {"refund": {"id": "re_1", "charge": "ch_1", "amount": 1250}}),
}


def make_app(verifier: Verifier) -> WSGIApplication:
    """Build the sample service as a WSGI application that asks `verifier` before it does anything."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        reply = _reply(verifier, environ)
        start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", list(reply.headers))
        return [reply.body]

    return app


def start(app: WSGIApplication, *, host: str = "127.0.0.1", port: int = 0) -> WSGIServer:
    """Bind a threaded server for the app; the caller runs `serve_forever`. Port 0 takes a free one."""
    return make_server(host, port, app, server_class=_ThreadedServer, handler_class=_QuietHandler)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the sample until interrupted; the first line printed is its address."""
    server = _from_command_line(arguments)
    with suppress(KeyboardInterrupt), server:
        server.serve_forever()


def _from_command_line(arguments: Sequence[str] | None) -> WSGIServer:
    parser = argparse.ArgumentParser(prog="python -m keymgr.verifier.sample", description="A protected sample service.")
    parser.add_argument("--server", required=True, help="address of the keymgr server")
    parser.add_argument("--credential-file", required=True, type=Path, help="file with this service's own credential")
    parser.add_argument("--service", default="payments", help="name of this service in the policy")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", default=8001, type=int, help="port to listen on; 0 takes a free one")
    chosen = parser.parse_args(arguments)
    try:
        verifier = Verifier(chosen.server, read_credential(chosen.credential_file), chosen.service)
    except ValueError as error:
        parser.error(str(error))
    server = start(make_app(verifier), host=chosen.host, port=chosen.port)
    sys.stdout.write(f"http://{chosen.host}:{server.server_port}\n")
    sys.stdout.flush()
    return server


def _reply(verifier: Verifier, environ: WSGIEnvironment) -> Reply:
    path, method = environ.get("PATH_INFO", "/"), environ["REQUEST_METHOD"]
    if path in {"", "/"}:
        return Reply(HTTPStatus.OK, (("Content-Type", "text/plain; charset=utf-8"),), _WELCOME.encode())
    route = ROUTES.get(path)
    if route is None:
        return _problem(HTTPStatus.NOT_FOUND, "There is nothing here; GET / lists what there is.")
    if method != route.method:
        return _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"Use {route.method}.", ("Allow", route.method))
    answer = verifier.verify_header(
        environ.get("HTTP_AUTHORIZATION"),
        scopes=[route.scope],
        address=environ.get("REMOTE_ADDR"),
    )
    if isinstance(answer, Refusal):
        return Reply(answer.status, answer.headers, answer.body)
    body = json.dumps({**route.result, "for": answer.owner, "key_id": answer.key_id}).encode("ascii")
    headers = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
    return Reply(HTTPStatus.OK, (*headers, *rate_limit_fields(answer.limits)), body)


def _problem(status: HTTPStatus, detail: str, *headers: tuple[str, str]) -> Reply:
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return Reply(status, (("Content-Type", "application/problem+json"), *headers), json.dumps(problem).encode("ascii"))


class _ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's.
        """Say nothing: the sample is for trying out, and keymgr's audit knows who called."""


if __name__ == "__main__":
    main()
