"""The same pages on PostgreSQL: reading is read-only there too, and the main job is done."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.web.house import Browser, Seeded, make_app, plant_people, put_in_force, seed
from tests.web.test_admin import PAGES as ADMIN_PAGES


@pytest.fixture
def furnished(database_url: str, tmp_path: Path) -> Iterator[tuple[Flask, Seeded]]:
    plant_people(database_url)
    put_in_force(database_url)
    app = make_app(database_url, tmp_path)
    app.testing = True
    yield app, seed(app)
    app.extensions["keymgr.api"].close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_every_page_and_the_main_job_work_on_postgresql(furnished: tuple[Flask, Seeded]) -> None:
    app, seeded = furnished
    ben = Browser(app)
    ben.sign_in("ben")
    keys = (seeded.active, seeded.expiring, seeded.grace, seeded.revoked)
    paths = ["/", "/keys", "/keys?q=smoke&sort=calls&direction=desc", "/requests", "/policy", "/me", "/keys/new"]
    paths += [f"/keys/{key}{verb}" for key in keys for verb in ("", "/rotate", "/revoke")]
    paths += ["/policy/services/payments", "/policy/rules/payments-dev", "/policy/roles/developer", "/policy/matrix"]
    paths += [
        "/policy/matrix.csv",
        "/policy/what-if?service=payments&environment=dev&scope=charges:read&against=1",
        "/policy/revisions",
        "/policy/revisions/1",
    ]
    paths += ["/policy/overrides"]
    assert {path: ben.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)
    order = {"name": "ci", "service": "payments", "environment": "dev", "scope": "charges:read", "nonce": "p-1"}
    assert "is ready" in ben.post("/keys", order).text
    assert "already done" in ben.post("/keys", order).text
    assert "is ready" in ben.post(f"/keys/{seeded.active}/rotate", {"overlap": "0", "nonce": "p-2"}).text
    fields = {"reason": "leaked", "typed": "checkout worker", "nonce": "p-3"}
    assert ben.post(f"/keys/{seeded.active}/revoke", fields).status_code == 303
    assert ben.post(f"/requests/{seeded.waiting}/withdraw", {"nonce": "p-4"}).status_code == 303
    assert ben.post("/logout").status_code == 303


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_override_closes_issuing_on_postgresql(furnished: tuple[Flask, Seeded]) -> None:
    app, _ = furnished
    ben = Browser(app)
    ben.enter("ben")
    order = {"name": "ci", "service": "payments", "environment": "dev", "scope": "charges:read", "nonce": "p-6"}
    ada = Browser(app)
    ada.enter("ada")
    assert ada.get("/policy/runs").status_code == 200
    ada.get("/policy/overrides")
    stop = {"target": "service:payments", "reason": "A build log held keys.", "hours": "1", "nonce": "p-5"}
    assert ada.post("/policy/overrides", stop).status_code == 303
    assert ben.post("/keys", order).status_code == 409
    assert "Emergency override." in ben.get("/").text


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_admins_do_their_work_on_postgresql(furnished: tuple[Flask, Seeded]) -> None:
    app, _ = furnished
    ada = Browser(app)
    ada.enter("ada")
    assert {path: ada.get(path).status_code for path in ADMIN_PAGES} == dict.fromkeys(ADMIN_PAGES, 200)
    assert "PostgreSQL answers and is up to date" in ada.get("/admin").text
    assert "ben" in ada.get("/admin/people?q=BRANDT").text
    for path, fields in (
        ("/admin/people/finn/state", {"to": "suspended"}),
        ("/admin/service-accounts", {"name": "ship-ci", "team": "shipping"}),
        ("/admin/signing-keys/roll", {"typed": "roll"}),
        ("/admin/people/dana/sign-out", {}),
    ):
        assert [ada.post(path, {**fields, "nonce": "n"}).status_code for _ in range(2)] == [303, 303], path
    assert ada.post("/admin/people/finn/password", {"nonce": "p"}).status_code == 200
    assert ada.post("/admin/service-credentials", {"service": "payments", "nonce": "c"}).status_code == 200
