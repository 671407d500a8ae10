"""GET|POST /gateway/check: forward-auth, its headers, and everything a client might try to add to them."""

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from keymgr.app import create_app
from keymgr.config import load
from keymgr.keys.usage import calls_per_day
from keymgr.store.keys import KeyState
from tests.api.machine import Machine
from tests.keys.verifying import set_key

IDENTITY = ("X-Key-Id", "X-Key-Owner", "X-Key-Service", "X-Key-Environment", "X-Key-Scopes", "X-Key-Expires-In")
CHECK = "/gateway/check?aud=payments"


def check(client: FlaskClient, token: str | None, query: str = "aud=payments", **headers: str) -> TestResponse:
    sent = dict(headers) if token is None else {"Authorization": f"Bearer {token}", **headers}
    answer = client.get(f"/gateway/check?{query}", headers=sent)
    assert answer.headers["X-Request-Id"].startswith("req-")
    assert answer.headers["Cache-Control"] == "no-store"
    if answer.status_code not in (400, 405):
        assert answer.data == b""
        assert all(name in answer.headers for name in IDENTITY)
    return answer


def test_a_good_key_is_204_with_every_identity_header(client: FlaskClient, machine: Machine) -> None:
    given = machine.key()
    answer = check(client, given.token, "aud=payments&scope=charges:read&scope=charges:write&env=prod")
    assert answer.status_code == 204
    assert "Content-Length" not in answer.headers
    assert answer.headers["X-KM-Code"] == "ok"
    assert [answer.headers[name] for name in IDENTITY[:5]] == [
        given.key_id, "user:ana", "payments", "prod", "charges:read charges:write"
    ]  # fmt: skip
    assert 86_300 < int(answer.headers["X-Key-Expires-In"]) <= 86_400


def test_post_is_the_same_and_its_body_is_not_read(client: FlaskClient, machine: Machine) -> None:
    headers = {"Authorization": f"Bearer {machine.key().token}"}
    assert client.post(CHECK, data=b"x" * 2_000_000, headers=headers).status_code == 204


def test_nothing_presented_is_401_with_a_bare_challenge(client: FlaskClient) -> None:
    answer = check(client, None)
    assert (answer.status_code, answer.headers["X-KM-Code"]) == (401, "key_missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="keymgr"'
    assert [answer.headers[name] for name in IDENTITY] == [""] * 6
    assert "RateLimit" not in answer.headers


def test_a_bad_key_is_401_invalid_token(client: FlaskClient, machine: Machine) -> None:
    given = machine.key()
    set_key(machine.session, given, datetime.now(UTC), state=KeyState.REVOKED, revoked_at=datetime.now(UTC))
    for token, code in (("junk", "key_invalid"), (given.token, "key_revoked")):
        answer = check(client, token)
        assert (answer.status_code, answer.headers["X-KM-Code"]) == (401, code)
        assert 'error="invalid_token", error_description="' in answer.headers["WWW-Authenticate"]
        assert [answer.headers[name] for name in IDENTITY] == [""] * 6


def test_a_missing_scope_is_403_and_named(client: FlaskClient, machine: Machine) -> None:
    answer = check(client, machine.key().token, "aud=payments&scope=refunds:write&scope=charges:read")
    assert (answer.status_code, answer.headers["X-KM-Code"]) == (403, "scope_missing")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert answer.headers["WWW-Authenticate"].endswith('scope="refunds:write"')


def test_a_wrong_place_is_403_without_a_challenge(client: FlaskClient, machine: Machine) -> None:
    answer = check(client, machine.key().token, "aud=payments&env=dev")
    assert (answer.status_code, answer.headers["X-KM-Code"]) == (403, "context_denied")
    assert "WWW-Authenticate" not in answer.headers


def test_a_limited_key_is_429_with_its_limits(client: FlaskClient, machine: Machine) -> None:
    token = machine.key(rate_limits=[("burst", 1, 30)], quota=("quota", 10, 3600)).token
    first = check(client, token)
    assert first.headers["RateLimit-Policy"] == '"burst";q=1;w=30, "quota";q=10;w=3600'
    assert first.headers["RateLimit"] == '"burst";r=0;t=30, "quota";r=9;t=3600'
    assert "Retry-After" not in first.headers
    second = check(client, token)
    assert (second.status_code, second.headers["X-KM-Code"]) == (429, "rate_limited")
    assert second.headers["Retry-After"] == "30"
    assert second.headers["RateLimit"] == '"burst";r=0;t=30, "quota";r=9;t=3600'


def test_a_used_up_quota_is_429_too(client: FlaskClient, machine: Machine) -> None:
    token = machine.key(quota=("quota", 1, 3600)).token
    check(client, token)
    answer = check(client, token)
    assert (answer.status_code, answer.headers["X-KM-Code"]) == (429, "quota_exceeded")


def test_for_nginx_what_auth_request_does_not_pass_on_is_403_with_the_real_status(
    client: FlaskClient, machine: Machine
) -> None:
    token = machine.key(rate_limits=[("burst", 1, 30)]).token
    query = "aud=payments&proxy=nginx"
    assert check(client, token, query).status_code == 204
    limited = check(client, token, query)
    assert (limited.status_code, limited.headers["X-KM-Status"], limited.headers["Retry-After"]) == (403, "429", "30")
    assert check(client, None, query).status_code == 401
    denied = check(client, token, f"{query}&scope=refunds:write")
    assert (denied.status_code, denied.headers.get("X-KM-Status")) == (403, None)
    unknown = client.get("/gateway/check?aud=nobody&proxy=nginx")
    assert (unknown.status_code, unknown.headers["X-KM-Status"]) == (403, "400")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "aud"),
        ("aud=", "aud"),
        ("aud=payments&aud=reports", "aud"),
        ("aud=payments&scopes=refunds:write", "scopes"),
        ("aud=payments&scope=", "scope"),
        ("aud=payments&scope=a:b%20c:d", "scope"),
        ("aud=payments&env=prod&env=dev", "env"),
        ("aud=payments&env=", "env"),
        ("aud=payments&proxy=haproxy", "proxy"),
        ("aud=payments&proxy=nginx&proxy=nginx", "proxy"),
        ("AUD=payments", "AUD"),
        ("aud=payments%00", "aud"),
    ],
)
def test_a_query_that_is_not_exact_lets_nobody_in(
    client: FlaskClient, machine: Machine, query: str, named: str
) -> None:
    answer = check(client, machine.key().token, query)
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert named in [error["pointer"] for error in answer.get_json()["errors"]]


@pytest.mark.parametrize("query", ["aud", "aud=payments&scope", "aud=payments&&scope=a:b", "aud=%ff", "&" * 300])
def test_a_query_that_cannot_be_read_lets_nobody_in(client: FlaskClient, machine: Machine, query: str) -> None:
    assert check(client, machine.key().token, query).status_code == 400


def test_an_unknown_service_is_the_operators_mistake(client: FlaskClient) -> None:
    answer = check(client, None, "aud=paymets")
    assert answer.status_code == 400
    assert answer.get_json()["type"].endswith("/docs/errors/unknown_service")


@pytest.mark.parametrize(
    "header",
    ["Bearer {0},Bearer {0}", "Bearer {0}, Bearer {0}", "Bearer {0} ", " Bearer  {0}", "Bearer {0} x", "Bearer"],
)
def test_two_or_odd_credentials_are_refused(client: FlaskClient, machine: Machine, header: str) -> None:
    answer = check(client, None, Authorization=header.format(machine.key().token))
    assert (answer.status_code, answer.headers["X-KM-Code"]) == (401, "key_invalid")


def test_the_scheme_may_be_written_in_any_case_and_another_scheme_presents_nothing(
    client: FlaskClient, machine: Machine
) -> None:
    token = machine.key().token
    assert check(client, None, Authorization=f"bearer {token}").status_code == 204
    assert check(client, None, Authorization=f"BEARER {token}").status_code == 204
    for header in (f"Basic {token}", token, f"Token {token}"):
        assert check(client, None, Authorization=header).headers["X-KM-Code"] == "key_missing"


def test_a_key_in_any_other_place_presents_nothing(client: FlaskClient, machine: Machine) -> None:
    token = machine.key().token
    answer = check(client, None, **{"X-API-Key": token, "Cookie": f"token={token}", "X-Key-Id": "key_forged"})
    assert (answer.status_code, answer.headers["X-Key-Id"]) == (401, "")
    assert check(client, None, f"aud=payments&access_token={token}").status_code == 400


def test_what_a_client_says_of_itself_changes_nothing(client: FlaskClient, machine: Machine) -> None:
    forged = {
        "X-Key-Owner": "user:root", "X-Key-Scopes": "admin", "X-Original-URI": "/public", "X-Original-Method": "GET",
        "X-Forwarded-Uri": "/public", "X-Forwarded-Host": "evil.example", "Host": "evil.example",
        "X-Request-Id": "mine", "Script-Name": "/gateway", "Path-Info": "/healthz",
    }  # fmt: skip
    plain, dressed = check(client, None), check(client, None, **forged)
    assert plain.status_code == dressed.status_code == 401
    same = {name: value for name, value in plain.headers.items() if name != "X-Request-Id"}
    assert same == {name: value for name, value in dressed.headers.items() if name != "X-Request-Id"}
    assert check(client, machine.key().token, **forged).headers["X-Key-Owner"] == "user:ana"


def test_an_address_that_a_stranger_claims_does_not_count(client: FlaskClient, machine: Machine) -> None:
    inside = machine.key(cidrs=["10.0.0.0/8"]).token
    for header in ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip"):
        assert check(client, inside, **{header: "10.1.2.3"}).headers["X-KM-Code"] == "context_denied"
    assert check(client, machine.key(cidrs=["127.0.0.0/8"]).token).status_code == 204


def test_a_trusted_proxys_word_on_the_address_counts(machine: Machine) -> None:
    machine.environ["KEYMGR_TRUSTED_PROXIES"] = "127.0.0.1/32"
    app = create_app(load(machine.environ))
    inside = machine.key(cidrs=["10.0.0.0/8"]).token
    client = app.test_client()
    assert check(client, inside, **{"X-Forwarded-For": "10.1.2.3"}).status_code == 204
    assert check(client, inside, **{"X-Forwarded-For": "10.1.2.3, 192.0.2.1"}).status_code == 403
    assert check(client, inside).status_code == 403
    app.extensions["keymgr.api"].close()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_another_method_is_told_which_ones_to_use(client: FlaskClient, method: str) -> None:
    answer = client.open(CHECK, method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    "path",
    [
        "/gateway/check/",
        "/gateway/check/x",
        "/gateway//check",
        "/Gateway/check",
        "/gateway/check%2f",
        "/x/gateway/check",
    ],
)
def test_only_the_exact_path_answers(client: FlaskClient, machine: Machine, path: str) -> None:
    headers = {"Authorization": f"Bearer {machine.key().token}"}
    answer = client.get(f"{path}?aud=payments", headers=headers)
    assert answer.status_code in (301, 308, 404)
    assert "X-Key-Id" not in answer.headers


def test_a_script_name_does_not_reach_the_short_cut(client: FlaskClient, machine: Machine) -> None:
    headers = Headers({"Authorization": f"Bearer {machine.key().token}"})
    answer = client.get(CHECK, headers=headers, environ_overrides={"SCRIPT_NAME": "/elsewhere"})
    assert answer.status_code == 404


def test_doubt_is_503_and_never_a_yes(client: FlaskClient, machine: Machine) -> None:
    token = machine.key().token
    assert check(client, token).status_code == 204
    machine.session.execute(text("alter table change_feed rename to away"))
    machine.session.commit()
    for query, status in (("aud=payments", 503), ("aud=payments&proxy=nginx", 403)):
        answer = check(client, token, query)
        assert (answer.status_code, answer.headers["X-KM-Code"]) == (status, "verifier_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    machine.session.execute(text("alter table away rename to change_feed"))
    machine.session.commit()
    assert check(client, token).status_code == 204


def test_usage_equals_what_was_let_through_and_what_was_not(client: FlaskClient, machine: Machine) -> None:
    given = machine.key(rate_limits=[("burst", 7, 600)])
    statuses = [check(client, given.token).status_code for _ in range(10)]
    assert statuses.count(204) == 7
    client.application.extensions["keymgr.api"].close()
    (day,) = calls_per_day(machine.session, given.key_id, days=1, now=datetime.now(UTC))
    assert day.calls == {"ok": 7, "rate_limited": 3}
