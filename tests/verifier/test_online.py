import json
import logging
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keymgr.tokens.verdicts import HTTP_MEANINGS, VerdictCode
from keymgr.verifier.key import Key, Limit
from keymgr.verifier.online import NotConfiguredError, Verifier
from keymgr.verifier.refusal import Refusal
from tests.verifier.stub_server import CREDENTIAL, Stub

REFUSALS = [code for code in VerdictCode if code is not VerdictCode.OK]


def code_of(answer: Key | Refusal) -> VerdictCode:
    return answer.code if isinstance(answer, Refusal) else VerdictCode.OK


def test_a_good_key_comes_back_typed(stub: Stub, verifier: Verifier) -> None:
    assert verifier.verify("a.b.c", ["charges:read"], "eu-prod", "192.0.2.7") == Key(
        key_id="key_01kafp2c0000000000000000ab",
        owner="svc:checkout",
        service="payments",
        environment="eu-prod",
        scopes=frozenset({"charges:read", "refunds:write"}),
        expires_at=datetime(2026, 12, 22, 10, 0, tzinfo=UTC),
        limits=(Limit("burst", 100, 50, 30),),
    )
    assert [call["path"] for call in stub.asked] == ["/api/v1/verify"]


def test_the_question_carries_token_scopes_environment_and_address(stub: Stub, verifier: Verifier) -> None:
    verifier.verify("a.b.c", {"refunds:write", "charges:read"}, "eu-prod", "192.0.2.7")
    (call,) = stub.asked
    assert call["headers"]["Authorization"] == f"Bearer {CREDENTIAL}"
    assert call["body"] == {
        "token": "a.b.c",
        "scopes": ["charges:read", "refunds:write"],
        "environment": "eu-prod",
        "address": "192.0.2.7",
    }


def test_a_server_under_a_path_is_asked_there(stub: Stub) -> None:
    Verifier(f"{stub.url}/keymgr/", CREDENTIAL, "payments").verify("a.b.c")
    assert stub.asked[0]["path"] == "/keymgr/api/v1/verify"


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_of_the_server_is_passed_on(code: VerdictCode, stub: Stub, verifier: Verifier) -> None:
    stub.refuses(code)
    answer = verifier.verify("a.b.c", ["charges:read"])
    assert answer == Refusal(code, f"No: {code}.", frozenset({"charges:read"}))
    assert isinstance(answer, Refusal)
    assert answer.status == HTTP_MEANINGS[code].status


def test_a_yes_for_another_service_is_a_no(stub: Stub, verifier: Verifier) -> None:
    stub.says(service="ledger")
    assert code_of(verifier.verify("a.b.c")) is VerdictCode.KEY_WRONG_AUDIENCE


def test_a_header_without_key_is_not_sent_to_the_server(stub: Stub, verifier: Verifier) -> None:
    assert code_of(verifier.verify_header(None)) is VerdictCode.KEY_MISSING
    assert code_of(verifier.verify_header("Bearer a,Bearer b")) is VerdictCode.KEY_INVALID
    assert code_of(verifier.verify_header("Bearer " + "a" * 8193)) is VerdictCode.KEY_INVALID
    assert stub.asked == []


def test_the_key_in_a_header_is_what_is_asked_about(stub: Stub, verifier: Verifier) -> None:
    assert code_of(verifier.verify_header("bearer a.b.c", ["charges:read"], "eu-prod", "::1")) is VerdictCode.OK
    assert stub.asked[0]["body"] == {
        "token": "a.b.c",
        "scopes": ["charges:read"],
        "environment": "eu-prod",
        "address": "::1",
    }


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 401, 403, 404, 429, 500, 502, 503])
def test_any_other_status_is_not_a_yes(status: int, stub: Stub, verifier: Verifier) -> None:
    stub.status = status
    stub.headers = {"Location": stub.url + "/elsewhere"}
    assert code_of(verifier.verify("a.b.c")) is VerdictCode.VERIFIER_UNAVAILABLE
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"valid": False},
        {"valid": 1},
        {"valid": "true"},
        {"valid": None},
        {"code": "key_revoked"},
        {"code": "good"},
        {"code": None},
        {"key_id": None},
        {"owner": 7},
        {"service": None},
        {"environment": None},
        {"scopes": None},
        {"scopes": "charges:read"},
        {"scopes": [7]},
        {"scopes": ["refunds:write"]},
        {"expires_at": None},
        {"expires_at": "soon"},
        {"expires_at": "2026-12-22T10:00:00"},
        {"limits": {}},
        {"limits": ["burst"]},
        {"limits": [{"name": "burst", "limit": 1, "remaining": -1, "resets_in": 1}]},
        {"limits": [{"name": "burst", "limit": True, "remaining": 1, "resets_in": 1}]},
        {"limits": [{"limit": 1, "remaining": 1, "resets_in": 1}]},
    ],
    ids=str,
)
def test_an_odd_answer_is_not_a_yes(change: dict[str, object], stub: Stub, verifier: Verifier) -> None:
    stub.says(**change)
    assert code_of(verifier.verify("a.b.c", ["charges:read"])) is VerdictCode.VERIFIER_UNAVAILABLE


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"true", b"{", b"\xff", b"[" * 60_000, b" " * 70_000, b"<html>"])
def test_an_answer_that_is_no_answer_is_not_a_yes(raw: bytes, stub: Stub, verifier: Verifier) -> None:
    stub.answer = raw
    assert code_of(verifier.verify("a.b.c")) is VerdictCode.VERIFIER_UNAVAILABLE


def test_a_hanging_server_is_given_up_within_the_timeout(stub: Stub, verifier: Verifier) -> None:
    stub.delay_seconds = 2
    start = time.monotonic()
    assert code_of(verifier.verify("a.b.c")) is VerdictCode.VERIFIER_UNAVAILABLE
    assert time.monotonic() - start < 1.9


def test_a_server_that_is_down_is_not_a_yes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer = Verifier(f"http://127.0.0.1:{port}", CREDENTIAL, "payments").verify("a.b.c")
    assert isinstance(answer, Refusal)
    assert answer.status == 503
    assert ("Retry-After", "2") in answer.headers


def test_a_server_that_speaks_no_http_is_not_a_yes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for scheme in ("http", "https"):
            with socket.socket() as _:
                verifier = Verifier(f"{scheme}://127.0.0.1:{port}", CREDENTIAL, "payments", timeout_seconds=0.2)
                assert code_of(verifier.verify("a.b.c")) is VerdictCode.VERIFIER_UNAVAILABLE


def test_the_log_says_what_is_wrong_and_nothing_secret(
    stub: Stub, verifier: Verifier, caplog: pytest.LogCaptureFixture
) -> None:
    stub.status = 401
    with caplog.at_level(logging.WARNING):
        verifier.verify("secret.token.here")
    assert "does not accept this service's own credential" in caplog.text
    assert CREDENTIAL not in caplog.text
    assert "secret.token.here" not in caplog.text
    assert CREDENTIAL not in repr(verifier)


def test_text_that_is_not_valid_unicode_does_not_raise(stub: Stub, verifier: Verifier) -> None:
    stub.refuses("key_invalid")
    assert code_of(verifier.verify("\ud800")) is VerdictCode.KEY_INVALID


@pytest.mark.parametrize(
    ("wait", "limits", "expected"),
    [
        (7, [], "7"),
        (None, [], "1"),
        (None, [{"name": "burst", "limit": 1, "remaining": 0, "resets_in": 30, "window": 60}], "30"),
        (None, [{"name": "burst", "limit": 1, "remaining": 5, "resets_in": 30}], "1"),
    ],
)
def test_a_limited_call_says_when_to_try_again(
    wait: int | None, limits: list[dict[str, object]], expected: str, stub: Stub, verifier: Verifier
) -> None:
    stub.refuses("rate_limited", retry_after=wait, limits=limits)
    answer = verifier.verify("a.b.c")
    assert isinstance(answer, Refusal)
    assert dict(answer.headers)["Retry-After"] == expected


def test_the_body_of_a_refusal_is_problem_details(stub: Stub, verifier: Verifier) -> None:
    used_up = [{"name": "burst", "limit": 1, "remaining": 0, "resets_in": 30}]
    stub.refuses("quota_exceeded", limits=[*used_up, {"name": "daily", "limit": 9, "remaining": 3, "resets_in": 9}])
    answer = verifier.verify("a.b.c")
    assert isinstance(answer, Refusal)
    assert json.loads(answer.body) == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "No: quota_exceeded.",
        "code": "quota_exceeded",
        "violated-policies": ["burst"],
    }


ENVIRON = {
    "KEYMGR_VERIFIER_URL": "https://keys.example.com",
    "KEYMGR_VERIFIER_SERVICE": "payments",
    "KEYMGR_VERIFIER_CREDENTIAL": CREDENTIAL,
}


def test_a_verifier_is_set_up_from_the_environment() -> None:
    expected = Verifier("https://keys.example.com", CREDENTIAL, "payments", 2)
    assert Verifier.from_env(ENVIRON) == expected
    assert Verifier.from_env({**ENVIRON, "KEYMGR_VERIFIER_TIMEOUT_SECONDS": "0.5"}).timeout_seconds == 0.5


def test_the_credential_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "credential"
    file.write_text(CREDENTIAL + "\n")
    environ = {**ENVIRON, "KEYMGR_VERIFIER_CREDENTIAL": "", "KEYMGR_VERIFIER_CREDENTIAL_FILE": str(file)}
    assert Verifier.from_env(environ) == Verifier.from_env(ENVIRON)


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(NotConfiguredError) as raised:
        Verifier.from_env({})
    for name in ENVIRON:
        assert name in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("URL", "keys.example.com", "not the address"),
        ("URL", "ftp://keys.example.com", "not the address"),
        ("URL", "https://", "not the address"),
        ("URL", "https://keys.example.com:99999", "not the address"),
        ("URL", "https://user:password@keys.example.com", "not the address"),
        ("URL", "https://keys.example.com/?a=b", "not the address"),
        ("URL", "https://keys.example.com/#a", "not the address"),
        ("CREDENTIAL", "two words", "one line of text"),
        ("CREDENTIAL", "two\nlines", "one line of text"),
        ("CREDENTIAL", "clé", "one line of text"),
        ("TIMEOUT_SECONDS", "soon", "must be a number"),
        ("TIMEOUT_SECONDS", "0", "more than 0"),
        ("TIMEOUT_SECONDS", "inf", "at most 60"),
        ("TIMEOUT_SECONDS", "nan", "more than 0"),
        ("CREDENTIAL_FILE", "/nowhere/at/all", "cannot be read"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(name: str, value: str, words: str) -> None:
    environ = {**ENVIRON, f"KEYMGR_VERIFIER_{name}": value}
    if name == "CREDENTIAL_FILE":
        del environ["KEYMGR_VERIFIER_CREDENTIAL"]
    with pytest.raises(NotConfiguredError, match=words):
        Verifier.from_env(environ)


def test_a_verifier_without_service_name_cannot_be_made() -> None:
    with pytest.raises(NotConfiguredError, match="name in the policy"):
        Verifier("https://keys.example.com", CREDENTIAL, "")
