"""Forward-auth and the verify call beside an application that does nothing: `python -m benchmarks.verify`.

All three run under the same server with the same workers, in turns, so that a noisy machine is noisy for all of them.
Uses wrk when it is installed, otherwise one process with a few connections; the ratio is what to look at.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from keymgr.store.migrate import upgrade
from tests.api.machine import apply_example, open_machine
from tests.api.serving import Server, application, serving

CONNECTIONS, KEYS, WORKERS = 16, 500, 2
NOTHING = """
def app(environ, start_response):
    start_response("204 No Content", [])
    return []
"""


@dataclass(frozen=True)
class Candidate:
    """One thing to measure: a server, and requests that are sent to it in turns."""

    name: str
    server: Server
    requests: list[bytes]


@dataclass(frozen=True)
class Measured:
    """One run: answers per second, and processor time of the server per answer."""

    per_second: float
    cpu_microseconds: float


def main() -> None:
    """Measure in interleaved rounds and print medians and the ratio to doing nothing."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=3.0)
    chosen = options.parse_args()
    with ExitStack() as stack:
        candidates = prepare(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        runs: dict[str, list[Measured]] = {candidate.name: [] for candidate in candidates}
        for candidate in candidates:
            load(candidate, 0.5)
        for _ in range(chosen.rounds):
            for candidate in candidates:
                runs[candidate.name].append(load(candidate, chosen.seconds))
    show(runs)


def prepare(stack: ExitStack, folder: Path) -> list[Candidate]:
    """Start the product over a database with keys that have limits, and the application that does nothing."""
    database_url = f"sqlite:///{folder / 'keymgr.db'}"
    upgrade(database_url)
    apply_example(database_url)
    session = stack.enter_context(Session(connect(database_url)))
    machine = open_machine(session, database_url, folder)
    limited = [machine.key(rate_limits=[("burst", 10**9, 3600)], cidrs=["127.0.0.0/8"]).token for _ in range(KEYS)]
    plain = [machine.key().token for _ in range(KEYS)]
    credential = machine.caller().credential
    product = stack.enter_context(serving(machine, folder, workers=WORKERS))
    nothing = stack.enter_context(application(NOTHING, folder, "nothing", workers=WORKERS))
    return [
        Candidate("nothing (bare WSGI, 204)", nothing, [gateway(plain[0])]),
        Candidate("gateway, no limit", product, [gateway(token) for token in plain]),
        Candidate("gateway, limit and CIDR", product, [gateway(token) for token in limited]),
        Candidate("verify call, limit and CIDR", product, [verify(token, credential) for token in limited]),
    ]


def gateway(token: str) -> bytes:
    """Write a forward-auth request."""
    path = "/gateway/check?aud=payments&scope=charges:read&env=prod"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def verify(token: str, credential: str) -> bytes:
    """Write a verify call."""
    body = json.dumps({"token": token, "scopes": ["charges:read"], "environment": "prod", "address": "127.0.0.1"})
    return (
        f"POST /api/v1/verify HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {credential}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def load(candidate: Candidate, seconds: float) -> Measured:
    """Send as much as is answered for some seconds."""
    before, started = cpu_seconds(candidate.server.process.pid), time.monotonic()
    use_wrk = shutil.which("wrk") is not None
    answers = with_wrk(candidate, seconds) if use_wrk else with_sockets(candidate, seconds)
    took = time.monotonic() - started
    cpu = cpu_seconds(candidate.server.process.pid) - before
    return Measured(answers / took, cpu / answers * 1e6)


def with_sockets(candidate: Candidate, seconds: float) -> int:
    """Keep one request in flight on each of a few connections, all driven by this process."""
    connections = [socket.create_connection(("127.0.0.1", candidate.server.port)) for _ in range(CONNECTIONS)]
    answers, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        for number, connection in enumerate(connections):
            connection.sendall(candidate.requests[(answers + number) % len(candidate.requests)])
        for connection in connections:
            read_answer(connection)
        answers += CONNECTIONS
    for connection in connections:
        connection.close()
    return answers


def read_answer(connection: socket.socket) -> None:
    """Read one whole answer and see that it is a yes."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("The server closed a connection in the middle of the run.")
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        missing -= len(connection.recv(missing))
    if head[9:12] not in (b"200", b"204"):
        raise ConnectionError(f"A yes was expected: {received.decode()}")


def with_wrk(candidate: Candidate, seconds: float) -> int:
    """Let wrk send the requests, in turns by a script."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        wanted = ",".join(json.dumps(request.decode()) for request in candidate.requests)
        script.write(f"local r = {{{wanted}}}; local n = 0\n")
        script.write("request = function() n = n % #r + 1; return r[n] end\n")
        script.flush()
        command = [
            "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", script.name,
            f"http://127.0.0.1:{candidate.server.port}/",
        ]  # fmt: skip
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+) requests in", said)
    if found is None or "Non-2xx" in said:
        raise ConnectionError(f"A yes was expected to every request: {said}")
    return int(found[1])


def cpu_seconds(parent: int) -> float:
    """Add up the processor time of a server and its workers."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if parent in (int(stat.parent.name), int(fields[1])):
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def show(runs: dict[str, list[Measured]]) -> None:
    """Print medians, and how much of doing nothing is left."""
    medians = {name: statistics.median(run.per_second for run in measured) for name, measured in runs.items()}
    reference = next(iter(medians.values()))
    print(f"{'':30} {'req/s':>8} {'ratio':>6} {'CPU us':>7}")
    for name, measured in runs.items():
        cpu = statistics.median(run.cpu_microseconds for run in measured)
        print(f"{name:30} {medians[name]:8.0f} {medians[name] / reference:6.2f} {cpu:7.0f}")


if __name__ == "__main__":
    main()
