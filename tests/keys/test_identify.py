"""A secret in somebody's hands leads to its key, for those who may know of it and nobody else."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from keymgr.keys.identify import Identified, identify
from keymgr.keys.rights import Rights
from keymgr.keys.rotate import rotate
from keymgr.keys.status import Status
from keymgr.policy.model import Wish
from keymgr.store.usage import Usage
from keymgr.tokens.front import MAX_TOKEN_LENGTH
from tests.keys.house import ADMINS, ANA, ANAS, ANAS_BROWSER, BENS, ISSUER, NO_FACTS, OPAQUE, STAGING, Counter

DAY = timedelta(days=1)


def found(session: Session, counter: Counter, text: str, rights: Rights = ANAS, *, days: int = 0) -> Identified | None:
    return identify(session, text, rights=rights, pepper=ISSUER.pepper, now=counter.now + days * DAY)


@pytest.mark.parametrize("wish", [STAGING, OPAQUE], ids=["jwt", "opaque"])
def test_both_forms_are_recognised_by_owner_and_admin_and_by_nobody_else(
    session: Session, counter: Counter, wish: Wish
) -> None:
    issued = counter.issue(wish, name="found on a screen")
    for rights in (ANAS, ADMINS):
        seen = found(session, counter, issued.token, rights)
        assert seen is not None
        assert (seen.row.id, seen.row.name, seen.is_current, seen.old_until) == (
            issued.key_id,
            "found on a screen",
            True,
            None,
        )
    assert found(session, counter, issued.token, BENS) is None
    assert session.query(Usage).count() == 0


def test_an_expired_key_is_recognised_too(session: Session, counter: Counter) -> None:
    seen = found(session, counter, counter.issue(STAGING).token, days=400)
    assert seen is not None
    assert seen.row.status is Status.EXPIRED


def test_an_old_secret_says_until_when_it_works(session: Session, counter: Counter) -> None:
    old = counter.issue(STAGING)
    rotate(
        session,
        counter.in_force,
        key_id=old.key_id,
        asker=ANA,
        actor=ANAS_BROWSER,
        rights=ANAS,
        evidence=NO_FACTS,
        overlap_seconds=3600,
        submit=None,
        issuer=ISSUER,
        now=counter.now,
    )
    seen = found(session, counter, old.token)
    assert seen is not None
    assert (seen.is_current, seen.old_until) == (False, counter.now + timedelta(hours=1))


def test_junk_and_forgeries_are_nobodys(session: Session, counter: Counter) -> None:
    jwt, opaque = counter.issue(STAGING).token, counter.issue(OPAQUE).token
    header, payload, signature = jwt.split(".")
    texts = ["", "km_", "eyJ", "a.b.c", opaque[:-1], opaque + "x", "x" * (MAX_TOKEN_LENGTH + 1), "\0", "käse"]
    texts += [f"{header}.{payload[:-8]}.{signature}", f"{header}.e30.{signature}", f" {jwt}"]
    assert [text for text in texts if found(session, counter, text) is not None] == []
