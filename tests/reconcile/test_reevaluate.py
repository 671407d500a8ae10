"""What the clock does to keys that no longer fit, and what it takes back: with a moved `now`, on both databases."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keymgr.keys.out_of_use import status_indexes_out_of_use
from keymgr.keys.revoke import RevokeReason
from keymgr.keys.rights import Rights
from keymgr.keys.suspend import resume, suspend
from keymgr.policy.model import Condition, Enforcement, OwnerExit, Policy, ViolationAction
from keymgr.reconcile import reevaluate
from keymgr.reconcile.standings import Noted
from keymgr.store.audit import AuditEvent, AuditLevel
from keymgr.store.keys import Credential
from keymgr.store.people import PersonState
from keymgr.store.standing import Effect, KeyStanding
from tests.policy.builders import a_guardrail, a_waiver, at
from tests.reconcile.standing_house import GRACE, ROOT, Town, a_set, add_keys, then

DAYS = timedelta(days=1)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
ADMINS = Rights(frozenset(), admin=True)


def broken(town: Town, now: datetime, action: ViolationAction, days: int = 14) -> str:
    """A key that does not fit any more from now on, with the clock up to date."""
    [key] = add_keys(town.session, town.in_force.revision, now)
    town.apply(a_set(30, follows=then(action, days)), now)
    town.tick(now)
    return key


def actions(town: Town, key_id: str) -> list[str]:
    return [action for _, action in town.story(key_id)]


def test_a_flag_tells_at_once_and_once_more_when_the_grace_is_over(town: Town, now: datetime) -> None:
    key = broken(town, now, ViolationAction.FLAG)
    assert town.story(key) == [("cli:test", "key.flagged"), ("clock", "key.notified")]
    for moment in (now + HOUR, now + GRACE - SECOND, now + GRACE, now + GRACE + HOUR, now + GRACE + 2 * HOUR):
        town.tick(moment)
    assert town.story(key)[2:] == [("clock", "key.overdue")]
    row = town.standing(key)
    assert row is not None
    assert (town.state(key), row.acted_at, row.since) == ("active", now + GRACE, now)
    assert town.announced() == []


def test_suspend_happens_when_the_grace_is_over_and_is_taken_back_when_the_key_fits(town: Town, now: datetime) -> None:
    key = broken(town, now, ViolationAction.SUSPEND)
    town.tick(now + GRACE - SECOND)
    assert town.state(key) == "active"
    town.tick(now + GRACE)
    stored = town.key(key)
    assert (stored.state, str(stored.state_reason)[:8]) == ("suspended", "policy: ")
    assert town.announced() == [key]
    town.tick(now + GRACE + 2 * HOUR)
    town.apply(a_set(), now + 20 * DAYS)
    town.tick(now + 20 * DAYS)
    assert (town.state(key), town.key(key).state_reason) == ("active", None)
    assert actions(town, key) == ["key.flagged", "key.notified", "key.suspended", "key.fits_again", "key.resumed"]
    assert town.announced() == [key, key]


def test_expire_ends_the_key_and_its_secrets_now_and_lists_them(town: Town, now: datetime) -> None:
    key = broken(town, now, ViolationAction.EXPIRE)
    _, listed = status_indexes_out_of_use(town.session, now)
    assert listed == frozenset()
    town.tick(now + GRACE)
    assert town.key(key).expires_at == now + GRACE
    ends = town.session.execute(select(Credential.expires_at, Credential.status_index)).all()
    assert [ends_at for ends_at, _ in ends] == [now + GRACE]
    assert status_indexes_out_of_use(town.session, now + GRACE)[1] == {index for _, index in ends}
    town.apply(a_set(), now + 15 * DAYS)
    town.tick(now + 15 * DAYS)
    assert town.key(key).expires_at == now + GRACE
    assert actions(town, key) == ["key.flagged", "key.notified", "key.expired"]


def test_revoke_is_for_good(town: Town, now: datetime) -> None:
    key = broken(town, now, ViolationAction.REVOKE, days=1)
    town.tick(now + DAYS)
    stored = town.key(key)
    assert (stored.state, stored.revoked_by, stored.revoked_at) == ("revoked", "clock", now + DAYS)
    assert str(stored.state_reason).startswith(f"{RevokeReason.POLICY}: ")
    town.apply(a_set(), now + 2 * DAYS)
    town.tick(now + 2 * DAYS)
    assert town.state(key) == "revoked"
    assert actions(town, key) == ["key.flagged", "key.notified", "key.revoked"]


def test_a_key_that_fits_again_in_time_keeps_working(town: Town, now: datetime) -> None:
    key = broken(town, now, ViolationAction.REVOKE, days=1)
    town.apply(a_set(), now + HOUR)
    town.tick(now + 2 * DAYS)
    assert (town.state(key), town.verdict(key)) == ("active", "ok")
    assert all(done for _, done in town.effects())


def test_a_longer_grace_puts_the_consequence_off(town: Town, now: datetime) -> None:
    key = broken(town, now, ViolationAction.SUSPEND, days=1)
    town.apply(a_set(29, follows=then(ViolationAction.SUSPEND, 5)), now + HOUR)
    town.tick(now + DAYS)
    assert town.state(key) == "active"
    town.tick(now + 5 * DAYS)
    assert town.state(key) == "suspended"


def test_what_a_person_suspended_stays_suspended(town: Town, now: datetime) -> None:
    key = broken(town, now, ViolationAction.SUSPEND)
    stop = {"rights": ADMINS, "actor": ROOT, "submit": None, "level": AuditLevel.BASIC}
    suspend(town.session, key_id=key, note="leak?", now=now + HOUR, **stop)  # type: ignore[arg-type]  # fields by name.
    town.session.commit()
    town.tick(now + GRACE)
    town.apply(a_set(), now + 15 * DAYS)
    town.tick(now + 15 * DAYS)
    assert (town.state(key), town.key(key).state_reason) == ("suspended", "leak?")


def test_resuming_by_hand_does_not_outlast_the_violation(town: Town, now: datetime) -> None:
    key = broken(town, now, ViolationAction.SUSPEND)
    town.tick(now + GRACE)
    again = {"rights": ADMINS, "actor": ROOT, "submit": None, "level": AuditLevel.BASIC}
    resume(town.session, key_id=key, now=now + GRACE + SECOND, **again)  # type: ignore[arg-type]  # fields by name.
    town.session.commit()
    town.tick(now + GRACE + 2 * SECOND)
    assert town.state(key) == "suspended"


def test_an_owner_who_is_suspended_flags_the_key_at_the_change(town: Town, now: datetime) -> None:
    [key] = add_keys(town.session, town.in_force.revision, now)
    [other] = add_keys(town.session, town.in_force.revision, now, owner="user:ben", rule="other")
    town.tick(now)
    town.set_person("ana", PersonState.SUSPENDED, now + SECOND)
    assert town.tick(now + 2 * SECOND)[0] == Noted(flagged=1)
    row = town.standing(key)
    assert row is not None
    assert [reason["reason"] for reason in row.reasons] == ["OWNER_INACTIVE"]
    assert (town.state(key), town.verdict(other)) == ("active", "violates")
    town.set_person("ana", PersonState.ACTIVE, now + HOUR)
    assert town.tick(now + HOUR)[0] == Noted(released=1)
    assert town.verdict(key) == "ok"


@pytest.mark.parametrize(
    ("exit_", "state"),
    [(OwnerExit.SUSPEND, "suspended"), (OwnerExit.TRANSFER, "suspended"), (OwnerExit.REVOKE, "revoked")],
)
def test_keys_of_somebody_who_left_do_what_their_rule_says(
    town: Town, now: datetime, exit_: OwnerExit, state: str
) -> None:
    town.apply(a_set(on_exit=exit_), now)
    [key] = add_keys(town.session, town.in_force.revision, now)
    town.tick(now)
    town.set_person("ana", PersonState.LEFT, now + SECOND)
    town.tick(now + 2 * SECOND)
    assert town.state(key) == state
    town.set_person("ana", PersonState.ACTIVE, now + HOUR)
    town.tick(now + HOUR)
    assert town.state(key) == ("revoked" if state == "revoked" else "active")


def test_keys_without_a_rule_are_suspended_when_their_owner_has_left(town: Town, now: datetime) -> None:
    town.apply(a_set(on_exit=OwnerExit.REVOKE), now)
    [key] = add_keys(town.session, town.in_force.revision, now, rule="retired")
    [machines] = add_keys(town.session, town.in_force.revision, now, owner="user:ghost")
    town.set_person("ana", PersonState.LEFT, now)
    town.tick(now)
    assert town.key(key).state_reason == "policy: the owner has left"
    assert (town.state(machines), town.verdict(machines)) == ("active", "violates")


def waived(until: datetime, *, deny: str = "no longer") -> Policy:
    railing = a_guardrail("off", enforcement=Enforcement.ENFORCE, deny=deny, waivable=True)
    waiver = a_waiver("off", owner="user:ana", expires_at=int(until.timestamp()))
    return replace(a_set(), guardrails={"off": railing}, waivers={"for-now": waiver}, digest="sha256:waived")


def test_the_end_of_a_waiver_flags_a_key_without_any_apply(town: Town, now: datetime) -> None:
    [key] = add_keys(town.session, town.in_force.revision, now)
    ends_at = now + 3 * DAYS
    town.apply(waived(ends_at), now)
    town.tick(ends_at - SECOND)
    assert town.verdict(key) == "exempt"
    town.tick(ends_at + HOUR)
    assert town.verdict(key) == "violates"
    assert town.story(key)[0] == ("clock", "key.flagged")


def test_missing_evidence_never_does_more_than_flag(town: Town, now: datetime) -> None:
    policy = a_set(follows=then(ViolationAction.REVOKE, 1))
    mfa = Condition("issuance.mfa", "equals", value=True, source=at("rules/dev.yaml", 9))
    rule = replace(policy.rules["dev"], conditions=(mfa,))
    targets = dict.fromkeys(policy.rules_by_target, (rule,))
    [key] = add_keys(town.session, town.in_force.revision, now)
    town.apply(replace(policy, rules={"dev": rule}, rules_by_target=targets, digest="sha256:mfa"), now)
    town.tick(now + 30 * DAYS)
    row = town.standing(key)
    assert row is not None
    assert (row.verdict, row.action, town.state(key)) == ("unknown", "flag", "active")


def test_everything_is_looked_at_every_hour_in_portions(
    town: Town, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reevaluate, "PORTION", 2)
    keys = add_keys(town.session, town.in_force.revision, now, 5)
    town.tick(now)
    town.in_force = replace(town.in_force, policy=a_set(30))
    assert town.tick(now + HOUR - SECOND)[0] == Noted()
    assert town.tick(now + HOUR)[0] == Noted(flagged=5)
    checked = town.session.scalars(select(KeyStanding.checked_at)).all()
    assert (set(checked), len(checked)) == ({now + HOUR}, len(keys))
    town.tick(now + 3 * HOUR)
    assert set(town.session.scalars(select(KeyStanding.checked_at))) == {now + 3 * HOUR}


def test_more_changes_than_a_portion_mean_a_look_at_everything(
    town: Town, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = add_keys(town.session, town.in_force.revision, now, 3)
    town.tick(now)
    monkeypatch.setattr(reevaluate, "PORTION", 1)
    for name in ("ana", "ben"):
        town.set_person(name, PersonState.SUSPENDED, now)
    assert town.tick(now)[0] == Noted(flagged=3)
    assert [town.verdict(key) for key in keys] == ["violates"] * 3


def test_two_reasons_to_look_at_a_flag_tell_of_its_end_once(town: Town, now: datetime) -> None:
    key = broken(town, now, ViolationAction.FLAG)
    town.apply(a_set(30, follows=then(ViolationAction.FLAG, 13)), now)
    for moment in (now + 13 * DAYS, now + GRACE, now + GRACE + HOUR):
        town.tick(moment)
    assert actions(town, key).count("key.overdue") == 1
    assert all(done for _, done in town.effects())


def test_an_effect_that_fails_is_tried_again_and_holds_up_no_other(town: Town, now: datetime) -> None:
    first, second = add_keys(town.session, town.in_force.revision, now, 2)
    town.apply(a_set(30, follows=then(ViolationAction.SUSPEND, 1)), now)
    town.tick(now)
    known = tell_it(town.session, first, {})
    _, drained = town.tick(now + DAYS)
    assert (drained.done, drained.failed) == (1, 1)
    assert (town.state(first), town.state(second)) == ("active", "suspended")
    failing = town.session.scalars(select(Effect).where(Effect.done_at.is_(None))).one()
    assert (failing.tries, str(failing.last_error)[:9]) == (1, "KeyError:")
    assert now + DAYS + 30 * SECOND <= failing.next_at <= now + DAYS + 60 * SECOND
    tell_it(town.session, first, known)
    town.tick(now + DAYS + 60 * SECOND)
    assert town.state(first) == "suspended"
    assert all(done for _, done in town.effects())


def tell_it(session: Session, key_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Give the key's consequence another payload, and return the one it had."""
    statement = select(Effect).where(Effect.kind == "suspend", Effect.idempotency_key.contains(key_id))
    effect = session.scalars(statement).one()
    was, effect.payload = effect.payload, payload
    session.commit()
    return was or {"key_id": key_id}


def audit_actors(session: Session) -> Sequence[str]:
    return session.scalars(select(AuditEvent.actor).distinct()).all()


def test_all_that_the_clock_does_is_told_with_its_name(town: Town, now: datetime) -> None:
    broken(town, now, ViolationAction.SUSPEND)
    town.tick(now + GRACE)
    assert set(audit_actors(town.session)) == {"cli:test", "clock"}
