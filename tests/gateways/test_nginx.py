"""Real nginx with the configuration we hand out, in front of a service that tells what reaches it."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from keymgr.store.keys import KeyState
from tests.api.machine import ROOT, Machine, apply_example, open_machine
from tests.api.serving import Server, application, listening, running, serving
from tests.databases import fresh_file
from tests.keys.verifying import set_key

EXAMPLE = ROOT / "deploy" / "gateways" / "nginx.conf.example"
UPSTREAM = """
import json

def app(environ, start_response):
    headers = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    path = environ["RAW_URI"]
    status = {"broken": "500 Internal Server Error", "mine": "403 Forbidden"}.get(path.rpartition("/")[2], "200 OK")
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps({"path": path, "headers": headers}).encode()]
"""
AROUND = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
IDENTITY = ("ID", "OWNER", "SERVICE", "ENVIRONMENT", "SCOPES", "EXPIRES_IN")


class Front:
    """nginx, keymgr behind it as its gatekeeper, and a service behind both."""

    def __init__(self, machine: Machine, nginx: Server, keymgr: Server) -> None:
        self.machine = machine
        self.nginx = nginx
        self.keymgr = keymgr

    def get(self, token: str | None, path: str = "/charges", **headers: str) -> tuple[HTTPResponse, dict[str, object]]:
        sent = dict(headers) if token is None else {"Authorization": f"Bearer {token}", **headers}
        answer, body = self.nginx.get(path, sent)
        is_json = (answer.getheader("Content-Type") or "").endswith("json")
        return answer, json.loads(body) if is_json and body else {}

    def seen_by_the_service(self, token: str, path: str = "/charges", **headers: str) -> dict[str, str]:
        answer, body = self.get(token, path, **headers)
        assert answer.status == 200, body
        seen = body["headers"]
        assert isinstance(seen, dict)
        return seen


def write_configuration(folder: Path, bound: socket.socket, keymgr: Server, service: Server) -> None:
    words = {
        "LISTEN": f"127.0.0.1:{bound.getsockname()[1]}",
        "KEYMGR": f"127.0.0.1:{keymgr.port}",
        "UPSTREAM": f"127.0.0.1:{service.port}",
        "SERVICE": "payments",
        "ENV": "prod",
        "SCOPE": "charges:read",
        "PATH": "charges",
    }
    site = EXAMPLE.read_text()
    for word, value in words.items():
        site = site.replace(f"@{word}@", value)
    (folder / "site.conf").write_text(site)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))


@pytest.fixture(scope="module")
def front(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("nginx")
    database_url = fresh_file(migrated_file, folder)
    apply_example(database_url)
    engine = connect(database_url)
    with ExitStack() as stack:
        session = stack.enter_context(Session(engine))
        machine = open_machine(session, database_url, folder, KEYMGR_TRUSTED_PROXIES="127.0.0.1/32")
        keymgr = stack.enter_context(serving(machine, folder, workers=2))
        service = stack.enter_context(application(UPSTREAM, folder, "service"))
        bound = listening()
        write_configuration(folder, bound, keymgr, service)
        # nginx takes over sockets that its parent has opened, as it does when it replaces its own binary.
        environ = {"NGINX": f"{bound.fileno()};"}
        command = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        nginx = stack.enter_context(running(command, bound, folder / "nginx.log", environ))
        yield Front(machine, nginx, keymgr)
    engine.dispose()


def test_a_good_key_reaches_the_service_with_its_identity(front: Front) -> None:
    given = front.machine.key(rate_limits=[("burst", 5, 60)])
    answer, body = front.get(given.token, "/charges/ch_1?expand=all")
    assert answer.status == 200
    assert body["path"] == "/charges/ch_1?expand=all"
    assert answer.getheader("RateLimit") == '"burst";r=4;t=60'
    seen = front.seen_by_the_service(given.token)
    told = [seen[f"HTTP_X_KEY_{name}"] for name in IDENTITY[:5]]
    assert told == [given.key_id, "user:ana", "payments", "prod", "charges:read charges:write"]
    assert 0 < int(seen["HTTP_X_KEY_EXPIRES_IN"]) <= 86_400
    assert "HTTP_AUTHORIZATION" not in seen


def test_without_a_key_nothing_reaches_the_service(front: Front) -> None:
    answer, body = front.get(None)
    assert answer.status == 401
    assert answer.getheader("WWW-Authenticate") == 'Bearer realm="keymgr"'
    assert "headers" not in body


def test_a_bad_key_is_401_with_the_reason(front: Front) -> None:
    answer, _ = front.get("junk")
    assert answer.status == 401
    assert 'error="invalid_token"' in (answer.getheader("WWW-Authenticate") or "")


def test_a_key_without_the_scope_is_403(front: Front) -> None:
    answer, body = front.get(front.machine.key(scopes=["charges:write"]).token)
    assert (answer.status, body["status"], answer.getheader("X-KM-Code")) == (403, 403, "scope_missing")
    assert (answer.getheader("WWW-Authenticate") or "").endswith('scope="charges:read"')
    assert front.get(front.machine.key(environment="dev").token)[0].status == 403
    assert front.get(front.machine.key(service="reports").token)[0].status == 401


def test_a_limited_key_is_429_and_told_when_to_come_back(front: Front) -> None:
    token = front.machine.key(rate_limits=[("burst", 1, 30)]).token
    assert front.get(token)[0].status == 200
    answer, body = front.get(token)
    assert (answer.status, body["status"]) == (429, 429)
    assert 0 < int(answer.getheader("Retry-After") or 0) <= 30
    assert (answer.getheader("RateLimit") or "").startswith('"burst";r=0;t=')
    assert answer.getheader("RateLimit-Policy") == '"burst";q=1;w=30'


def test_a_revoked_key_is_refused_at_the_very_next_request(front: Front) -> None:
    given = front.machine.key()
    assert front.get(given.token)[0].status == 200
    now = datetime.now(UTC)
    set_key(front.machine.session, given, now, state=KeyState.REVOKED, revoked_at=now)
    assert front.get(given.token)[0].status == 401


@pytest.mark.parametrize("forged", ["X-Key-Owner", "x-key-owner", "X_Key_Owner", "X-KEY-OWNER"])
def test_an_identity_of_the_clients_own_making_never_arrives(front: Front, forged: str) -> None:
    token = front.machine.key().token
    seen = front.seen_by_the_service(token, **{forged: "user:root"})
    assert seen["HTTP_X_KEY_OWNER"] == "user:ana"
    assert "user:root" not in seen.values()
    doubled = (
        b"GET /charges HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + token.encode()
        + b"\r\n" + f"{forged}: user:root\r\n{forged}: user:admin\r\n\r\n".encode()
    )  # fmt: skip
    assert b"user:root" not in front.nginx.raw(doubled)


@pytest.mark.parametrize(
    "header",
    [
        "X-Original-URI",
        "X-Forwarded-Uri",
        "X-Forwarded-For",
        "X-KM-Status",
        "X-KM-Code",
        "Script-Name",
        "SCRIPT_NAME",
        "PATH_INFO",
    ],
)
def test_no_header_of_the_clients_changes_the_decision(front: Front, header: str) -> None:
    near = front.machine.key(cidrs=["127.0.0.0/8"]).token
    far = front.machine.key(cidrs=["10.0.0.0/8"]).token
    for value in ("/gateway", "10.1.2.3", "200"):
        assert front.get(None, **{header: value})[0].status == 401
        assert front.get(far, **{header: value})[0].status == 403
        assert front.get(near, **{header: value})[0].status == 200


def test_two_credentials_are_refused(front: Front) -> None:
    token = front.machine.key().token.encode()
    start = b"GET /charges HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    twice = start + b"Authorization: Bearer " + token + b"\r\nAuthorization: Bearer " + token + b"\r\n\r\n"
    joined = start + b"Authorization: Bearer " + token + b",Bearer " + token + b"\r\n\r\n"
    assert front.nginx.raw(twice)[9:12] in (b"400", b"401")
    assert front.nginx.raw(joined)[9:12] == b"401"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/admin",
        "/charges/../admin",
        "/charges/%2e%2e/admin",
        "/charges%2f..%2fadmin",
        "/CHARGES",
        "/%00",
        "//admin",
    ],
)
def test_what_no_location_protects_is_not_there(front: Front, path: str) -> None:
    answer, body = front.get(front.machine.key().token, path)
    assert answer.status in (400, 404)
    assert "headers" not in body


@pytest.mark.parametrize(
    "path", ["/admin/../charges", "/admin/%2e%2e/charges", "/./charges", "//charges", "/x/y/../../charges"]
)
def test_the_service_gets_the_path_that_was_judged(front: Front, path: str) -> None:
    answer, body = front.get(front.machine.key().token, path)
    assert answer.status == 200
    assert body["path"] == "/charges"


@pytest.mark.parametrize("path", ["/_keymgr/charges", "/gateway/check?aud=payments"])
def test_the_question_itself_cannot_be_asked_from_outside(front: Front, path: str) -> None:
    assert front.get(front.machine.key().token, path)[0].status == 404


def test_the_services_own_errors_stay_its_own(front: Front) -> None:
    token = front.machine.key().token
    assert front.get(token, "/charges/broken")[0].status == 500
    answer, body = front.get(token, "/charges/mine")
    assert answer.status == 403
    assert body["path"] == "/charges/mine"


def test_a_body_goes_to_the_service_and_not_to_keymgr(front: Front) -> None:
    token = front.machine.key().token.encode()
    request = (
        b"POST /charges HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\nAuthorization: Bearer " + token
        + b"\r\n\r\nhello"
    )  # fmt: skip
    received = front.nginx.raw(request)
    assert received.startswith(b"HTTP/1.1 200")
    assert b'"HTTP_X_KEY_OWNER": "user:ana"' in received


def test_zz_when_keymgr_is_away_it_is_503_and_the_service_sees_nothing(front: Front) -> None:
    """Last, because it stops keymgr for this module."""
    token = front.machine.key().token
    assert front.get(token)[0].status == 200
    assert front.keymgr.stop() == 0
    for _ in range(3):
        answer, body = front.get(token)
        assert (answer.status, answer.getheader("Retry-After")) == (503, "2")
        assert "headers" not in body
