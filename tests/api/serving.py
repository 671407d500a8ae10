"""Real servers on private ports: gunicorn with the product's own command line, stopped by its process id."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from keymgr.cli.serve import server_command
from tests.api.machine import ROOT, Machine

START_SECONDS = 30


@dataclass
class Server:
    """A process that listens on loopback."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and read until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            return read_to_the_end(connection)

    def cut_off(self, request: bytes) -> bytes:
        """Send bytes and say that no more will come, then read until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return read_to_the_end(connection)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(40)


def read_to_the_end(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def listening() -> socket.socket:
    """A socket that already listens, to be handed to the server: no port is ever guessed."""
    found = socket.create_server(("127.0.0.1", 0), backlog=512)
    found.set_inheritable(True)
    return found


@contextmanager
def running(
    command: list[str], bound: socket.socket, log: Path, environ: dict[str, str] | None = None
) -> Iterator[Server]:
    """Start a server on an inherited socket, wait until it answers, and stop it afterwards."""
    port = bound.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEYMGR_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**inherited, **(environ or {})},
            cwd=ROOT,
            pass_fds=[bound.fileno()],
            stdout=output,
            stderr=output,
        )
    bound.close()
    server = Server(process, port, log)
    try:
        wait_for(server)
        yield server
    finally:
        if process.poll() is None:
            server.stop()


@contextmanager
def serving(machine: Machine, folder: Path, *, workers: int = 2, threads: int = 4) -> Iterator[Server]:
    """Run the product's own server over the machine's database."""
    bound = listening()
    environ = {**machine.environ, "KEYMGR_WORKERS": str(workers), "KEYMGR_THREADS": str(threads)}
    command = [
        f"--bind=fd://{bound.fileno()}" if part.startswith("--bind=") else
        f"--workers={workers}" if part.startswith("--workers=") else
        f"--threads={threads}" if part.startswith("--threads=") else part
        for part in server_command(machine.settings)
    ]  # fmt: skip
    with running(command, bound, folder / "gunicorn.log", environ) as server:
        yield server


@contextmanager
def application(source: str, folder: Path, name: str, *, workers: int = 1) -> Iterator[Server]:
    """Run a small WSGI application, given as source text that defines `app`."""
    (folder / f"{name}.py").write_text(source)
    bound = listening()
    command = [
        sys.executable, "-m", "gunicorn", "--no-control-socket", f"--bind=fd://{bound.fileno()}",
        "--worker-class=gthread", "--threads=4", f"--workers={workers}", f"--chdir={folder}", f"{name}:app",
    ]  # fmt: skip
    with running(command, bound, folder / f"{name}.log") as server:
        yield server


def wait_for(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.process.poll() is None, server.log.read_text()
        try:
            answer, _ = server.get("/healthz")
        except OSError:
            time.sleep(0.05)
        else:
            if answer.status < 500:
                return
    raise AssertionError(f"the server did not answer within {START_SECONDS} s:\n{server.log.read_text()}")
