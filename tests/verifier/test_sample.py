import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from keymgr.tokens.verdicts import VerdictCode
from keymgr.verifier import sample
from keymgr.verifier.online import Verifier
from tests.verifier.stub_server import CREDENTIAL, Stub

Answered = tuple[int, dict[str, str], bytes]


@pytest.fixture
def port(verifier: Verifier) -> Iterator[int]:
    with sample.start(sample.make_app(verifier)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server.server_port
        server.shutdown()


def call(port: int, method: str, path: str, *authorization: str) -> Answered:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path)
    for value in authorization:
        connection.putheader("Authorization", value)
    connection.endheaders()
    response = connection.getresponse()
    answered = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    connection.close()
    return answered


def test_the_front_page_explains_itself(port: int) -> None:
    status, headers, body = call(port, "GET", "/")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert b"charges:read" in body
    assert b"refunds:write" in body


@pytest.mark.parametrize(
    ("operation", "scope", "word"),
    [("GET /charges", "charges:read", b"ch_1"), ("POST /refunds", "refunds:write", b"re_1")],
)
def test_a_good_key_is_served(operation: str, scope: str, word: bytes, port: int, stub: Stub) -> None:
    status, headers, body = call(port, *operation.split(), "Bearer a.b.c")
    assert status == 200
    assert word in body
    assert json.loads(body)["for"] == "svc:checkout"
    assert headers["ratelimit"] == '"burst";r=50;t=30'
    assert headers["ratelimit-policy"] == '"burst";q=100'
    assert stub.asked[0]["body"] == {
        "token": "a.b.c",
        "scopes": [scope],
        "environment": None,
        "address": "127.0.0.1",
    }


BAD_KEY = (401, 'Bearer realm="keymgr", error="invalid_token", error_description="No."', None)
TOO_OFTEN = (429, None, "17")
NEEDS = 'Bearer realm="keymgr", error="insufficient_scope", error_description="No.", scope="charges:read"'
ANSWERS = {
    "key_missing": (401, 'Bearer realm="keymgr"', None),
    "key_invalid": BAD_KEY,
    "key_expired": BAD_KEY,
    "key_revoked": BAD_KEY,
    "key_superseded": BAD_KEY,
    "key_suspended": BAD_KEY,
    "key_wrong_audience": BAD_KEY,
    "scope_missing": (403, NEEDS, None),
    "context_denied": (403, None, None),
    "rate_limited": TOO_OFTEN,
    "quota_exceeded": TOO_OFTEN,
    "verifier_unavailable": (503, None, "2"),
}


@pytest.mark.parametrize("code", ANSWERS)
def test_every_verdict_becomes_its_documented_answer(code: str, port: int, stub: Stub) -> None:
    limits = [{"name": "burst", "limit": 10, "remaining": 0, "resets_in": 17, "window": 60}]
    stub.refuses(code, message="No.", limits=limits if ANSWERS[code] is TOO_OFTEN else [])
    status, headers, body = call(port, "GET", "/charges", "Bearer a.b.c")
    assert (status, headers.get("www-authenticate"), headers.get("retry-after")) == ANSWERS[code]
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    problem = json.loads(body)
    assert (problem["status"], problem["code"], problem["detail"]) == (status, code, "No.")
    fields = (headers.get("ratelimit-policy"), headers.get("ratelimit"))
    assert fields == (('"burst";q=10;w=60', '"burst";r=0;t=17') if status == 429 else (None, None))


def test_the_answers_above_are_all_that_there_are() -> None:
    assert set(ANSWERS) == set(VerdictCode) - {"ok"}


def test_a_call_without_key_gets_the_bare_challenge(port: int, stub: Stub) -> None:
    status, headers, body = call(port, "GET", "/charges")
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="keymgr"')
    assert json.loads(body)["code"] == "key_missing"
    assert stub.asked == []


@pytest.mark.parametrize("authorization", [("Bearer a", "Bearer b"), ("Bearer a,Bearer b",), ("Bearer a b",)])
def test_two_keys_at_once_are_refused(authorization: tuple[str, ...], port: int, stub: Stub) -> None:
    status, headers, _ = call(port, "GET", "/charges", *authorization)
    assert status == 401
    assert 'error="invalid_token"' in headers["www-authenticate"]
    assert stub.asked == []


def test_a_key_in_the_address_is_not_looked_at(port: int, stub: Stub) -> None:
    assert call(port, "GET", "/charges?access_token=a.b.c")[0] == 401
    assert stub.asked == []


def test_an_unknown_page_and_a_wrong_method_are_problems(port: int, stub: Stub) -> None:
    status, headers, _ = call(port, "GET", "/nothing", "Bearer a.b.c")
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    status, headers, _ = call(port, "GET", "/refunds", "Bearer a.b.c")
    assert (status, headers["allow"]) == (405, "POST")
    assert stub.asked == []


def test_the_module_serves_the_sample_and_prints_its_address(stub: Stub, tmp_path: Path) -> None:
    credential = tmp_path / "credential"
    credential.write_text(CREDENTIAL + "\n")
    arguments = ["--port", "0", "--server", stub.url, "--credential-file", str(credential), "--service", "payments"]
    command = [sys.executable, "-m", "keymgr.verifier.sample", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            assert call(int(address.rsplit(":", 1)[1]), "GET", "/charges", "Bearer a.b.c")[0] == 200
        finally:
            process.terminate()
    assert stub.asked[0]["headers"]["Authorization"] == f"Bearer {CREDENTIAL}"


@pytest.mark.parametrize(
    ("server", "credential", "words"),
    [("keys.example.com", CREDENTIAL, "not the address"), ("https://keys.example.com", "", "one line of text")],
)
def test_a_wrong_command_line_is_explained(
    server: str, credential: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "credential"
    file.write_text(credential)
    with pytest.raises(SystemExit):
        sample.main(["--server", server, "--credential-file", str(file)])
    assert words in capsys.readouterr().err


def test_an_interrupt_ends_the_sample_quietly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credential"
    file.write_text(CREDENTIAL)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("socketserver.BaseServer.serve_forever", interrupted)
    sample.main(["--port", "0", "--server", "https://keys.example.com", "--credential-file", str(file)])
