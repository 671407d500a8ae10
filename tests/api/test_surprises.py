"""When something nobody thought of happens on the machine's paths: 503 and a log line, never a yes or a page."""

import logging

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from keymgr.api import known_services as subject
from keymgr.api.known_services import KnownServices
from keymgr.keys.verify import Verifier
from tests.api.machine import Machine


def test_a_bug_in_the_verifier_is_503(
    client: FlaskClient, machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(Verifier, "verify", fail)
    with caplog.at_level(logging.ERROR):
        answer = client.get("/gateway/check?aud=payments", headers={"Authorization": f"Bearer {machine.key().token}"})
    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert b"secret inside" not in answer.data
    assert answer.headers["X-Request-Id"] in caplog.text


def test_a_bug_on_the_way_back_lets_nobody_in_for_nginx_either(
    client: FlaskClient, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Verifier, "verify")
    headers = {"Authorization": f"Bearer {machine.key().token}"}
    assert client.get("/gateway/check?aud=payments&proxy=nginx", headers=headers).status_code == 503


def test_callers_cannot_be_told_from_strangers_while_the_database_is_away(
    client: FlaskClient, machine: Machine
) -> None:
    credential = machine.caller().credential
    machine.session.execute(text("alter table service_credential rename to away"))
    machine.session.commit()
    answer = client.post("/api/v1/verify", json={"token": "t"}, headers={"Authorization": f"Bearer {credential}"})
    assert (answer.status_code, answer.get_json()["type"][-11:]) == (503, "unavailable")


def test_services_are_read_again_only_for_a_name_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []

    def read() -> frozenset[str]:
        reads.append(1)
        if len(reads) == 3:
            raise OperationalError("select", {}, OSError("away"))
        return frozenset({"payments"})

    services = KnownServices(read)
    assert services.knows("payments")
    assert services.knows("payments")
    assert not services.knows("paymets")
    assert len(reads) == 1
    monkeypatch.setattr(subject, "RETRY_SECONDS", -1.0)
    assert not services.knows("paymets")
    assert services.knows("paymets"), "in doubt the verdict tells"
    assert services.knows("payments")
    assert len(reads) == 3
