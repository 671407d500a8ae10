"""A real `keymgr serve` for the tests: its own folder, a free port, stopped by its process id."""

import base64
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def environment(folder: Path, **changed: str) -> dict[str, str]:
    """A whole environment for one installation in `folder`, and nothing of the developer's own."""
    ours = {
        "KEYMGR_PUBLIC_URL": "http://localhost",
        "KEYMGR_SECRET_KEY": "not-so-secret-in-a-test-but-long-enough",
        "KEYMGR_PEPPER": base64.b64encode(b"pepper" * 6).decode(),
        "KEYMGR_KEK": base64.b64encode(b"kek-of-a-test-0123456789-abcdefg").decode(),
        "KEYMGR_DATABASE_URL": f"sqlite:///{folder}/keymgr.db",
        "KEYMGR_BIND": "127.0.0.1:0",
        "KEYMGR_WORKERS": "2",
    }
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return bare | ours | changed


class Server:
    """A server that answers; `log` is what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes], log_file: Path) -> None:
        self.process = process
        self.folder = log_file.parent
        self._log_file = log_file
        self.port = 0

    @property
    def log(self) -> str:
        return self._log_file.read_text()

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", self.log)) or not self._answers(
            found[1]
        ):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        self.port = int(found[1])

    def _answers(self, port: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={name.replace("__", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def descendants(self) -> list[int]:
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            found += children
            todo += children
        return found


@contextmanager
def serving(folder: Path, *arguments: str, **changed: str) -> Iterator[Server]:
    """Run the server until the block ends, then stop it and wait."""
    log_file = folder / "log"
    command = [sys.executable, "-m", "keymgr.cli", *(arguments or ("serve",))]
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment(folder, **changed), stdout=log, stderr=log)
    server = Server(process, log_file)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
