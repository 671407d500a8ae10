"""What becomes of keys whose owner leaves, told beforehand."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy.orm import Session

from keymgr.keys.leaving import keys_that_stay
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.policy.model import OwnerExit
from keymgr.store.keys import KeyState
from tests.keys.house import ANA, ANAS, ANAS_BROWSER, LEVEL, POLICY, Counter


def test_each_live_key_is_listed_with_what_its_rule_says(session: Session, counter: Counter) -> None:
    issued = counter.issue()
    rules = {name: replace(rule, on_owner_exit=OwnerExit.REVOKE) for name, rule in POLICY.rules.items()}
    for policy, exit_ in (
        (replace(POLICY, rules=rules), OwnerExit.REVOKE),
        (replace(POLICY, rules={}), OwnerExit.SUSPEND),
        (None, OwnerExit.SUSPEND),
    ):
        (found,) = keys_that_stay(session, ANA.id, policy, counter.now)
        assert (found.key_id, found.exit, found.state) == (issued.key_id, exit_, KeyState.ACTIVE)
        assert (found.name, found.expires_at, found.last_used_at) == (issued.name, issued.expires_at, None)
    assert keys_that_stay(session, "user:nobody", POLICY, counter.now) == ()


def test_what_is_over_is_not_listed(session: Session, counter: Counter) -> None:
    issued = counter.issue()
    assert keys_that_stay(session, ANA.id, POLICY, issued.expires_at + timedelta(seconds=1)) == ()
    revoke(
        session,
        key_id=issued.key_id,
        actor=ANAS_BROWSER,
        rights=ANAS,
        reason=RevokeReason.NOT_NEEDED,
        submit=None,
        level=LEVEL,
        now=counter.now,
    )
    assert keys_that_stay(session, ANA.id, POLICY, counter.now) == ()
