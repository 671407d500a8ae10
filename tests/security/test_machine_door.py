"""The machine's door under attack: what a client says of itself, odd JSON, and paths that are none."""

import itertools
import logging

import pytest
from flask.testing import FlaskClient

from keymgr.app import create_app
from keymgr.config import load
from tests.api.machine import PUBLIC_URL, Machine

CHECK = "/gateway/check?aud=payments&scope=charges:read"
IDENTITY = ("X-Key-Id", "X-Key-Owner", "X-Key-Service", "X-Key-Environment", "X-Key-Scopes", "X-Key-Expires-In")
FORGED = {
    "X-Forwarded-For": "10.1.2.3",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Uri": "/public",
    "X-Forwarded-Prefix": "/public",
    "X-Forwarded-User": "ada",
    "X-Original-Uri": "/public",
    "X-Original-Url": "/public",
    "X-Original-Method": "OPTIONS",
    "X-Rewrite-Url": "/public",
    "X-Real-Ip": "10.1.2.3",
    "X-Client-Ip": "10.1.2.3",
    "True-Client-Ip": "10.1.2.3",
    "Cf-Connecting-Ip": "10.1.2.3",
    "Forwarded": "for=10.1.2.3;host=evil.example;proto=https",
    "Remote-User": "ada",
    "X-Remote-User": "ada",
    "X-Auth-Sub": "user:ada",
    "X-Key-Id": "key_01forged",
    "X-Key-Owner": "user:ada",
    "X-Key-Scopes": "refunds:write",
    "X-Km-Code": "ok",
    "X-Request-Id": "req-forged",
    "X-Http-Method-Override": "GET",
    "User-Agent": "GoogleHC/1.0 kube-probe/1.30 ELB-HealthChecker/2.0",
    "Cookie": "keymgr=forged",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_header_that_a_client_makes_up_changes_no_answer(client: FlaskClient, machine: Machine, name: str) -> None:
    given = machine.key(cidrs=["10.0.0.0/8"])
    free = machine.key()
    for token in (given.token, free.token, "junk", None):
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        plain = client.get(CHECK, headers=bearer)
        forged = client.get(CHECK, headers={**bearer, name: FORGED[name]})
        assert forged.status_code == plain.status_code
        assert [forged.headers[header] for header in IDENTITY] == [plain.headers[header] for header in IDENTITY]
        assert forged.headers["X-KM-Code"] == plain.headers["X-KM-Code"]
        assert "forged" not in str(forged.headers)


def test_an_identity_header_of_the_clients_never_comes_back(client: FlaskClient, machine: Machine) -> None:
    for token, status in ((machine.key().token, 204), ("junk", 401)):
        answer = client.get(CHECK, headers={**FORGED, "Authorization": f"Bearer {token}"})
        assert answer.status_code == status
        for name in IDENTITY:
            assert answer.headers.getlist(name) != [FORGED.get(name)]
            assert len(answer.headers.getlist(name)) == 1


def test_a_stranger_cannot_choose_the_address_that_a_networks_check_sees(machine: Machine) -> None:
    app = create_app(load({**machine.environ, "KEYMGR_TRUSTED_PROXIES": "192.0.2.0/24"}))
    client = app.test_client()
    bearer = {"Authorization": f"Bearer {machine.key(cidrs=['10.0.0.0/8']).token}"}
    claims = [
        "10.1.2.3",
        "10.1.2.3, 198.51.100.9",
        "10.1.2.3,192.0.2.1,198.51.100.9",
        "10.1.2.3, junk",
        "10.1.2.3," * 40,
    ]
    for peer, claim in itertools.product(("198.51.100.7", "192.0.2.1"), claims):
        through = {"environ_overrides": {"REMOTE_ADDR": peer}, "headers": {**bearer, "X-Forwarded-For": claim}}
        expected = 204 if (peer, claim) == ("192.0.2.1", "10.1.2.3") else 403
        assert client.get(CHECK, **through).status_code == expected, (peer, claim)
    app.extensions["keymgr.api"].close()


@pytest.mark.parametrize(
    "body",
    [
        b'{"token": "x", "\\ud800": 1}',
        b'{"token": "\\ud800"}',
        b'{"token": "x", "scopes": ["\\ud800"]}',
        b'{"token": "x", "address": "\\ud800"}',
        b'{"token": "x", "environment": "\\udfff"}',
        b'{"questions": [{"\\ud800": 1}]}',
        b'{"token": "x", "\\u0000": 1}',
        b'{"token": "x\\u0000"}',
        b'{"token": "x", "cost": 1000000000000000000000000}',
        b'{"token": "x", "cost": ' + b"9" * 5000 + b"}",
        b'{"token": "x", "cost": true}',
        b'{"token": ' + b"[" * 8000 + b"]" * 8000 + b"}",
        b'{"token": {"$ne": null}}',
        b'{"token": "x", "address": "::ffff:10.0.0.1%eth0"}',
        b'{"token": "x", "address": "0177.0.0.1"}',
        b'{"token": "x", "scopes": ["r\xd0\xb5ad"]}',
    ],
)
def test_odd_json_is_the_callers_fault_and_never_a_surprise_of_ours(
    client: FlaskClient, machine: Machine, body: bytes
) -> None:
    headers = {"Authorization": f"Bearer {machine.caller().credential}", "Content-Type": "application/json"}
    answer = client.post("/api/v1/verify", data=body, headers=headers)
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 200:
        assert answer.json is not None
        assert answer.json["valid"] is False


def test_an_unknown_caller_is_logged_with_the_address_behind_a_trusted_proxy(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(load({**machine.environ, "KEYMGR_TRUSTED_PROXIES": "127.0.0.0/8"}))
    caplog.set_level(logging.INFO)
    app.test_client().post("/api/v1/verify", headers={"X-Forwarded-For": "203.0.113.9"})
    assert "address=203.0.113.9" in caplog.text
    app.extensions["keymgr.api"].close()


def test_what_is_logged_of_a_refusal_stays_on_one_line(
    client: FlaskClient, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    headers = {"Authorization": f"Bearer {machine.caller().credential}"}
    hostile = 'x\r\n2026 INFO forged {"a": 1} \x1b[31m'
    client.post("/api/v1/verify", json={"token": hostile, "address": "10.0.0.1"}, headers=headers)
    client.get("/gateway/check", query_string={"aud": hostile})
    client.get("/gateway/check", query_string={"aud": "payments", "scope": hostile})
    assert "forged" not in caplog.text
    assert all("\n" not in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("prefix", ["/admin", "/api", "/x"])
@pytest.mark.parametrize("path", ["/", "/login", "/keys", "/api/v1/verify", "/gateway/check", "/.well-known/jwks.json"])
def test_a_path_cut_in_two_by_a_header_reaches_nothing(client: FlaskClient, prefix: str, path: str) -> None:
    """Gunicorn's defaults let a client's SCRIPT_NAME header do this, past any rule about paths in a proxy."""
    answer = client.get(path, environ_overrides={"SCRIPT_NAME": prefix})
    assert answer.status_code == 404
    assert prefix not in answer.headers.get("Location", "")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "", "127.0.0.1@evil"])
def test_a_host_that_is_not_ours_is_answered_with_none_of_its_name(client: FlaskClient, host: str) -> None:
    for path in ("/", "/login", "/.well-known/oauth-authorization-server", "/nowhere", "/api/nowhere"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 400, path
        assert "evil" not in answer.text + str(answer.headers)


@pytest.mark.parametrize("host", ["evil.example", "localhost:1", "localhost"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", CHECK, "/gateway/check?x=1", "/api/v1/verify"])
def test_where_any_host_is_answered_the_host_is_in_no_answer(client: FlaskClient, host: str, path: str) -> None:
    for method in ("GET", "POST"):
        answer = client.open(path, method=method, headers={**FORGED, "Host": host})
        text = answer.text + str(answer.headers)
        assert "evil" not in text
        assert "localhost" not in text


def test_addresses_in_documents_come_from_the_setting(client: FlaskClient) -> None:
    answer = client.get("/.well-known/oauth-authorization-server", headers={**FORGED, "Host": "localhost:4444"})
    assert answer.json is not None
    assert answer.json["issuer"] == PUBLIC_URL
    assert answer.json["jwks_uri"].startswith(PUBLIC_URL + "/")
    problem = client.get("/api/nowhere", headers={**FORGED, "Host": "localhost:4444"})
    assert problem.json is not None
    assert problem.json["type"].startswith(PUBLIC_URL + "/")
