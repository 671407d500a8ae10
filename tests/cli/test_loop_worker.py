"""The event-loop worker under a real gunicorn: HTTP read strictly, answers in order, nobody dropped."""

import json
import os
import re
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.api.serving import Server, listening, running

APPLICATION = """
import json, os, pathlib, signal, time
from keymgr.cli import loop_connection, loop_reader, loop_wsgi

told_to_go = pathlib.Path(os.environ.get("LEAVES", __file__))
if not told_to_go.exists():
    told_to_go.touch()
    os.kill(os.getpid(), signal.SIGTERM)

SHORT = float(os.environ.get("PATIENCE", "30"))
loop_reader.REQUEST_SECONDS = loop_connection.REQUEST_SECONDS = SHORT
loop_connection.SLOWEST_CLIENT_SECONDS = loop_wsgi.SLOWEST_CLIENT_SECONDS = SHORT
loop_connection.IDLE_SECONDS = SHORT * 2


class Quick:
    paths = frozenset({"/quick"})
    blocks = os.environ.get("BLOCKS") == "yes"

    def ask(self, method, path, query, *, peer, field, body):
        if query == "burst":
            raise RuntimeError("a surprise")
        if query == "empty":
            return 204, (("X-Peer", peer),), b""
        told = {"method": method, "query": query, "agent": field("user-agent"), "body": body.decode()}
        return 200, (("Content-Type", "application/json"),), json.dumps(told).encode()


class App:
    extensions = {"keymgr.quick": Quick()}

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/told":
            kept = {name: value for name, value in environ.items() if isinstance(value, str)}
            body = json.dumps({**kept, "body": len(environ["wsgi.input"].read())}).encode()
            start_response("200 OK", [("Content-Type", "application/json")])
            return [body]
        if path == "/slow":
            time.sleep(0.5)
            start_response("200 OK", [("Content-Length", "4")])
            return [b"slow"]
        if path == "/stream":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return (b"x" * 50_000 for _ in range(int(environ["QUERY_STRING"])))
        if path == "/short":
            start_response("200 OK", [("Content-Length", "10")])
            return [b"four"]
        if path == "/long":
            start_response("200 OK", [("Content-Length", "4")])
            return [b"four and more"]
        if path == "/break":
            start_response("200 OK", [])
            return self.broken()
        if path == "/raise":
            raise RuntimeError("no answer")
        if path == "/nothing":
            return []
        if path == "/inject":
            start_response("200 OK", [("X", "a\\r\\nSet-Cookie: b")])
            return [b""]
        if path == "/write":
            start_response("200 OK", [])(b"written ")
            return [b"by hand"]
        if path == "/none":
            start_response("304 Not Modified", [])
            return []
        if path == "/healthz":
            start_response("200 OK", [("Content-Length", "2")])
            return [b"ok"]
        start_response("404 Not Found", [("Content-Length", "0")])
        return []

    def broken(self):
        yield b"y" * 70_000
        raise RuntimeError("in the middle")


app = App()
"""
GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def started(folder: Path, *options: str, **environ: str) -> "Iterator[Server]":
    (folder / "tried.py").write_text(APPLICATION)
    bound = listening()
    command = [
        sys.executable, "-W", "error", "-m", "gunicorn", "--no-control-socket", f"--bind=fd://{bound.fileno()}",
        "--worker-class=keymgr.cli.loop_worker.LoopWorker", "--threads=4", f"--chdir={folder}",
        "--worker-tmp-dir=/dev/shm", *options, "tried:app",
    ]  # fmt: skip
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent.parent.parent), os.environ.get("PYTHONPATH")]))
    with running(command, bound, folder / "log", {"PYTHONPATH": path, **environ}) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from started(tmp_path_factory.mktemp("loop"), "--access-logfile=-", "--forwarded-allow-ips=127.0.0.1")


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from started(tmp_path_factory.mktemp("hasty"), PATIENCE="0.3")


def all_that_comes(connection: socket.socket) -> bytes:
    pieces = []
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def hung_up(connection: socket.socket) -> bool:
    """Wait until the other side has closed, without reading what it has sent."""
    watch = select.poll()
    watch.register(connection, select.POLLRDHUP)
    return bool(watch.poll(20_000))


def told(answer: bytes) -> dict[str, Any]:
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert isinstance(found, dict)
    return found


def test_answers_come_in_the_order_of_the_requests_whichever_way_they_are_made(server: Server) -> None:
    paths = [b"/quick?1", b"/slow", b"/quick?2", b"/told", b"/quick?3", b"/quick?empty"]
    answer = server.raw(b"".join(GET % path for path in paths) + LAST % b"/healthz")
    said = [next(filter(None, groups)) for groups in re.findall(
        rb'"query": "(\d)"|(slow)(?=HTTP)|"PATH_INFO": "(/told)"|(204 No Content)|(ok)$', answer
    )]  # fmt: skip
    assert said == [b"1", b"slow", b"2", b"/told", b"3", b"204 No Content", b"ok"]


def test_many_requests_in_one_piece_are_all_answered(server: Server) -> None:
    answer = server.raw((GET % b"/quick") * 400 + (GET % b"/healthz") * 40 + LAST % b"/quick?last")
    assert answer.count(b"HTTP/1.1 200 OK") == 441
    assert answer.endswith(b'"query": "last", "agent": null, "body": ""}')


def test_a_request_may_come_byte_by_byte(server: Server) -> None:
    request = (
        b"POST /quick?a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"User-Agent: slow\r\nContent-Length: 5\r\n\r\nhello"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            connection.sendall(bytes([byte]))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert told(answer) == {"method": "POST", "query": "a", "agent": "slow", "body": "hello"}


def test_the_environment_is_that_of_wsgi(server: Server) -> None:
    answer = server.raw(
        b"POST http://elsewhere/told%2f%41?a=%20b HTTP/1.1\r\nHost: localhost:81\r\nConnection: close\r\nX-A: 1\r\n"
        b"X-A: 2\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: X-B\r\n\r\n"
        b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-B: evil\r\n\r\n".replace(b"/told%2f%41", b"/t%6fld")
    )
    environ = told(answer)
    assert environ["body"] == 5
    assert environ["PATH_INFO"] == "/told"
    assert environ["QUERY_STRING"] == "a=%20b"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("localhost", "81")
    assert environ["HTTP_X_A"] == "1,2"
    assert environ["CONTENT_LENGTH"] == "5"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert "HTTP_X_B" not in environ
    assert "HTTP_TRANSFER_ENCODING" not in environ


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [("", "http"), ("X-Forwarded-Proto: https\r\n", "https"), ("X-Forwarded-Ssl: on\r\n", "https")],
    ids=["nothing said", "by proto", "by ssl"],
)
def test_a_trusted_proxy_says_the_scheme(server: Server, fields: str, scheme: str) -> None:
    answer = server.raw(f"GET /told HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n".encode())
    assert told(answer)["wsgi.url_scheme"] == scheme


def test_a_stranger_does_not_say_the_scheme_and_nobody_says_two(server: Server, hasty: Server) -> None:
    said = b"GET /told HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n"
    assert told(hasty.raw(said.replace(b"https", b"http") + b"\r\n"))["wsgi.url_scheme"] == "http"
    assert server.raw(said + b"X-Forwarded-Ssl: off\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 17_000 + b"\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"A%d: a\r\n" % number for number in range(65)) + b"\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 200_000),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nX_Y: a\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n"),
        (400, b"GET / HTTP/1.1\nHost: a\n\n"),
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n"),
        (400, b"GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"FETCH / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na"),
        (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 70_000),
        (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nab"),
        (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (413, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"),
        (417, b"POST / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 1\r\n\r\n"),
    ],
    ids=[
        "long address", "large field", "many fields", "endless field", "underscore", "two hosts", "no host",
        "space before colon", "folded field", "bare line feeds", "null", "no address", "unknown method", "tls",
        "two lengths of two kinds", "two lengths", "signed length", "length list", "chunks in 1.0", "bad chunk size",
        "endless chunk extension", "identity coding", "upgrade with body", "unknown coding", "large body",
        "expectation",
    ],
)  # fmt: skip
def test_what_two_readers_might_read_differently_is_refused_and_the_connection_closed(
    server: Server, status: int, request_: bytes
) -> None:
    answer = server.raw(request_ + GET % b"/quick")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer


def test_a_chunked_body_without_end_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /told HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = b""
        try:
            for _ in range(200):
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except OSError:
            pass
        try:
            answer = connection.recv(65536)
        except OSError:
            return
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_large_body_arrives_whole(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    for size in (0, 4096, 4097, 70_000, 5_000_000):
        connection.request("POST", "/told", body=b"z" * size)
        assert json.loads(connection.getresponse().read())["body"] == size
    connection.request("POST", "/quick?q", body=b"z" * 4096)
    assert len(json.loads(connection.getresponse().read())["body"]) == 4096
    connection.close()


def test_a_client_that_asks_first_is_told_to_go_on(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = b"POST /quick?e HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n"
        connection.sendall(head + b"Content-Length: 2\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hi")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert told(answer)["body"] == "hi"


def test_an_upgrade_is_ignored_and_the_connection_closed(server: Server) -> None:
    for path in (b"/quick?u", b"/healthz"):
        answer = server.raw(
            b"GET "
            + path
            + b" HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            + b"\x81\x05hello"
        )
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"Connection: close" in answer


def test_the_older_version_closes_unless_asked_to_stay(server: Server) -> None:
    assert b"Connection: close" in server.raw(b"GET /quick HTTP/1.0\r\n\r\n")
    stays = b"GET /quick HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    answer = server.raw(stays + b"GET /stream?3 HTTP/1.0\r\n\r\n")
    assert answer.count(b"Connection: keep-alive") == 1
    assert b"chunked" not in answer
    assert answer.endswith(b"x" * 150_000)


def test_what_is_answered_to_head_and_without_a_body(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    for path, status, length in (("/healthz", 200, "2"), ("/told", 200, None), ("/none", 304, None)):
        connection.request("HEAD" if status == 200 else "GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (status, length, b"")
    connection.request("GET", "/quick?empty")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Length"), answer.getheader("X-Peer")) == (204, None, "127.0.0.1")
    connection.close()


def test_an_answer_of_unknown_length_comes_in_chunks_at_the_clients_pace(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(LAST % b"/stream?400")
        time.sleep(0.3)  # The client is slow: meanwhile the server must not take in all that the application makes.
        assert server.get("/quick")[0].status == 200
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    assert body == b"x" * 20_000_000


def test_a_body_that_is_not_as_announced_ends_the_connection_or_is_cut(server: Server) -> None:
    assert server.raw(GET % b"/short").endswith(b"\r\n\r\nfour")
    assert server.raw(LAST % b"/long").endswith(b"\r\n\r\nfour")


def test_an_application_that_fails_answers_500_or_breaks_off(server: Server) -> None:
    for path in (b"/raise", b"/nothing", b"/inject"):
        answer = server.raw(GET % path)
        assert answer.startswith(b"HTTP/1.1 500 "), path
        assert b"Set-Cookie" not in answer
        assert b"RuntimeError" not in answer
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(GET % b"/break")
        received = all_that_comes(connection)
    assert not received.endswith(b"0\r\n\r\n")
    assert "in the middle" in server.log.read_text()
    assert server.raw(LAST % b"/write").endswith(b"written by hand")


def test_a_quick_answer_that_fails_ends_its_own_connection_only(server: Server) -> None:
    assert server.raw(GET % b"/quick?burst").startswith(b"HTTP/1.1 500 ")
    assert "a surprise" in server.log.read_text()
    assert server.get("/quick")[0].status == 200


def test_who_has_gone_is_not_waited_for(server: Server) -> None:
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(GET % b"/stream?4000")
            connection.recv(1000)
    assert server.get("/healthz")[0].status == 200


def test_each_request_is_a_line_of_the_access_log_where_one_is_wanted(server: Server) -> None:
    server.get("/quick?logged", {"User-Agent": "a-reader"})
    server.get("/told?logged", {"User-Agent": "a-reader"})
    lines = [line for line in server.log.read_text().splitlines() if "logged" in line]
    for line, path in zip(lines, ("/quick", "/told"), strict=True):
        assert re.fullmatch(
            rf'127\.0\.0\.1 - - \[[^]]+\] "GET {path}\?logged HTTP/1\.1" 200 \d+ "-" "a-reader"', line
        ), line


def test_who_takes_too_long_to_ask_is_told_so_and_who_does_not_ask_is_let_go(hasty: Server) -> None:
    assert hasty.raw(b"GET /quick HTTP/1.1\r\nHost: a\r\n").startswith(b"HTTP/1.1 408 ")
    assert hasty.raw(b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").startswith(b"HTTP/1.1 408 ")
    assert hasty.raw(b"") == b""
    assert hasty.raw(GET % b"/quick").count(b"HTTP/1.1 200 OK") == 1


def test_who_takes_too_long_to_read_is_let_go(hasty: Server) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=20) as connection:
        connection.sendall(GET % b"/stream?4000")
        time.sleep(1.0)  # Longer than this server waits for a reader.
        assert len(all_that_comes(connection)) < 100_000_000


def test_who_asks_on_and_on_and_reads_nothing_is_held_up_and_then_let_go(hasty: Server) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=20) as connection:
        connection.settimeout(0.2)
        sent = 0
        with suppress(TimeoutError, ConnectionResetError, BrokenPipeError):
            while sent < 64_000_000:
                sent += connection.send(GET % b"/quick" * 2000)
        assert sent < 64_000_000
        assert hung_up(connection)


def test_what_was_asked_before_the_end_does_not_keep_an_unread_connection(hasty: Server) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=20) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(GET % b"/quick" * 60_000 + LAST % b"/quick")
        assert hung_up(connection)


def test_who_reads_late_gets_every_answer(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        asking = threading.Thread(target=connection.sendall, args=(GET % b"/quick" * 60_000 + LAST % b"/quick",))
        asking.start()
        time.sleep(0.3)  # So that answers wait here, and requests in the kernel.
        assert all_that_comes(connection).count(b"HTTP/1.1 200 OK") == 60_001
        asking.join()


def test_half_a_connection_is_enough_to_hear_the_answer(server: Server) -> None:
    assert server.cut_off(GET % b"/slow").endswith(b"slow")
    assert server.cut_off(GET % b"/quick?h").count(b"200 OK") == 1
    assert server.cut_off(GET % b"/quick" + b"GET /quick HT").count(b"HTTP/1.1 400") == 1


def test_too_many_connections_are_turned_away_with_503(tmp_path: Path) -> None:
    for server in started(tmp_path, "--worker-connections=5"):
        kept = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(5)]
        for connection in kept:
            connection.sendall(GET % b"/quick")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert server.raw(b"").startswith(b"HTTP/1.1 503 ")
        for connection in kept:
            connection.close()


def test_a_lane_that_waits_for_a_database_is_asked_in_threads(tmp_path: Path) -> None:
    for server in started(tmp_path, BLOCKS="yes"):
        answer = server.raw((GET % b"/quick?b") * 20 + LAST % b"/quick?empty")
        assert answer.count(b"HTTP/1.1 200 OK") == 20
        assert server.raw(GET % b"/quick?burst").startswith(b"HTTP/1.1 500 ")


def keep_asking(server: Server, path: str, stopped: threading.Event, faults: list[str]) -> Callable[[], None]:
    """Ask again and again over one connection; a new one only when the server says that it closes."""

    def ask() -> None:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
        while not stopped.is_set():
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    faults.append(str(answer.status))
            except ConnectionRefusedError:
                return
            except OSError as error:
                faults.append(repr(error))
                return
        connection.close()

    return ask


@pytest.mark.parametrize("how", ["reload", "stop", "renewal"])
def test_nobody_is_dropped_by(how: str, tmp_path: Path) -> None:
    options = ["--workers=2", *(["--max-requests=300", "--max-requests-jitter=50"] if how == "renewal" else [])]
    for server in started(tmp_path, *options):
        stopped, faults = threading.Event(), list[str]()
        asks = [keep_asking(server, path, stopped, faults) for path in ("/quick", "/healthz", "/slow", "/quick?2")]
        threads = [threading.Thread(target=ask) for ask in asks]
        for thread in threads:
            thread.start()
        time.sleep(1.0)
        if how == "reload":
            server.process.send_signal(signal.SIGHUP)
        if how == "stop":
            assert server.stop() == 0
        else:
            time.sleep(3.0)
        stopped.set()
        for thread in threads:
            thread.join()
        assert faults == []
        if how == "renewal":
            assert "Autorestarting" in server.log.read_text()


def test_who_is_told_to_stop_while_the_application_is_made_stops_as_well(tmp_path: Path) -> None:
    for server in started(tmp_path, LEAVES=str(tmp_path / "told to go")):
        until = time.monotonic() + 20
        while server.log.read_text().count("Worker exiting") != 1 or b"200 OK" not in server.raw(LAST % b"/quick"):
            assert time.monotonic() < until, server.log.read_text()
            time.sleep(0.05)


def test_a_quick_stop_waits_for_nobody(tmp_path: Path) -> None:
    for server in started(tmp_path):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(GET % b"/quick")
            connection.recv(1000)
            began = time.monotonic()
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(20) == 0
            assert time.monotonic() - began < 10
