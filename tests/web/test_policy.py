"""The policy pages: how things stand on both axes, what everybody may read, and what only overseers may."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from keymgr.store.engine import connect
from keymgr.store.people import Person
from keymgr.store.policies import PolicyAttempt, PolicyHead, PolicyRevision
from keymgr.store.standing import Effect, KeyStanding
from tests.web.house import Browser, Seeded, address_of, put_in_force

NOW = datetime.now(UTC)
LONGER = ("max_ttl: 14d, default_ttl: 7d", "max_ttl: 21d, default_ttl: 7d")

SPARE = """
---
apiVersion: keymgr/v1
kind: Role
metadata: {name: spare, owner: platform}
spec: {title: Spare, members: [ben]}
---
apiVersion: keymgr/v1
kind: Service
metadata: {name: spare, owner: payments}
spec: {title: Spare, environments: [dev], scopes: [{name: "spare:read", risk: low, description: Read}]}
"""


def person(app: Flask, name: str) -> Browser:
    browser = Browser(app)
    browser.enter(name)
    return browser


def add(app: Flask, *rows: object) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.add_all(rows)
    engine.dispose()


def out_of_policy(key_id: str) -> KeyStanding:
    return KeyStanding(
        key_id=key_id,
        verdict="violates",
        reasons=[{"reason": "LIMIT_TTL", "sentence": "At most 21 days are allowed.", "source": None}],
        rule=None,
        revision_id=1,
        checked_at=NOW,
        since=NOW,
        action="suspend",
        due_at=NOW + timedelta(days=14),
    )


def failed_attempt() -> PolicyAttempt:
    return PolicyAttempt(
        started_at=NOW,
        finished_at=NOW,
        commit="abcdef0123",
        result_code=3,
        message="rules/x.yaml:7:3: E201 unknown field",
    )


def test_both_axes_are_said_in_words(ben: Browser) -> None:
    page = ben.get("/policy").text
    assert "Repository → loaded" in page
    assert "Up to date" in page
    assert "Loaded → keys" in page
    assert "All keys conform" in page


def test_a_failed_attempt_is_told_beside_what_is_in_force(app: Flask) -> None:
    add(app, failed_attempt())
    for name, sees in (("ada", True), ("eli", True), ("cleo", True), ("ben", False)):
        page = person(app, name).get("/policy").text
        assert "Last attempt failed" in page
        assert "The policy is invalid" in page
        assert ("E201 unknown field" in page) is sees, name
        assert ("Policy not applied." in page) is sees, name
        assert ("Still enforcing 4f2c1ab" in page) is sees, name


def test_runs_are_for_overseers_and_say_how_they_ended(app: Flask) -> None:
    add(app, failed_attempt(), PolicyAttempt(started_at=NOW, commit="0123456789ab"))
    page = person(app, "eli").get("/policy/runs").text
    assert "The policy is invalid" in page
    assert "rules/x.yaml:7:3: E201 unknown field" in page
    assert "Did not end" in page
    assert person(app, "ben").get("/policy/runs").status_code == 403


def test_a_key_that_does_not_fit_is_named_to_its_owner_and_to_overseers_only(app: Flask, seeded: Seeded) -> None:
    add(app, out_of_policy(seeded.active))
    for name, banner, named in (("ada", True, True), ("ben", False, True), ("dana", False, False)):
        browser = person(app, name)
        assert ("1 live key does not match the policy at 4f2c1ab." in browser.get("/keys").text) is banner, name
        page = browser.get("/policy").text
        assert ("At most 21 days are allowed." in page) is named, name
        assert ("checkout worker" in page) is named, name
        assert "Keys out of policy" in page


def test_a_key_that_was_revoked_is_no_drift(app: Flask, seeded: Seeded) -> None:
    add(app, out_of_policy(seeded.revoked))
    assert "does not match the policy" not in person(app, "ada").get("/").text


def test_a_database_edited_outside_is_told_on_every_page(app: Flask) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(update(PolicyRevision).values(digest="sha256:other"))
    engine.dispose()
    ada = person(app, "ada")
    assert "Database edited outside." in ada.get("/keys").text
    assert "Edited outside" in ada.get("/policy").text
    assert "Database edited outside." not in person(app, "ben").get("/keys").text


def test_a_policy_that_cannot_be_read_is_its_own_cause(app: Flask) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(update(PolicyRevision).values(documents=[]))
        # Without a policy only the first admin is one.
        session.execute(update(Person).where(Person.name == "ada").values(bootstrap_admin=True))
    engine.dispose()
    page = person(app, "ada").get("/policy").text
    assert "No policy is in force" in page
    assert "Policy unreadable." in page
    assert "is no policy that can be read" in page
    assert "Policy unreadable." not in person(app, "ben").get("/policy").text


@pytest.mark.parametrize(
    "path", ["services/nothing", "rules/nothing", "roles/nothing", "revisions/99", "revisions/9999999999999"]
)
def test_what_is_not_there_is_not_found(ben: Browser, path: str) -> None:
    assert ben.get(f"/policy/{path}").status_code == 404


def test_a_service_shows_scopes_rules_guardrails_and_links_to_the_line(ben: Browser) -> None:
    page = ben.get("/policy/services/payments").text
    assert "https://forge.example/acme/policy/blob/4f2c1ab09d3e5f67/policies/services/payments.yaml#L1" in page
    assert 'href="/policy/rules/payments-prod-write"' in page
    assert "prod-ceilings" in page
    assert "checkout worker" in page


def test_keys_of_others_are_counted_and_not_named(app: Flask) -> None:
    page = person(app, "dana").get("/policy/services/payments").text
    assert "3 live keys, none of them yours" in page
    assert "checkout worker" not in page
    ada = person(app, "ada").get("/policy/rules/payments-dev").text
    assert "checkout worker" in ada


def test_an_auditor_sees_names_of_keys_without_links_that_lead_nowhere(app: Flask, seeded: Seeded) -> None:
    page = person(app, "eli").get("/policy/rules/payments-dev").text
    assert "checkout worker" in page
    assert f"/keys/{seeded.active}" not in page


def test_a_role_names_its_people_to_overseers_only(app: Flask) -> None:
    assert "cleo" not in person(app, "ben").get("/policy/roles/payments-lead").text
    page = person(app, "ada").get("/policy/roles/payments-lead").text
    assert "cleo" in page
    assert "lead-approval" in page


def test_a_role_without_use_and_a_service_without_a_rule_are_flagged(app: Flask, portal_url: str) -> None:
    known = "spec: {title: Analyst, teams: [analytics]}"
    put_in_force(portal_url, change=(known, known + SPARE))
    page = person(app, "ben").get("/policy").text
    assert page.count("Unused: no rule and no approval step names it.") == 1
    assert page.count("Unreachable: no rule gives anybody a key.") == 1
    assert "so nobody may have a key" in person(app, "ben").get("/policy/services/spare").text


def test_revisions_tell_their_effect(app: Flask, portal_url: str) -> None:
    put_in_force(portal_url, change=LONGER)
    ben = person(app, "ben")
    found = ben.get("/policy/revisions").text
    assert "~1 issuance rule" in found
    assert found.index("Revision 2") < found.index("Revision 1")
    page = ben.get("/policy/revisions/2").text
    assert re.search(r"limits.max_ttl</code>: <del>14d</del> → <ins>21d</ins>", page)
    assert "0 gained, 0 lost, 12 on other terms" in page
    assert "People this touches by name: 2." in page
    assert "ben, cleo" not in page
    assert "ben, cleo" in person(app, "ada").get("/policy/revisions/2").text


def test_a_revision_that_breaks_keys_names_them_to_owner_and_overseers(app: Flask, portal_url: str) -> None:
    put_in_force(
        portal_url,
        change=(
            'scopes: ["charges:read", "charges:write"]}\n  limits:\n    max_ttl: 30d',
            'scopes: ["charges:read"]}\n  limits:\n    max_ttl: 30d',
        ),
    )
    for name, named in (("ada", True), ("ben", True), ("dana", False)):
        page = person(app, name).get("/policy/revisions/2").text
        assert ("checkout worker" in page) is named, name


def test_the_first_revision_is_compared_with_nothing(ben: Browser) -> None:
    page = ben.get("/policy/revisions/1").text
    assert "nothing: it is the first" in page
    assert "gained" in page
    assert "3 approval policies" in page


def test_older_revisions_are_a_page_further_on(ben: Browser) -> None:
    assert "No revision here" in ben.get("/policy/revisions?before=1").text
    assert "Revision 1" in ben.get("/policy/revisions?before=zebra").text


def test_a_key_can_be_made_and_seen_while_there_is_drift(app: Flask, seeded: Seeded) -> None:
    add(app, out_of_policy(seeded.active))
    ada = person(app, "ada")
    ada.get("/keys/new")
    fields = {"name": "mine", "service": "shipping", "environment": "prod", "scope": ["parcels:read"]}
    page = ada.post("/keys", fields).text
    assert "is ready" in page
    assert "does not match the policy" not in page


def test_every_page_answers_while_no_policy_is_in_force(app: Flask) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(delete(PolicyHead))
    engine.dispose()
    ben = person(app, "ben")
    for path in ("", "/matrix", "/what-if", "/overrides", "/revisions", "/revisions/1"):
        assert ben.get(f"/policy{path}").status_code == 200, path
    for path in ("/matrix.csv", "/services/payments", "/rules/payments-dev", "/roles/developer"):
        assert ben.get(f"/policy{path}").status_code == 404, path


def test_an_override_without_a_policy_has_nothing_to_stop(app: Flask) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(delete(PolicyHead))
        session.execute(update(Person).where(Person.name == "ada").values(bootstrap_admin=True))
    engine.dispose()
    ada = person(app, "ada")
    ada.get("/policy/overrides")
    response = ada.post("/policy/overrides", {"target": "service:payments", "reason": "A build log held keys."})
    assert response.status_code == 409
    assert "nothing is issued anyway" in response.text


def test_a_revision_beside_one_that_cannot_be_read_says_so(app: Flask, portal_url: str) -> None:
    put_in_force(portal_url, change=LONGER)
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(update(PolicyRevision).where(PolicyRevision.id == 1).values(documents=[]))
    engine.dispose()
    ben = person(app, "ben")
    assert "so its effect cannot be told" in ben.get("/policy/revisions/2").text
    asked = "service=payments&environment=dev&scope=charges:read&against=1"
    assert "cannot read revision 1" in ben.get(f"/policy/what-if?{asked}").text


def test_a_pin_is_told_with_its_reason(app: Flask) -> None:
    engine = connect(address_of(app))
    with Session(engine) as session, session.begin():
        session.execute(update(PolicyHead).values(pinned_reason="It locked everybody out", bad_digest="sha256:bad"))
    engine.dispose()
    page = person(app, "ben").get("/policy").text
    assert "Rolled back and pinned: It locked everybody out" in page


@pytest.mark.parametrize(("tries", "words"), [(0, "1 effect still to do."), (3, "1 effect failed and is tried again.")])
def test_effects_that_are_outstanding_are_told(app: Flask, tries: int, words: str) -> None:
    add(app, Effect(idempotency_key="x", kind="notify", payload={}, created_at=NOW, next_at=NOW, tries=tries))
    assert words in person(app, "ben").get("/policy").text
