"""Credentials of services: shown once, listed, revoked."""

import pytest
from sqlalchemy.orm import Session

from keymgr.keys.outcomes import NotNow, NotYours
from keymgr.keys.service_credentials import (
    Created,
    Ended,
    Listed,
    create_service_credential,
    list_service_credentials,
    revoke_service_credential,
)
from keymgr.policy.model import InForce
from keymgr.store.audit import Actor
from keymgr.store.keys import ServiceCredential
from keymgr.tokens.opaque import recognise_service_credential
from keymgr.tokens.secret import matches
from tests.keys.house import ISSUER, LEVEL, Counter, changes, dump, story

ROOT = Actor("cli:root")


def created(counter: Counter, service: str = "payments", in_force: InForce | None = None) -> Created | NotNow:
    outcome = create_service_credential(
        counter.session, in_force or counter.in_force, service=service, actor=ROOT, issuer=ISSUER, now=counter.now
    )
    counter.session.commit()
    return outcome


def test_its_text_is_shown_once_and_only_its_digest_is_kept(session: Session, counter: Counter) -> None:
    outcome = created(counter)

    assert isinstance(outcome, Created)
    presented = recognise_service_credential(outcome.credential)
    assert presented is not None
    assert presented.credential_id == outcome.credential_id
    row = session.get_one(ServiceCredential, outcome.credential_id)
    assert matches(presented.secret, row.secret_digest, ISSUER.pepper)
    for text in (outcome.credential, presented.secret):
        assert text not in dump(session) + repr(outcome) + repr(presented)
    assert story(session) == [("service_credential.created", "done")]
    assert changes(session) == [("service_credential", outcome.credential_id)]


@pytest.mark.parametrize("known", [True, False])
def test_a_service_that_policy_does_not_know_gets_none(session: Session, counter: Counter, known: bool) -> None:  # noqa: FBT001 - a parameter of the test.
    outcome = create_service_credential(
        session,
        counter.in_force if known else None,
        service="elsewhere",
        actor=ROOT,
        issuer=ISSUER,
        now=counter.now,
    )
    assert isinstance(outcome, NotNow)
    assert "no service elsewhere" in outcome.sentence


def test_a_revoked_one_stays_in_the_list_with_its_date(session: Session, counter: Counter) -> None:
    first, second = created(counter), created(counter)
    assert isinstance(first, Created)
    assert isinstance(second, Created)

    def revoke(credential_id: str) -> Ended | NotYours | NotNow:
        return revoke_service_credential(session, credential_id=credential_id, actor=ROOT, level=LEVEL, now=counter.now)

    assert revoke(first.credential_id) == Ended(first.credential_id)
    assert revoke("svc_unknown") == NotYours()
    again = revoke(first.credential_id)
    assert isinstance(again, NotNow)
    assert "already revoked" in again.sentence
    listed = {each.credential_id: each for each in list_service_credentials(session)}
    assert listed[first.credential_id] == Listed(first.credential_id, "payments", counter.now, "cli:root", counter.now)
    assert listed[second.credential_id].revoked_at is None
    assert story(session, first.credential_id)[-1] == ("service_credential.revoked", "done")
    assert changes(session)[-1] == ("service_credential", first.credential_id)
