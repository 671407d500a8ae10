"""Real Caddy with the configuration we hand out, in front of a service that tells what reaches it."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from keymgr.store.keys import KeyState
from tests.api.machine import ROOT, Machine, apply_example, open_machine
from tests.api.serving import Server, application, running, serving
from tests.databases import fresh_file
from tests.gateways.test_nginx import IDENTITY, UPSTREAM
from tests.keys.verifying import set_key

EXAMPLE = ROOT / "deploy" / "gateways" / "Caddyfile.example"
AROUND = "{\n\tadmin off\n\tauto_https off\n}\n"


@dataclass
class Front:
    """Caddy, keymgr behind it as its gatekeeper, and a service behind both."""

    machine: Machine
    caddy: Server
    keymgr: Server

    def get(self, token: str | None, path: str = "/charges", **headers: str) -> tuple[HTTPResponse, dict[str, object]]:
        sent = dict(headers) if token is None else {"Authorization": f"Bearer {token}", **headers}
        answer, body = self.caddy.get(path, sent)
        is_json = (answer.getheader("Content-Type") or "").endswith("json")
        return answer, json.loads(body) if is_json and body else {}


def write_configuration(folder: Path, port: int, keymgr: Server, service: Server) -> None:
    words = {
        "LISTEN": f"http://127.0.0.1:{port}",
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
    (folder / "Caddyfile").write_text(AROUND + site)


@pytest.fixture(scope="module")
def front(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("caddy")
    database_url = fresh_file(migrated_file, folder)
    apply_example(database_url)
    engine = connect(database_url)
    with ExitStack() as stack:
        session = stack.enter_context(Session(engine))
        machine = open_machine(session, database_url, folder, KEYMGR_TRUSTED_PROXIES="127.0.0.1/32")
        keymgr = stack.enter_context(serving(machine, folder, workers=1))
        service = stack.enter_context(application(UPSTREAM, folder, "service"))
        # Caddy takes over no socket, but shares the port of one that does not listen: no port is ever guessed.
        held = stack.enter_context(socket.socket())
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        write_configuration(folder, int(held.getsockname()[1]), keymgr, service)
        command = ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        environ = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
        caddy = stack.enter_context(running(command, held, folder / "caddy.log", environ))
        yield Front(machine, caddy, keymgr)
    engine.dispose()


def test_a_good_key_reaches_the_service_with_its_identity_and_without_the_key(front: Front) -> None:
    given = front.machine.key()
    answer, body = front.get(given.token, "/charges/ch_1?expand=all")
    assert (answer.status, body["path"]) == (200, "/charges/ch_1?expand=all")
    seen = body["headers"]
    assert isinstance(seen, dict)
    told = [seen[f"HTTP_X_KEY_{name}"] for name in IDENTITY[:5]]
    assert told == [given.key_id, "user:ana", "payments", "prod", "charges:read charges:write"]
    assert 0 < int(seen["HTTP_X_KEY_EXPIRES_IN"]) <= 86_400
    assert "HTTP_AUTHORIZATION" not in seen


def test_whoever_may_not_is_told_so_and_nothing_reaches_the_service(front: Front) -> None:
    machine = front.machine
    for token, status in (
        (None, 401),
        ("junk", 401),
        (machine.key(service="reports").token, 401),
        (machine.key(scopes=["charges:write"]).token, 403),
        (machine.key(environment="dev").token, 403),
        (machine.key(cidrs=["10.0.0.0/8"]).token, 403),
    ):
        answer, body = front.get(token)
        assert (answer.status, "headers" in body) == (status, False)
        assert (answer.getheader("WWW-Authenticate") is not None) is (answer.getheader("X-KM-Code") != "context_denied")


def test_a_limited_key_is_429_and_told_when_to_come_back(front: Front) -> None:
    token = front.machine.key(rate_limits=[("burst", 1, 30)]).token
    assert front.get(token)[0].status == 200
    answer, _ = front.get(token)
    assert answer.status == 429
    assert 0 < int(answer.getheader("Retry-After") or 0) <= 30
    assert (answer.getheader("RateLimit") or "").startswith('"burst";r=0;t=')


def test_a_revoked_key_is_refused_at_the_very_next_request(front: Front) -> None:
    given = front.machine.key()
    assert front.get(given.token)[0].status == 200
    now = datetime.now(UTC)
    set_key(front.machine.session, given, now, state=KeyState.REVOKED, revoked_at=now)
    assert front.get(given.token)[0].status == 401


@pytest.mark.parametrize("forged", ["X-Key-Owner", "x-key-owner", "X_Key_Owner", "X-KEY-OWNER"])
def test_an_identity_of_the_clients_own_making_never_arrives(front: Front, forged: str) -> None:
    token = front.machine.key().token
    _, body = front.get(token, **{forged: "user:root"})
    assert "user:root" not in str(body)
    assert "user:ana" in str(body)


def test_an_address_of_the_clients_own_making_changes_nothing(front: Front) -> None:
    far = front.machine.key(cidrs=["10.0.0.0/8"]).token
    near = front.machine.key(cidrs=["127.0.0.0/8"]).token
    assert front.get(far, **{"X-Forwarded-For": "10.1.2.3"})[0].status == 403
    assert front.get(near, **{"X-Forwarded-For": "10.1.2.3"})[0].status == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/admin", "/chargesx", "/charges/../admin", "/charges/%2e%2e/admin", "/charges%2f..%2fadmin", "//admin"],
)
def test_what_nothing_protects_is_not_there(front: Front, path: str) -> None:
    answer, body = front.get(front.machine.key().token, path)
    assert (answer.status in (400, 404), "headers" in body) == (True, False)


def test_the_services_own_errors_stay_its_own(front: Front) -> None:
    token = front.machine.key().token
    assert front.get(token, "/charges/broken")[0].status == 500
    answer, body = front.get(token, "/charges/mine")
    assert (answer.status, body["path"]) == (403, "/charges/mine")


def test_zz_when_keymgr_is_away_it_is_503_and_the_service_sees_nothing(front: Front) -> None:
    """Last, because it stops keymgr for this module."""
    token = front.machine.key().token
    assert front.get(token)[0].status == 200
    assert front.keymgr.stop() == 0
    answer, body = front.get(token)
    assert (answer.status, answer.getheader("Retry-After")) == (503, "2")
    assert "headers" not in body
