"""What verifiers fetch, health, and that a machine never gets HTML."""

import base64
import json
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import delete, text, update
from werkzeug.test import TestResponse

from keymgr.keys.signing_keys import roll
from keymgr.store.audit import Actor
from keymgr.store.keys import Credential, CredentialState, KeyState
from keymgr.store.leases import take
from keymgr.store.people import Person
from keymgr.store.policies import PolicyHead
from tests.api.machine import PUBLIC_URL, Machine
from tests.keys.verifying import Given, set_credential, set_key

PUBLISHED = ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/status-lists/1")


def jwks(client: FlaskClient) -> KeySet:
    return KeySet.import_key_set(client.get(PUBLISHED[0]).get_json())


def out_of_use(client: FlaskClient, given: Given, machine: Machine) -> bool:
    """Whether the published list says that a credential is out of use, as somebody else's code reads it."""
    answer = client.get("/status-lists/1")
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/statuslist+jwt"
    token = jwt.decode(answer.text, jwks(client), algorithms=["ES256"])
    assert token.header["typ"] == "statuslist+jwt"
    assert token.claims["sub"] == f"{PUBLIC_URL}/status-lists/1"
    coded = token.claims["status_list"]["lst"]
    bits = zlib.decompress(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    assert len(bits) >= 16_384
    index = machine.session.get_one(Credential, given.credential_id).status_index
    return bool(bits[index >> 3] >> (index & 7) & 1)


def test_a_token_is_verified_by_somebody_elses_code_from_the_published_keys(
    client: FlaskClient, machine: Machine
) -> None:
    given = machine.key()
    answer = client.get("/.well-known/jwks.json")
    assert answer.content_type == "application/jwk-set+json"
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in answer.get_json()["keys"])
    assert jwt.decode(given.token, jwks(client), algorithms=["ES256"]).claims["client_id"] == given.key_id


def test_a_new_signing_key_is_published_before_it_is_used_and_the_old_one_after(
    client: FlaskClient, machine: Machine
) -> None:
    old = machine.key()
    waiting = {key["kid"] for key in client.get(PUBLISHED[0]).get_json()["keys"]}
    roll(machine.session, machine.issuer, actor=Actor("user:root"), now=datetime.now(UTC))
    machine.session.commit()
    new = machine.key()
    assert jwt.decode(new.token, jwks(client), algorithms=["ES256"]).header["kid"] in waiting
    assert jwt.decode(old.token, jwks(client), algorithms=["ES256"]).claims["client_id"] == old.key_id


@pytest.mark.parametrize("path", PUBLISHED)
def test_what_is_published_may_be_kept_and_asked_for_again_cheaply(
    client: FlaskClient, machine: Machine, path: str
) -> None:
    machine.key()
    first = client.get(path)
    assert first.status_code == 200
    assert "public" in first.headers["Cache-Control"]
    assert 0 < int(first.headers["Cache-Control"].rpartition("max-age=")[2]) <= 300
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.head(path).status_code == 200
    assert client.get(path).data == first.data


def test_metadata_names_only_what_exists(client: FlaskClient) -> None:
    found = client.get("/.well-known/oauth-authorization-server").get_json()
    assert found["issuer"] == PUBLIC_URL
    for name, address in found.items():
        if name.endswith(("_uri", "_endpoint")):
            assert client.get(address.removeprefix(PUBLIC_URL)).status_code == 200
    assert found["response_types_supported"] == []


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Forwarded-Prefix"])
@pytest.mark.parametrize("path", PUBLISHED)
def test_no_header_gets_into_an_address(client: FlaskClient, machine: Machine, path: str, header: str) -> None:
    machine.key()
    assert client.get(path).data == client.get(path, headers={header: "evil.example"}).data
    strange = client.get(path, headers={"Host": "evil.example"})
    assert strange.status_code == 400
    assert strange.get_json()["type"].endswith("/host_not_allowed")


def test_the_status_list_says_what_is_out_of_use(client: FlaskClient, machine: Machine) -> None:
    now = datetime.now(UTC)
    good, revoked, suspended, retired, left = (machine.key() for _ in range(5))
    ghost = machine.key(owner="svc:pay-ci")
    set_key(machine.session, revoked, now, state=KeyState.REVOKED, revoked_at=now)
    set_key(machine.session, suspended, now, state=KeyState.SUSPENDED)
    past = now - timedelta(seconds=1)
    set_credential(machine.session, retired, now, state=CredentialState.RETIRED, retired_at=past)
    set_credential(machine.session, left, now, state=CredentialState.RETIRING, retires_at=past)
    assert not out_of_use(client, good, machine)
    assert not out_of_use(client, ghost, machine)
    assert all(out_of_use(client, given, machine) for given in (revoked, suspended, retired, left))
    set_key(machine.session, suspended, now, state=KeyState.ACTIVE)
    assert not out_of_use(client, suspended, machine)
    machine.session.execute(update(Person).values(state="left"))
    machine.session.commit()
    assert out_of_use(client, good, machine)
    assert not out_of_use(client, ghost, machine)


def test_without_a_signing_key_there_is_no_status_list(client: FlaskClient) -> None:
    answer = client.get("/status-lists/1")
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert client.get("/.well-known/jwks.json").get_json() == {"keys": []}


def test_health_says_alive_and_ready(client: FlaskClient, machine: Machine) -> None:
    assert client.get("/healthz", headers={"Host": "10.0.0.7:8000"}).get_json() == {"status": "ok"}
    answer = client.get("/readyz", headers={"Host": "10.0.0.7:8000"})
    assert answer.status_code == 200
    checks = {"database": "ok", "migrations": "ok", "policy": "ok", "worker": "late"}
    assert answer.get_json() == {"status": "ok", "checks": checks}
    take(machine.session, "clock", "test", datetime.now(UTC), 60)
    machine.session.commit()
    assert client.get("/readyz").get_json()["checks"]["worker"] == "ok"


def test_a_node_without_policy_schema_or_database_is_not_ready(client: FlaskClient, machine: Machine) -> None:
    def not_ready() -> dict[str, str]:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.get_json()["status"]) == (503, "not_ready")
        assert int(answer.headers["Retry-After"]) > 0
        checks = answer.get_json()["checks"]
        assert isinstance(checks, dict)
        return checks

    machine.session.execute(delete(PolicyHead))
    machine.session.commit()
    assert not_ready()["policy"] == "none_applied"
    machine.session.execute(text("update alembic_version set version_num = 'older'"))
    machine.session.commit()
    assert not_ready()["migrations"] == "pending"
    machine.session.execute(text("drop table alembic_version"))
    machine.session.commit()
    assert not_ready() == {"database": "unreachable"}
    assert client.get("/healthz").status_code == 200


def is_problem(answer: TestResponse, status: int) -> bool:
    found = json.loads(answer.data)
    return (answer.status_code, found["status"], answer.content_type) == (status, status, "application/problem+json")


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api/v1", "/api/v2/verify", "/gateway", "/.well-known/nothing", "/status-lists/2", "/readyz/x"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "TRACE"])
def test_a_machine_that_goes_astray_gets_json(client: FlaskClient, path: str, method: str) -> None:
    answer = client.open(path, method=method)
    assert is_problem(answer, 404)
    assert answer.headers["X-Request-Id"] == answer.get_json()["instance"]


@pytest.mark.parametrize("path", [*PUBLISHED, "/healthz", "/readyz"])
def test_a_wrong_method_names_the_right_ones(client: FlaskClient, path: str) -> None:
    answer = client.post(path)
    assert is_problem(answer, 405)
    assert "GET" in answer.headers["Allow"]
    assert "POST" not in answer.headers["Allow"]


def test_a_surprise_is_a_problem_without_a_word_of_the_inside(client: FlaskClient, machine: Machine) -> None:
    machine.session.execute(text("drop table signing_key"))
    machine.session.commit()
    answer = client.get("/.well-known/jwks.json")
    assert is_problem(answer, 503)
    assert b"signing_key" not in answer.data
    assert b"sql" not in answer.data.lower()


def test_people_still_get_pages(client: FlaskClient) -> None:
    answer = client.get("/no-such-page")
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
