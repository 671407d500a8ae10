"""A stub of the keymgr server, and a verifier that asks it."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from keymgr.verifier.online import Verifier
from tests.verifier.stub_server import CREDENTIAL, Stub


@pytest.fixture
def stub() -> Iterator[Stub]:
    told = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.asked.append({"path": self.path, "headers": dict(self.headers), "body": json.loads(body)})
            time.sleep(told.delay_seconds)
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.answer)))
            self.end_headers()
            self.wfile.write(told.answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's.
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        told.url = f"http://127.0.0.1:{server.server_port}"
        yield told
        server.shutdown()


@pytest.fixture
def verifier(stub: Stub) -> Verifier:
    return Verifier(stub.url, CREDENTIAL, "payments", timeout_seconds=0.5)
