"""Tests of service.py that need no network and no keymgr: pytest test_service.py."""

import importlib
from datetime import UTC, datetime

import pytest

from keymgr.tokens.verdicts import VerdictCode
from keymgr.verifier.key import Key
from keymgr.verifier.refusal import Refusal

LATER = datetime(2100, 1, 1, tzinfo=UTC)
GOOD = Key("key_1", "svc:checkout", "@SERVICE@", "@ENV@", frozenset({"@SCOPE@"}), LATER)


class Answering:
    """Stands in for the verifier: one answer, whatever is asked."""

    def __init__(self, answer):
        self.answer = answer

    def verify_header(self, *_question, **_details):
        return self.answer


@pytest.fixture
def call(monkeypatch):
    monkeypatch.setenv("KEYMGR_VERIFIER_URL", "https://keymgr.invalid")
    monkeypatch.setenv("KEYMGR_VERIFIER_SERVICE", "@SERVICE@")
    monkeypatch.setenv("KEYMGR_VERIFIER_CREDENTIAL", "not-asked")
    service = importlib.import_module("service")

    def call_with(answer):
        heard = []
        monkeypatch.setattr(service, "verifier", Answering(answer))
        list(service.app({}, lambda *told: heard.extend(told)))
        status, headers = heard
        return int(status[:3]), dict(headers)

    return call_with


def test_a_good_key_is_served(call):
    assert call(GOOD)[0] == 200


@pytest.mark.parametrize(
    ("code", "status", "header"),
    [
        (VerdictCode.KEY_MISSING, 401, "WWW-Authenticate"),
        (VerdictCode.KEY_REVOKED, 401, "WWW-Authenticate"),
        (VerdictCode.SCOPE_MISSING, 403, "WWW-Authenticate"),
        (VerdictCode.RATE_LIMITED, 429, "Retry-After"),
        (VerdictCode.VERIFIER_UNAVAILABLE, 503, "Retry-After"),
    ],
)
def test_a_refusal_goes_out_as_it_should(call, code, status, header):
    answered, headers = call(Refusal(code, "Why not."))
    assert answered == status
    assert header in headers
