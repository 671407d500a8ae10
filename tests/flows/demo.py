"""The demo exactly as `make run` starts it: portal, clock and sample service as real processes on free ports."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keymgr.people.sample import SAMPLE_PEOPLE

ROOT = Path(__file__).parent.parent.parent
PASSWORDS = {person.name: person.password for person in SAMPLE_PEOPLE}


@dataclass(frozen=True, slots=True)
class Demo:
    portal: str
    sample: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def two_free_ports() -> int:
    """Find a port that is free together with its successor."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def ask(address: str, path: str, *, method: str = "GET", token: str | None = None) -> Answer:
    host = address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def answers(address: str, path: str) -> bool:
    try:
        return ask(address, path).status == 200
    except OSError:
        return False


@contextmanager
def running_demo(folder: Path, *more: str, cwd: Path = ROOT) -> Iterator[Demo]:
    port = two_free_ports()
    command = [sys.executable, "-m", "keymgr.cli", "demo", "--port", str(port), "--folder", str(folder / "demo"), *more]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    log = folder / "demo.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=output, stderr=subprocess.STDOUT)
    demo = Demo(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}", folder / "demo")
    try:
        deadline = time.monotonic() + 90
        while not (answers(demo.portal, "/readyz") and answers(demo.sample, "/")):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield demo
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
