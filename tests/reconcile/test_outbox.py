"""The outbox: counted, done once, put off later and later, forgotten when old; and owners read in bulk."""

import logging
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keymgr.keys.due import Keep, tick
from keymgr.people.owners import Membership, Owner, read_owners
from keymgr.people.whois import asker_of_owner, asker_of_person
from keymgr.policy.model import Role, Source, Team, ViolationAction
from keymgr.reconcile import drain as draining
from keymgr.reconcile.live_keys import Chosen, live_keys
from keymgr.reconcile.settle import Clockwork, settle
from keymgr.store.audit import AuditLevel
from keymgr.store.outbox import Errand, Outstanding, outstanding, put, put_off, take_due
from keymgr.store.people import Person, PersonState
from keymgr.store.standing import Effect
from tests.policy.builders import a_policy
from tests.reconcile.standing_house import Town, a_set, add_keys, then

HOUR = timedelta(hours=1)
DAYS = timedelta(days=1)
EMPTY = Source("a.yaml", 1, 1)


def errand(now: datetime, once: str = "1:key:notify:0", *, again: bool = False) -> Errand:
    return Errand(once, "notify", {"key_id": "key_none", "to": []}, now, again=again)


def test_effects_are_counted_by_how_they_stand(session: Session, now: datetime) -> None:
    assert outstanding(session, now) == Outstanding(0, 0, 0)
    put(session, [errand(now, "a"), errand(now, "b"), errand(now + DAYS, "c")], now)
    assert outstanding(session, now) == Outstanding(waiting=2, failing=0, scheduled=1)
    assert not outstanding(session, now).is_settled
    first, second = take_due(session, now, 10)
    put_off(first, ValueError("no"), now)
    second.done_at = now
    session.flush()
    assert outstanding(session, now) == Outstanding(waiting=0, failing=1, scheduled=1)
    first.done_at = now
    session.flush()
    assert outstanding(session, now).is_settled


def test_two_errands_of_one_name_are_one(session: Session, now: datetime) -> None:
    for again in (False, True, False):
        put(session, [errand(now, again=again), errand(now, again=again)], now)
    assert len(take_due(session, now, 10)) == 1


def test_what_was_done_is_done_again_only_on_request(session: Session, now: datetime) -> None:
    put(session, [errand(now)], now)
    [effect] = take_due(session, now, 10)
    effect.done_at = now
    session.flush()
    put(session, [errand(now)], now)
    assert list(take_due(session, now, 10)) == []
    put(session, [errand(now + HOUR, again=True)], now)
    assert list(take_due(session, now, 10)) == []
    assert len(take_due(session, now + HOUR, 10)) == 1


def test_failures_wait_longer_and_longer_up_to_an_hour(session: Session, now: datetime) -> None:
    put(session, [errand(now)], now)
    [effect] = take_due(session, now, 10)
    waits = []
    for _ in range(40):
        put_off(effect, ValueError("x" * 900), now)
        waits.append(effect.next_at - now)
    assert timedelta(seconds=30) <= waits[0] <= timedelta(seconds=60)
    assert HOUR / 2 <= waits[-1] <= HOUR
    assert len(set(waits)) > 30
    assert (effect.tries, len(str(effect.last_error))) == (40, 500)


def test_effects_that_are_done_are_forgotten_after_a_month(session: Session, now: datetime) -> None:
    put(session, [errand(now, "a"), errand(now, "b")], now)
    take_due(session, now, 1)[0].done_at = now
    session.flush()
    keep = Keep(effects=30 * DAYS)
    assert tick(session, now + 30 * DAYS, level=AuditLevel.BASIC, keep=keep).effects == 0
    assert tick(session, now + 31 * DAYS, level=AuditLevel.BASIC, keep=keep).effects == 1
    assert len(session.scalars(select(Effect)).all()) == 1


def test_nobody_is_told_of_what_is_over_and_a_key_that_is_gone_needs_nothing(
    town: Town, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    gone, mended = add_keys(town.session, town.in_force.revision, now, 2)
    town.apply(a_set(30, follows=then(ViolationAction.SUSPEND)), now)
    town.change_key(gone, state="revoked", revoked_at=now)
    town.apply(a_set(), now)
    with caplog.at_level(logging.INFO):
        town.tick(now)
    assert "to tell" not in caplog.text
    work = Clockwork(town.session, town.in_force, AuditLevel.BASIC, now + 20 * DAYS)
    assert settle(work, "key_none") is None
    assert settle(work, gone) is None
    town.tick(now + 20 * DAYS)
    assert [town.state(key) for key in (gone, mended)] == ["revoked", "active"]
    assert all(done for _, done in town.effects())


def test_a_database_that_goes_away_ends_the_work_and_counts_as_no_try(
    town: Town, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_keys(town.session, town.in_force.revision, now)
    town.apply(a_set(30), now)

    def away(*_: object) -> None:
        raise OperationalError("select", {}, Exception("gone"), connection_invalidated=True)

    monkeypatch.setattr(draining, "_perform", away)
    with pytest.raises(OperationalError):
        town.tick(now)
    town.session.rollback()
    assert set(town.session.scalars(select(Effect.tries))) == {0}


def test_live_keys_are_chosen_by_id_owner_and_place(town: Town, now: datetime) -> None:
    keys = add_keys(town.session, town.in_force.revision, now, 3)
    [other] = add_keys(town.session, town.in_force.revision, now, owner="svc:ci", last_used_at=now)

    def ids(chosen: Chosen) -> list[str]:
        return [key.id for key in live_keys(town.session, a_policy(), now, chosen)]

    assert ids(Chosen()) == [*keys, other]
    assert ids(Chosen(ids=[keys[1], "key_none"])) == [keys[1]]
    assert ids(Chosen(owners=["svc:ci"])) == [other]
    assert ids(Chosen(after=keys[0], most=2)) == keys[1:]
    assert ids(Chosen(most=0)) == []
    [machine] = live_keys(town.session, town.in_force.policy, now, Chosen(ids=[other]), before=a_policy())
    assert (machine.last_used_at, sorted(machine.asker.teams)) == (int(now.timestamp()), ["payments"])
    assert machine.asker_before == machine.asker


NAMES = some.sampled_from(["ana", "Ana", "ben", "ana@example.org", "BEN@example.org", "zoe"])
GROUPS = some.sampled_from(["g1", "g2"])
TEAMS = some.builds(
    lambda name, members, groups: Team(name, name, members, groups, EMPTY),
    some.sampled_from(["payments", "analytics"]),
    some.frozensets(NAMES),
    some.frozensets(GROUPS),
)
ROLES = some.builds(
    lambda name, members, teams, groups: Role(name, name, members, teams, groups, frozenset(), EMPTY),
    some.sampled_from(["admin", "auditor"]),
    some.frozensets(NAMES),
    some.frozensets(some.sampled_from(["payments", "analytics"])),
    some.frozensets(GROUPS),
)


@given(
    teams=some.lists(TEAMS, max_size=2),
    roles=some.lists(ROLES, max_size=2),
    email=some.sampled_from([None, "Ana@Example.org"]),
    groups=some.lists(GROUPS, max_size=2),
    state=some.sampled_from(PersonState),
)
def test_owners_in_bulk_are_who_they_are_one_by_one(
    teams: list[Team], roles: list[Role], email: str | None, groups: list[str], state: PersonState
) -> None:
    base = a_policy()
    policy = type(base)(
        **{name: getattr(base, name) for name in base.__slots__ if name not in {"teams", "roles"}},
        teams={team.name: team for team in teams},
        roles={role.name: role for role in roles},
    )
    person = Person(id="usr_1", name="ana", display_name="Ana", created_at=None, email=email)  # type: ignore[arg-type]  # not stored.
    person.idp_groups, person.state = groups, state
    names = frozenset({"ana"} if email is None else {"ana", email.casefold()})
    owner = Owner("user:ana", state, names, frozenset(groups))
    assert Membership(policy).asker(owner) == asker_of_person(person, policy)


def test_owners_are_read_from_the_database_as_one_by_one(town: Town) -> None:
    ids = {"user:ana", "user:ben", "svc:ci"}
    policy = town.in_force.policy
    owners = read_owners(town.session, {*ids, "user:ghost", "svc:ghost", "odd"})
    for owner_id in ids:
        assert Membership(policy).asker(owners[owner_id]) == asker_of_owner(town.session, owner_id, policy)
    for owner_id in ("user:ghost", "svc:ghost", "odd"):
        assert not Membership(policy).asker(owners[owner_id]).active
    assert read_owners(town.session, ()) == {}
