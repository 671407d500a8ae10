"""Asking for a key: every answer, and that preview and ask never disagree."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from keymgr.keys.ask import ask, preview
from keymgr.keys.outcomes import AlreadyDone, Closed, Incomplete, Issued, Pending, Refused
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.signing_keys import load_keyring
from keymgr.keys.suspend import suspend
from keymgr.keys.terms import evidence_of, rate_limits
from keymgr.policy.decision import Allowed, Denied, NeedsApproval, Reason
from keymgr.policy.model import Evidence, RateLimit, Wish
from keymgr.store.audit import AuditLevel
from keymgr.store.base import EPOCH
from keymgr.store.keys import Credential, FormNonce, Key, KeyRequest
from keymgr.tokens.claims import Claims
from keymgr.tokens.opaque import recognise
from keymgr.tokens.secret import matches
from keymgr.tokens.wrap import unwrap
from tests.keys.house import (
    ADMINS,
    ANA,
    ANAS_BROWSER,
    CI,
    FOREIGN,
    ISSUER,
    LEAKED,
    LEVEL,
    OPAQUE,
    POLICY,
    PROD,
    STAGING,
    Counter,
    an_order,
    answers,
    changes,
    dump,
    last_event,
    put_in_force,
    story,
)
from tests.policy.builders import a_guardrail, a_policy, a_rule, a_wish


def claims_of(session: Session, token: str, now: datetime) -> Claims:
    keyring = load_keyring(session, ISSUER)
    assert keyring is not None
    claims = unwrap(token, keyring.verifying, issuer=ISSUER.url, now=int((now - EPOCH).total_seconds()))
    assert isinstance(claims, Claims), claims
    return claims


def test_a_granted_wish_is_a_key_with_a_token_that_says_the_same(session: Session, counter: Counter) -> None:
    issued = counter.issue(a_wish("charges:read", "reports:read", ttl=86_400, cidrs=["10.0.0.0/8"]))

    key = session.get_one(Key, issued.key_id)
    credential = session.get_one(Credential, issued.credential_id)
    claims = claims_of(session, issued.token, counter.now)
    assert claims.secret is not None
    assert matches(claims.secret, credential.secret_digest, ISSUER.pepper)
    assert claims == Claims(
        issuer="https://keys.example.org",
        subject="user:ana",
        audience="payments",
        client_id=key.id,
        credential_id=credential.id,
        scopes=frozenset({"charges:read", "reports:read"}),
        environment="dev",
        issued_at=1795341600,
        not_before=1795341600,
        expires_at=1795341600 + 86_400,
        status_index=credential.status_index,
        status_uri="https://keys.example.org/status-lists/1",
        policy="0:dev-read",
        secret=claims.secret,
    )
    assert (key.scopes, key.cidrs, key.token_form) == (["charges:read", "reports:read"], ["10.0.0.0/8"], "jwt")
    assert (key.owner, key.created_by, key.rule, key.rule_source) == (
        "user:ana",
        "user:ana",
        "dev-read",
        "rules/dev-read.yaml:1:1",
    )
    assert key.expires_at == issued.expires_at == issued.token_expires_at == counter.now + timedelta(days=1)
    assert issued.rotate_by is None
    assert isinstance(issued.decision, Allowed)


def test_the_event_and_the_announcement_come_with_the_key(session: Session, counter: Counter) -> None:
    issued = counter.issue()

    event = last_event(session)
    assert (event.action, event.object_id, event.outcome) == ("key.issued", issued.key_id, "done")
    assert (event.actor, event.address, event.request_id) == ("user:ana", "198.51.100.7", "req-1")
    assert event.detail == {
        "name": "checkout worker",
        "owner": "user:ana",
        "credential": issued.credential_id,
        "rule": "dev-read",
        "source": "rules/dev-read.yaml:1:1",
        "revision": counter.in_force.revision,
        "user_agent": "a browser",
    }
    assert changes(session) == [("key", issued.key_id)]


def test_evidence_is_kept_as_it_was(session: Session, counter: Counter) -> None:
    counter.issue()
    second = counter.issue()

    evidence = evidence_of(session.get_one(Key, second.key_id).evidence)
    assert evidence == Evidence({"issuance.mfa": True, "issuance.groups": ("a", "b")}, keys_held=1)


def test_no_row_and_no_text_of_ours_holds_the_token_or_its_secret(session: Session, counter: Counter) -> None:
    loud = replace(counter, issuer=replace(ISSUER, audit_level=AuditLevel.VERBOSE))
    wrapped, opaque = loud.issue(), loud.issue(OPAQUE)

    secret = claims_of(session, wrapped.token, counter.now).secret
    recognised = recognise(opaque.token)
    assert secret is not None
    assert recognised is not None
    everything = dump(session)
    assert wrapped.key_id in everything
    for hidden in (wrapped.token, opaque.token, secret, recognised.secret, wrapped.token.split(".")[2]):
        assert hidden not in everything
        assert hidden.encode().hex() not in everything
        assert hidden not in repr(wrapped) + repr(opaque) + repr(recognised)
    assert "pppp" not in repr(ISSUER)


def test_a_rule_can_ask_for_the_opaque_form(session: Session, counter: Counter) -> None:
    issued = counter.issue(OPAQUE)

    key = session.get_one(Key, issued.key_id)
    recognised = recognise(issued.token)
    assert recognised is not None
    assert (recognised.environment, recognised.credential_id) == ("staging", issued.credential_id)
    credential = session.get_one(Credential, issued.credential_id)
    assert matches(recognised.secret, credential.secret_digest, ISSUER.pepper)
    assert (key.token_form, credential.signing_kid) == ("opaque", None)
    assert rate_limits(key.terms, "rate_limits") == (RateLimit("burst", 10, 1),)
    assert rate_limits(key.terms, "owner_rate_limits") == (RateLimit("daily", 1000, 86_400),)
    assert key.terms["quota"] == {"name": "monthly", "requests": 50_000, "per_seconds": 30 * 86_400}


def test_a_token_ends_when_its_rotation_is_overdue_and_the_key_lives_on(counter: Counter) -> None:
    issued = counter.issue(STAGING, asker=CI)

    assert issued.owner == "svc:pay-ci"
    assert issued.expires_at == counter.now + timedelta(days=90)
    assert issued.rotate_by == counter.now + timedelta(days=10)
    assert issued.token_expires_at == counter.now + timedelta(days=12)


def test_the_overlap_never_carries_a_token_beyond_its_key(counter: Counter) -> None:
    days = 86_400
    issued = counter.issue(a_wish("charges:read", environment="staging", ttl=11 * days))
    assert issued.token_expires_at == issued.expires_at == counter.now + timedelta(days=11)
    assert issued.rotate_by == counter.now + timedelta(days=10)


def test_every_credential_has_a_place_of_its_own_in_the_status_list(session: Session, counter: Counter) -> None:
    for wish in (None, STAGING, OPAQUE):
        counter.issue(wish)
    assert sorted(session.scalars(select(Credential.status_index))) == [0, 1, 2]


def test_a_wish_that_needs_approval_waits_and_mints_nothing(session: Session, counter: Counter) -> None:
    outcome = counter.ask(an_order(PROD))

    assert isinstance(outcome, Pending)
    assert isinstance(outcome.decision, NeedsApproval)
    request = session.get_one(KeyRequest, outcome.request_id)
    assert (request.requester, request.owner, request.rule, request.state) == (
        "user:ana",
        "user:ana",
        "prod-write",
        "waiting",
    )
    assert request.expires_at == outcome.expires_at == counter.now + timedelta(hours=72)
    assert request.justification == "the checkout needs it"
    assert session.scalar(select(func.count()).select_from(Key)) == 0
    assert story(session) == [("request.made", "done")]


def test_the_digest_of_a_request_tells_every_part_of_the_wish_apart(session: Session, counter: Counter) -> None:
    wishes = (PROD, replace(PROD, ttl_seconds=3600), replace(PROD, cidrs=("10.0.0.0/8",)), PROD)
    askers = (ANA, ANA, ANA, CI)
    same = (counter.ask(an_order(PROD)), counter.ask(an_order(replace(PROD, ttl_seconds=30 * 86_400), name="other")))
    for wish, asker in zip(wishes[1:], askers[1:], strict=True):
        counter.ask(an_order(wish), asker=asker)

    digests = list(session.scalars(select(KeyRequest.wish_digest)))
    assert all(isinstance(outcome, Pending) for outcome in same)
    assert len(digests) == 5
    assert len(set(digests)) == 4


def test_a_refusal_writes_nothing_but_what_the_trail_tells(session: Session, counter: Counter) -> None:
    outcome = counter.ask(an_order(FOREIGN))

    assert isinstance(outcome, Refused)
    assert isinstance(outcome.decision, Denied)
    assert story(session) == [("key.asked", "refused")]
    event = last_event(session)
    assert (event.object_kind, event.object_id) == ("owner", "user:ana")
    assert event.detail["reasons"] == ["NO_RULE"]
    assert event.detail["nearest"] == "dev-read"
    assert session.scalar(select(func.count()).select_from(Key)) == 0
    assert session.scalar(select(func.count()).select_from(FormNonce)) == 0


def test_a_refusal_without_any_rule_near_names_none(session: Session, counter: Counter) -> None:
    counter.ask(an_order(Wish("payments", "nowhere", frozenset({"charges:read"}))))
    assert last_event(session).detail["nearest"] is None


def test_basic_tells_no_refusals_and_no_addresses(session: Session, counter: Counter) -> None:
    quiet = replace(counter, issuer=replace(ISSUER, audit_level=AuditLevel.BASIC))
    quiet.ask(an_order(FOREIGN))
    quiet.issue()

    assert story(session) == [("key.issued", "done")]
    event = last_event(session)
    assert (event.address, event.request_id) == (None, "req-1")
    assert "user_agent" not in event.detail
    assert event.detail["rule"] == "dev-read"


def test_verbose_tells_the_whole_explanation(session: Session, counter: Counter) -> None:
    loud = replace(counter, issuer=replace(ISSUER, audit_level=AuditLevel.VERBOSE))
    loud.issue()
    granted = last_event(session).detail
    assert granted["evidence"]["facts"] == {"issuance.mfa": True, "issuance.groups": ["a", "b"]}
    assert granted["explanation"]["whole"]["answer"] == "allowed"
    loud.ask(an_order(PROD))
    assert last_event(session).detail["explanation"]["whole"]["answer"] == "needs_approval"
    loud.ask(an_order(FOREIGN))
    denied = last_event(session).detail["explanation"]["whole"]
    assert denied["answer"] == "denied"
    assert len(denied["considered"]) == 4
    assert denied["considered"][0]["unmet"][0]["reason"] == "RULE_SCOPE"


def test_verbose_names_guardrails_that_object(session: Session, counter: Counter) -> None:
    guarded = a_policy(a_rule("dev-read"), guardrails=[a_guardrail("short-lives", max_ttl=60)])
    in_force = put_in_force(session, guarded, counter.now)
    loud = replace(counter, in_force=in_force, issuer=replace(ISSUER, audit_level=AuditLevel.VERBOSE))
    assert isinstance(loud.ask(an_order(a_wish("charges:read", ttl=3600))), Refused)
    hits = last_event(session).detail["explanation"]["whole"]["guardrails"]
    assert [(hit["guardrail"], hit["enforcement"], hit["reason"]) for hit in hits] == [
        ("short-lives", "enforce", "GUARDRAIL_CEILING")
    ]


def test_without_a_policy_nothing_is_issued_and_the_answer_says_what_to_do(session: Session, now: datetime) -> None:
    nowhere = preview(session, None, asker=ANA, wish=a_wish(), evidence=Evidence({}), issuer=ISSUER, now=now)
    assert isinstance(nowhere, Closed)
    assert "keymgr policy apply" in nowhere.sentence


def test_switched_off_issuing_says_so_and_leaves_the_form_usable(session: Session, counter: Counter) -> None:
    order = an_order()
    closed = replace(counter, issuer=replace(ISSUER, enabled=False)).ask(order)

    assert isinstance(closed, Closed)
    assert "KEYMGR_ISSUING_ENABLED" in closed.sentence
    assert story(session) == []
    assert isinstance(counter.ask(order), Issued)


def test_a_policy_that_was_replaced_on_the_way_decides_nothing(
    session: Session, counter: Counter, now: datetime
) -> None:
    put_in_force(session, POLICY, now)
    outcome = counter.ask()
    assert isinstance(outcome, Closed)
    assert "send it again" in outcome.sentence
    assert story(session) == []


def test_a_second_submit_hears_what_the_first_one_made(session: Session, counter: Counter) -> None:
    for wish in (None, PROD):
        order = an_order(wish)
        first = counter.ask(order)
        assert isinstance(first, Issued | Pending)
        made = first.key_id if isinstance(first, Issued) else first.request_id
        again = counter.ask(order, now=counter.now + timedelta(minutes=5))
        assert again == AlreadyDone(made, counter.now)
    assert story(session) == [("key.issued", "done"), ("request.made", "done")]


def test_a_refused_form_can_be_corrected_and_sent_again(counter: Counter) -> None:
    order = an_order(FOREIGN)
    assert isinstance(counter.ask(order), Refused)
    assert isinstance(counter.ask(replace(order, wish=a_wish("charges:read"))), Issued)


def test_one_persons_number_tells_nothing_to_another(counter: Counter) -> None:
    assert isinstance(counter.ask(an_order(nonce="x" * 500)), Issued)
    assert isinstance(counter.ask(an_order(nonce="x" * 500, person_id="usr_ben")), Issued)


def test_live_keys_count_and_dead_ones_do_not(session: Session, counter: Counter) -> None:
    issued = [counter.issue(name=f"key {number}") for number in range(3)]
    full = counter.ask()
    assert isinstance(full, Refused)
    assert [unmet.reason for unmet in full.decision.reasons] == [Reason.LIMIT_KEYS]
    suspend(
        session,
        key_id=issued[0].key_id,
        actor=ANAS_BROWSER,
        rights=ADMINS,
        note="",
        submit=None,
        level=LEVEL,
        now=counter.now,
    )
    assert isinstance(counter.ask(), Refused)
    revoke(
        session,
        key_id=issued[1].key_id,
        actor=ANAS_BROWSER,
        rights=ADMINS,
        reason=RevokeReason.OTHER,
        submit=None,
        level=LEVEL,
        now=counter.now,
    )
    assert isinstance(counter.ask(), Issued)
    assert isinstance(counter.ask(), Refused)
    assert isinstance(counter.ask(now=counter.now + timedelta(days=30)), Issued)


def test_other_owners_and_other_environments_have_counts_of_their_own(counter: Counter) -> None:
    counter.issue(STAGING)
    assert isinstance(counter.ask(an_order(STAGING)), Refused)
    assert isinstance(counter.ask(an_order(STAGING), asker=CI), Issued)
    assert isinstance(counter.ask(an_order()), Issued)


@pytest.mark.parametrize("wish", [a_wish("charges:read"), a_wish("charges:read", "refunds:write"), PROD, STAGING])
def test_preview_gives_the_answer_that_ask_gives(session: Session, counter: Counter, wish: Wish) -> None:
    counter.issue(STAGING)

    def shown() -> object:
        explanation = preview(
            session,
            counter.in_force,
            asker=ANA,
            wish=wish,
            evidence=an_order().evidence,
            issuer=ISSUER,
            now=counter.now,
        )
        assert not isinstance(explanation, Closed)
        assert len(answers(explanation)) == len(wish.scopes)
        return explanation.whole

    before = shown()
    rows = dump(session)
    assert shown() == before
    assert dump(session) == rows
    match counter.ask(an_order(wish)):
        case Issued(decision=decision) | Pending(decision=decision) | Refused(decision=decision):
            assert decision == before
        case other:
            pytest.fail(str(other))


@pytest.mark.parametrize("name", ["", "x" * 101, "two\nlines", "nul\0"])
def test_a_name_that_fits_no_column_is_a_mistake_of_the_door(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        an_order(name=name)


@pytest.mark.parametrize("justification", ["x" * 2001, "nul\0"])
def test_a_justification_that_fits_no_column_is_a_mistake_of_the_door(justification: str) -> None:
    with pytest.raises(ValueError, match="at most 2000"):
        replace(an_order(), justification=justification)


def test_a_failing_audit_leaves_no_key(session: Session, counter: Counter) -> None:
    nobody_can_store_this = replace(ANAS_BROWSER, request_id=object())  # type: ignore[arg-type]  # that is the point.
    with pytest.raises(SQLAlchemyError):
        ask(
            session,
            counter.in_force,
            asker=ANA,
            actor=nobody_can_store_this,
            order=an_order(),
            issuer=ISSUER,
            now=counter.now,
        )
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Key)) == 0
    assert session.scalar(select(func.count()).select_from(FormNonce)) == 0


@pytest.mark.parametrize("field", ["name", "justification"])
def test_what_is_written_holds_no_key(counter: Counter, field: str) -> None:
    order = replace(an_order(), name=LEAKED) if field == "name" else replace(an_order(), justification=f"as {LEAKED}")
    outcome = counter.ask(order)
    assert isinstance(outcome, Incomplete)
    assert [lack.field for lack in outcome.lacking] == [field]
    assert counter.session.scalars(select(Key)).all() == []
