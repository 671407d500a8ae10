"""POST /api/v1/verify: who may ask, what is refused, and what the answer says."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from keymgr.keys.service_credentials import revoke_service_credential
from keymgr.store.audit import Actor, AuditLevel
from keymgr.store.keys import KeyState
from tests.api.machine import PUBLIC_URL, Machine
from tests.keys.verifying import HOUR, set_key

MEMBERS = {
    "valid", "code", "message", "key_id", "owner", "service", "environment", "scopes", "expires_at", "limits",
    "retry_after", "policy",
}  # fmt: skip


class Asking:
    """A service that asks about what was presented to it."""

    def __init__(self, client: FlaskClient, credential: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {credential}"}

    def ask(self, token: str, **other: object) -> dict[str, object]:
        answer = self.send({"token": token, **other})
        assert answer.status_code == 200, answer.text
        found = answer.get_json()
        assert isinstance(found, dict)
        return found

    def send(self, body: object, **headers: str) -> TestResponse:
        return self.client.post("/api/v1/verify", json=body, headers={**self.headers, **headers})


@pytest.fixture
def asking(client: FlaskClient, machine: Machine) -> Asking:
    return Asking(client, machine.caller().credential)


def problem(answer: TestResponse, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    found = json.loads(answer.data)
    assert found["type"] == f"{PUBLIC_URL}/docs/errors/{code}"
    assert found["status"] == status
    assert found["instance"] == answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert isinstance(found, dict)
    return found


def test_a_good_key_is_answered_with_all_there_is_to_know(asking: Asking, machine: Machine) -> None:
    given = machine.key(
        rate_limits=[("burst", 5, 10)], quota=("quota", 100, 86_400), owner_rate_limits=[("day", 9, 60)]
    )
    answer = asking.send(
        {"token": given.token, "scopes": ["charges:read"], "environment": "prod", "address": "192.0.2.1", "cost": 2}
    )
    found = answer.get_json()
    assert found == {
        "valid": True,
        "code": "ok",
        "message": "The key is good for this call.",
        "key_id": given.key_id,
        "owner": "user:ana",
        "service": "payments",
        "environment": "prod",
        "scopes": ["charges:read", "charges:write"],
        "expires_at": found["expires_at"],
        "limits": [
            {"name": "burst", "limit": 5, "remaining": 3, "resets_in": 10},
            {"name": "owner:day", "limit": 9, "remaining": 7, "resets_in": 60},
            {"name": "quota", "limit": 100, "remaining": 98, "resets_in": 86_400},
        ],
        "retry_after": None,
        "policy": {"digest": "sha256:abc", "rule": "payments-prod"},
        "request_id": answer.headers["X-Request-Id"],
    }
    expires_at = datetime.fromisoformat(found["expires_at"])
    assert abs(expires_at - datetime.now(UTC) - 24 * HOUR) < timedelta(minutes=1)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"


def test_only_the_token_is_needed(asking: Asking, machine: Machine) -> None:
    assert asking.ask(machine.key().token)["valid"] is True
    assert asking.ask(machine.key(form="opaque").token)["valid"] is True
    assert asking.ask("")["code"] == "key_missing"


def test_a_refusal_has_every_member_and_null_for_what_is_not_known(asking: Asking) -> None:
    found = asking.ask("junk")
    assert set(found) == MEMBERS | {"request_id"}
    assert (found["valid"], found["code"], found["limits"]) == (False, "key_invalid", [])
    hidden = ("key_id", "owner", "service", "environment", "scopes", "expires_at", "policy", "retry_after")
    assert all(found[name] is None for name in hidden)


def test_a_limited_key_is_told_when_to_come_back(asking: Asking, machine: Machine) -> None:
    token = machine.key(rate_limits=[("burst", 1, 30)]).token
    assert asking.ask(token)["valid"] is True
    found = asking.ask(token)
    assert (found["code"], found["retry_after"]) == ("rate_limited", 30)
    assert found["limits"] == [{"name": "burst", "limit": 1, "remaining": 0, "resets_in": 30}]


def test_the_very_next_request_after_a_revocation_is_refused(asking: Asking, machine: Machine) -> None:
    given = machine.key()
    for _ in range(3):
        assert asking.ask(given.token)["valid"] is True
    set_key(machine.session, given, datetime.now(UTC), state=KeyState.REVOKED, revoked_at=datetime.now(UTC))
    assert asking.ask(given.token)["code"] == "key_revoked"


def test_a_service_sees_only_keys_of_its_own(client: FlaskClient, machine: Machine) -> None:
    reports = Asking(client, machine.caller("reports").credential)
    for form in ("jwt", "opaque"):
        found = reports.ask(machine.key(form=form).token)
        assert (found["valid"], found["code"], found["key_id"], found["owner"]) == (
            False, "key_wrong_audience", None, None
        )  # fmt: skip


def test_a_batch_is_answered_one_by_one_in_its_order(asking: Asking, machine: Machine) -> None:
    good, other, limited = machine.key(), machine.key(), machine.key(rate_limits=[("burst", 1, 60)])
    questions = [
        {"token": good.token, "scopes": ["charges:write"]},
        {"token": "junk"},
        {"token": other.token, "scopes": ["refunds:write"]},
        {"token": limited.token},
        {"token": limited.token},
        {"token": good.token, "environment": "dev"},
    ]
    answer = asking.send({"questions": questions})
    assert answer.status_code == 200
    found = answer.get_json()
    assert set(found) == {"verdicts", "request_id"}
    codes = [verdict["code"] for verdict in found["verdicts"]]
    assert codes == ["ok", "key_invalid", "scope_missing", "ok", "rate_limited", "context_denied"]
    assert all(set(verdict) == MEMBERS for verdict in found["verdicts"])
    assert [verdict["key_id"] for verdict in found["verdicts"]][2] == other.key_id


@pytest.mark.parametrize(
    "header", [None, "", "Bearer junk", "Bearer kms_", "Basic YTpi", "Bearer a,Bearer b", "Bearer  x"]
)
def test_a_caller_without_a_good_credential_learns_nothing(
    client: FlaskClient, machine: Machine, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = client.post("/api/v1/verify", json={"token": machine.key().token}, headers=headers)
    problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="keymgr"'


def test_a_key_is_no_service_credential(client: FlaskClient, machine: Machine) -> None:
    for form in ("jwt", "opaque"):
        token = machine.key(form=form).token
        answer = client.post("/api/v1/verify", json={"token": token}, headers={"Authorization": f"Bearer {token}"})
        problem(answer, 401, "unauthenticated")


def test_a_revoked_service_credential_is_refused_at_once(client: FlaskClient, machine: Machine) -> None:
    created = machine.caller()
    asking = Asking(client, created.credential)
    assert asking.send({"token": "junk"}).status_code == 200
    revoke_service_credential(
        machine.session,
        credential_id=created.credential_id,
        actor=Actor("user:root"),
        level=AuditLevel.BASIC,
        now=datetime.now(UTC),
    )
    machine.session.commit()
    problem(asking.send({"token": "junk"}), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["#/token"]),
        ({"token": 5}, ["#/token"]),
        ({"token": None}, ["#/token"]),
        ({"token": "t", "scope": "a:b"}, ["#/scope"]),
        ({"token": "t", "a/b~c": 1}, ["#/a~1b~0c"]),
        ({"token": "t", "scopes": "a:b"}, ["#/scopes"]),
        ({"token": "t", "scopes": ["a:b", 5, "a b", ""]}, ["#/scopes/1", "#/scopes/2", "#/scopes/3"]),
        ({"token": "t", "scopes": ["s"] * 101}, ["#/scopes"]),
        ({"token": "t", "environment": ["prod"]}, ["#/environment"]),
        ({"token": "t", "address": "nowhere"}, ["#/address"]),
        ({"token": "t", "address": "fe80::1%eth0"}, ["#/address"]),
        ({"token": "t", "cost": 0}, ["#/cost"]),
        ({"token": "t", "cost": -1000}, ["#/cost"]),
        ({"token": "t", "cost": 1001}, ["#/cost"]),
        ({"token": "t", "cost": True}, ["#/cost"]),
        ({"token": "t", "cost": "1"}, ["#/cost"]),
        ({"token": 1, "cost": 0, "x": 0}, ["#/x", "#/token", "#/cost"]),
        ({"questions": []}, ["#/questions"]),
        ({"questions": {}}, ["#/questions"]),
        ({"questions": [{"token": "t"}] * 101}, ["#/questions"]),
        ({"questions": [{"token": "t"}], "token": "t"}, ["#/token", "#/questions"]),
        ({"questions": [{"token": "t"}, 7, {"token": "t", "cost": 0}]}, ["#/questions/1", "#/questions/2/cost"]),
    ],
)  # fmt: skip
def test_every_fault_of_a_body_is_named_with_its_place(asking: Asking, body: object, pointers: list[str]) -> None:
    found = problem(asking.send(body), 400, "bad_request")
    errors = found["errors"]
    assert isinstance(errors, list)
    assert [error["pointer"] for error in errors] == pointers
    assert all(error["detail"] for error in errors)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b'"text"', b"null", b"7", b"\xff\xfe", b'{"token": "t", "token": "u"}', b'{"token": NaN}',
        b'{"token": "t", "cost": 1.0}', b'{"token": "t", "cost": 1e999}', b"[" * 100_000, b'{"token": "t"} x',
        '{"token": "t"}'.encode("utf-16"), b'{"token": "t", "cost": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda raw: repr(raw[:20]),
)  # fmt: skip
def test_what_is_not_one_strict_json_object_is_refused(asking: Asking, raw: bytes) -> None:
    answer = asking.client.post("/api/v1/verify", data=raw, content_type="application/json", headers=asking.headers)
    assert answer.status_code in (400, 413)
    problem(answer, answer.status_code, "bad_request" if answer.status_code == 400 else "body_too_large")


def test_a_lone_surrogate_in_a_token_is_only_a_bad_key(asking: Asking) -> None:
    raw = b'{"token": "\\ud800"}'
    answer = asking.client.post("/api/v1/verify", data=raw, content_type="application/json", headers=asking.headers)
    assert answer.get_json()["code"] == "key_invalid"


def test_only_json_is_read(asking: Asking) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = asking.client.post(
            "/api/v1/verify", data=b'{"token":"t"}', headers=asking.headers, content_type=content_type
        )
        problem(answer, 415, "unsupported_media_type")


def test_a_body_has_a_bound_and_a_batch_a_larger_one(asking: Asking) -> None:
    problem(asking.send({"token": "x" * 17_000}), 413, "body_too_large")
    assert asking.send({"questions": [{"token": "x" * 8_000}] * 100}).status_code == 200
    problem(asking.send({"questions": [{"token": "x" * 20_000}] * 100}), 413, "body_too_large")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_another_method_is_told_which_one_to_use(client: FlaskClient, method: str) -> None:
    answer = client.open("/api/v1/verify", method=method)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


def test_doubt_is_503_and_never_a_yes(asking: Asking, machine: Machine) -> None:
    token = machine.key(rate_limits=[("burst", 5, 60)]).token
    assert asking.ask(token)["valid"] is True
    machine.session.execute(text("drop table change_feed"))
    machine.session.commit()
    for body in ({"token": token}, {"questions": [{"token": token}]}):
        answer = asking.send(body)
        problem(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0


def test_refusals_are_logged_with_address_and_request_but_without_token(
    asking: Asking, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    given = machine.key()
    with caplog.at_level(logging.INFO):
        asking.ask("junk\nsecond line", address="192.0.2.9")
        found = asking.ask(given.token, scopes=["refunds:write"])
        asking.ask(given.token)
    lines = [record.getMessage() for record in caplog.records if record.name == "keymgr.refusals"]
    assert len(lines) == 2
    assert "key_invalid service=payments key=- address=192.0.2.9 request=req-" in lines[0]
    assert given.key_id in lines[1]
    assert str(found["request_id"]) in lines[1]
    assert all(given.token not in line and "junk" not in line and "\n" not in line for line in lines)
