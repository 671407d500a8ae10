"""Many at once: limits stay exact and every form does its work once, on both databases."""

from collections import Counter as Tally
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from keymgr.keys.ask import ask
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, AskOutcome, Issued, NotNow, Refused, Revoked, RevokeOutcome, RotateOutcome
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rotate import rotate
from keymgr.keys.signing_keys import ensure_active
from keymgr.policy.model import InForce
from keymgr.store.keys import Credential, CredentialState, Key, SigningKey, SigningKeyState
from tests.keys.house import (
    ANA,
    ANAS,
    ANAS_BROWSER,
    ISSUER,
    LEVEL,
    NO_FACTS,
    OPAQUE,
    STAGING,
    Counter,
    an_order,
    at_once,
    story,
)


def test_twenty_asks_at_once_get_exactly_as_many_keys_as_the_rule_allows(
    engine: Engine, session: Session, in_force: InForce, now: datetime
) -> None:
    def one(own: Session) -> AskOutcome:
        return ask(own, in_force, asker=ANA, actor=ANAS_BROWSER, order=an_order(), issuer=ISSUER, now=now)

    outcomes = at_once(engine, 20, one)

    assert Tally(type(outcome) for outcome in outcomes) == {Issued: 3, Refused: 17}
    assert session.scalar(select(func.count()).select_from(Key)) == 3
    assert sorted(session.scalars(select(Credential.status_index))) == [0, 1, 2]
    assert Tally(story(session)) == {("key.issued", "done"): 3, ("key.asked", "refused"): 17}


def test_one_form_sent_eight_times_at_once_makes_one_key(
    engine: Engine, session: Session, in_force: InForce, now: datetime
) -> None:
    order = an_order()

    def one(own: Session) -> AskOutcome:
        return ask(own, in_force, asker=ANA, actor=ANAS_BROWSER, order=order, issuer=ISSUER, now=now)

    outcomes = at_once(engine, 8, one)

    issued = [outcome for outcome in outcomes if isinstance(outcome, Issued)]
    assert len(issued) == 1
    assert [outcome for outcome in outcomes if not isinstance(outcome, Issued)] == [
        AlreadyDone(issued[0].key_id, now)
    ] * 7
    assert session.scalar(select(func.count()).select_from(Key)) == 1


def test_one_revoke_form_sent_at_once_is_told_once(engine: Engine, session: Session, counter: Counter) -> None:
    key_id = counter.issue().key_id

    def one(own: Session) -> RevokeOutcome:
        return revoke(
            own,
            key_id=key_id,
            actor=ANAS_BROWSER,
            rights=ANAS,
            reason=RevokeReason.LEAKED,
            submit=Submit("once", "usr_ana"),
            level=LEVEL,
            now=counter.now,
        )

    assert Tally(at_once(engine, 6, one)) == {
        Revoked(key_id, counter.now): 1,
        AlreadyDone(key_id, counter.now): 5,
    }
    assert story(session, key_id) == [("key.issued", "done"), ("key.revoked", "done")]


def test_two_people_revoking_one_key_are_told_who_was_first(engine: Engine, counter: Counter) -> None:
    key_id = counter.issue().key_id

    def one(own: Session) -> RevokeOutcome:
        return revoke(
            own,
            key_id=key_id,
            actor=ANAS_BROWSER,
            rights=ANAS,
            reason=RevokeReason.OTHER,
            submit=None,
            level=LEVEL,
            now=counter.now,
        )

    assert Tally(type(outcome) for outcome in at_once(engine, 6, one)) == {Revoked: 1, NotNow: 5}


def test_rotations_at_once_leave_one_current_and_at_most_one_retiring_credential(
    engine: Engine, session: Session, counter: Counter
) -> None:
    issued = counter.issue(STAGING)
    ids = [f"n{number}" for number in range(6)]

    def one(own: Session) -> RotateOutcome:
        return rotate(
            own,
            counter.in_force,
            key_id=issued.key_id,
            asker=ANA,
            actor=ANAS_BROWSER,
            rights=ANAS,
            evidence=NO_FACTS,
            submit=Submit(ids.pop(), "usr_ana"),
            issuer=ISSUER,
            now=counter.now,
        )

    assert Tally(type(outcome) for outcome in at_once(engine, 6, one)) == {Issued: 6}
    states = session.execute(select(Credential.generation, Credential.state).order_by(Credential.generation))
    assert [state for _, state in states] == [
        *[CredentialState.RETIRED] * 5,
        CredentialState.RETIRING,
        CredentialState.CURRENT,
    ]


def test_the_first_signing_key_is_made_once_however_many_need_it(
    engine: Engine, session: Session, now: datetime
) -> None:
    kids = at_once(engine, 8, lambda own: ensure_active(own, ISSUER, now).kid)

    assert len(set(kids)) == 1
    states = Tally(session.scalars(select(SigningKey.state)))
    assert states == {SigningKeyState.ACTIVE: 1, SigningKeyState.NEXT: 1}


def test_different_owners_do_not_get_in_each_others_way(
    engine: Engine, session: Session, in_force: InForce, now: datetime
) -> None:
    names = [f"user:p{number}" for number in range(8)]

    def one(own: Session) -> AskOutcome:
        asker = replace(ANA, id=names.pop())
        return ask(own, in_force, asker=asker, actor=ANAS_BROWSER, order=an_order(OPAQUE), issuer=ISSUER, now=now)

    assert {type(outcome) for outcome in at_once(engine, 8, one)} == {Issued}
    assert sorted(session.scalars(select(Credential.status_index))) == list(range(8))
