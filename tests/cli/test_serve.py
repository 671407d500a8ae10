"""`keymgr serve`: a real server with safe flags, that reloads and stops without dropping a request."""

import http.client
import re
import signal
import socket
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keymgr.cli.serve import server_command
from keymgr.config import load
from tests.api.serving import listening, running
from tests.cli.servers import ROOT, Server, environment, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("serve")) as server:
        yield server


def raw(port: int, request: bytes) -> bytes:
    """What the server answers to exactly these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_gunicorn_is_always_started_with_the_safe_flags(tmp_path: Path) -> None:
    command = server_command(load(environment(tmp_path)))
    for flag in (
        "--forwarder-headers=",
        "--header-map=refuse",
        "--forwarded-allow-ips=",
        "--no-control-socket",
        "--worker-class=keymgr.cli.loop_worker.LoopWorker",
        "--limit-request-fields=64",
    ):
        assert flag in command
    proxied = server_command(load(environment(tmp_path, KEYMGR_TRUSTED_PROXIES="10.0.0.0/8, 2001:db8::/32")))
    assert "--forwarded-allow-ips=10.0.0.0/8,2001:db8::/32" in proxied


def test_a_header_can_never_become_a_path(server: Server) -> None:
    assert server.get("/login")[0] == 200
    assert server.get("/elsewhere/login")[0] == 404
    for name in (b"SCRIPT_NAME", b"PATH_INFO", b"X_Forwarded_For"):
        answer = raw(
            server.port, b"GET /elsewhere/login HTTP/1.1\r\nHost: localhost\r\n" + name + b": /elsewhere\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 400 "), name


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "localhost@evil.example"])
def test_a_page_answers_only_to_its_own_names(server: Server, host: str) -> None:
    assert server.get("/login", Host=host)[0] == 400
    assert server.get("/login", Host="localhost:1234")[0] == 200


def test_a_request_without_a_host_is_refused(server: Server) -> None:
    assert raw(server.port, b"GET /login HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 17_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"A%d: a\r\n" % number for number in range(65)) + b"\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["long address", "long header", "many headers", "two lengths"],
)
def test_requests_that_try_it_on_are_refused_by_a_limit(server: Server, request_: bytes) -> None:
    assert re.match(rb"HTTP/1.[01] 4\d\d ", raw(server.port, request_))


def test_no_secret_stands_on_a_command_line_or_in_the_log(server: Server) -> None:
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in server.descendants()]
    assert any(b"gunicorn" in line for line in lines)
    assert any(b"keymgr.worker" in line for line in lines)
    for name in ("KEYMGR_SECRET_KEY", "KEYMGR_PEPPER", "KEYMGR_KEK"):
        secret = environment(Path("x"))[name]
        assert not any(secret.encode() in line for line in lines)
        assert secret not in server.log


def test_an_empty_install_waits_for_its_first_admin(server: Server) -> None:
    (line,) = [line for line in server.log.splitlines() if "First admin" in line]
    assert re.search(r"http://localhost/setup with the code \S{43}$", line)
    assert server.get("/setup")[0] == 200
    assert b"/setup" in server.get("/login")[1]


def test_data_is_for_this_account_alone(server: Server) -> None:
    kept = [file for file in server.folder.iterdir() if file.name.startswith("keymgr")]
    assert len(kept) > 1
    assert [oct(file.stat().st_mode) for file in kept if stat.S_IMODE(file.stat().st_mode) & 0o077] == []


def test_who_starts_gunicorn_themselves_gets_the_same_application(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        own = {**environment(tmp_path), "PYTHONPATH": str(ROOT)}
        bound = listening()
        command = [
            sys.executable, "-m", "gunicorn", "--no-control-socket", "--worker-class=gthread", "--threads=4",
            "--forwarder-headers=", "--header-map=refuse", f"--bind=fd://{bound.fileno()}", "wsgi:app",
        ]  # fmt: skip
        with running(command, bound, tmp_path / "own.log", own) as theirs:
            for path, status in (("/login", 200), ("/gateway/check?aud=none", 400), ("/.well-known/jwks.json", 200)):
                answer, body = theirs.get(path)
                assert (answer.status, server.get(path)[0]) == (status, status)
                if path.startswith("/.well"):
                    assert body == server.get(path)[1]


def test_a_stray_gunicorn_configuration_in_the_working_directory_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("raise SystemExit('I was read')")
    with serving(tmp_path) as server:
        assert server.get("/login")[0] == 200


def keep_asking(ask: Callable[[], object], stopped: threading.Event, results: Counter[str]) -> None:
    while not stopped.is_set():
        try:
            results[str(ask())] += 1
        except OSError as error:
            results[type(error).__name__] += 1
            time.sleep(0.01)


class Patient:
    """A client that keeps its connection, as gateways do, and opens a new one when the server says it closes."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self) -> int:
        try:
            self._connection.request("GET", "/.well-known/jwks.json")
            response = self._connection.getresponse()
            response.read()
        except OSError:
            self._connection.close()
            raise
        return response.status


def test_neither_a_reload_nor_a_stop_drops_a_request(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        stopped, results = threading.Event(), Counter[str]()
        asks = [lambda: server.get("/login")[0], Patient(server.port).ask, Patient(server.port).ask]
        threads = [threading.Thread(target=keep_asking, args=(ask, stopped, results)) for ask in asks]
        for thread in threads:
            thread.start()
        before = set(server.descendants())
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while len(before & set(server.descendants())) > 1 or len(server.descendants()) < len(before):
            assert time.monotonic() < deadline, server.log
            time.sleep(0.05)
        answered = results["200"]
        while results["200"] < answered + 50:
            assert time.monotonic() < deadline, results
            time.sleep(0.05)
        assert set(results) == {"200"}
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(40) == 0
        stopped.set()
        for thread in threads:
            thread.join()
    assert set(results) <= {"200", "ConnectionRefusedError"}, server.log


def test_a_reload_into_bad_settings_keeps_the_good_server(tmp_path: Path) -> None:
    env_file = tmp_path / "keymgr.env"
    env_file.write_text("KEYMGR_AUDIT_LEVEL=basic\n")
    with serving(tmp_path, KEYMGR_ENV_FILE=str(env_file)) as server:
        env_file.write_text("KEYMGR_AUDIT_LEVEL=loud\n")
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while "Not reloaded: KEYMGR_AUDIT_LEVEL 'loud' is not one of" not in server.log:
            assert time.monotonic() < deadline, server.log
            time.sleep(0.05)
        assert server.get("/login")[0] == 200


def test_with_json_every_line_of_every_process_is_json(tmp_path: Path) -> None:
    with serving(tmp_path, KEYMGR_LOG_FORMAT="json") as server:
        assert raw(server.port, b"GET / HTTP/1.1\r\nSCRIPT_NAME: x\r\n\r\n").startswith(b"HTTP/1.1 400")
    for line in server.log.splitlines():
        assert re.fullmatch(r'\{"at": "[^"]+", "level": "\w+", "logger": "[\w.]+", "message": ".*"\}', line), line


def test_a_port_that_is_taken_ends_with_gunicorns_code_and_leaves_nothing_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError, match="in use"), serving(tmp_path, KEYMGR_BIND=f"127.0.0.1:{port}"):
            raise AssertionError("it must not answer")
