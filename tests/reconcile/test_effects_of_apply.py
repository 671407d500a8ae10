"""What an apply does to live keys: verdicts, the clock of the grace, and what is put into the outbox."""

from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import func, select

from keymgr.keys.standing import Stood, follow
from keymgr.policy.decide import decide
from keymgr.policy.decision import Denied, Reason, Unmet
from keymgr.policy.existing import Standing, Verdict, standing_of
from keymgr.policy.model import Evidence, Policy, ViolationAction, Wish
from keymgr.policy.plan_keys import Effect as Impact
from keymgr.policy.plan_keys import key_impact
from keymgr.reconcile.live_keys import live_keys
from keymgr.reconcile.standings import Noted
from keymgr.store.audit import AuditEvent
from keymgr.store.people import PersonState
from keymgr.store.standing import Effect, KeyStanding
from tests.policy.builders import DAY
from tests.reconcile.standing_house import GRACE, Town, a_set, add_keys, then

FLAGS = a_set(30, follows=then(ViolationAction.FLAG))
SUSPENDS = a_set(30, follows=then(ViolationAction.SUSPEND))
DAYS = timedelta(days=1)


def test_keys_that_no_longer_fit_are_flagged_in_the_transaction_of_the_apply(town: Town, now: datetime) -> None:
    [long] = add_keys(town.session, town.in_force.revision, now)
    [short] = add_keys(town.session, town.in_force.revision, now, expires_at=now + 20 * DAYS)
    [gone] = add_keys(town.session, town.in_force.revision, now, state="revoked", revoked_at=now)
    [over] = add_keys(town.session, town.in_force.revision, now - 90 * DAYS, expires_at=now)
    assert town.apply(SUSPENDS, now) == Noted(flagged=1)
    row = town.standing(long)
    assert row is not None
    assert (row.verdict, row.action, row.since, row.due_at) == ("violates", "suspend", now, now + GRACE)
    assert [reason["reason"] for reason in row.reasons] == ["LIMIT_TTL"]
    assert "30 d" in row.reasons[0]["sentence"]
    assert (row.revision_id, row.acted_at) == (town.in_force.revision, None)
    assert [town.standing(key_id) for key_id in (short, gone, over)] == [None, None, None]
    assert town.state(long) == "active"
    assert town.story(long) == [("cli:test", "key.flagged")]
    assert town.effects() == [("notify", False), ("suspend", False)]


def test_another_reason_and_another_policy_do_not_restart_the_clock(town: Town, now: datetime) -> None:
    [key] = add_keys(town.session, town.in_force.revision, now)
    town.apply(FLAGS, now)
    other_reason = a_set(90, scopes=["reports:read"])
    town.apply(other_reason, now + 5 * DAYS)
    row = town.standing(key)
    assert row is not None
    assert (row.since, row.due_at) == (now, now + GRACE)
    assert [reason["reason"] for reason in row.reasons] == ["NO_RULE"]
    town.apply(SUSPENDS, now + 6 * DAYS)
    row = town.standing(key)
    assert row is not None
    assert (row.since, row.due_at, row.action) == (now, now + GRACE, "suspend")


def test_going_there_and_back_and_there_again_does_not_extend_the_grace(town: Town, now: datetime) -> None:
    [key] = add_keys(town.session, town.in_force.revision, now)
    town.apply(SUSPENDS, now)
    assert town.apply(a_set(), now + 3 * DAYS) == Noted(released=1)
    assert town.verdict(key) == "ok"
    town.apply(SUSPENDS, now + 6 * DAYS)
    row = town.standing(key)
    assert row is not None
    assert (row.since, row.due_at) == (now, now + GRACE)
    town.tick(now + GRACE - timedelta(seconds=1))
    assert town.state(key) == "active"
    town.tick(now + GRACE)
    assert town.state(key) == "suspended"


def test_a_violation_long_after_another_one_has_a_grace_of_its_own(town: Town, now: datetime) -> None:
    [key] = add_keys(town.session, town.in_force.revision, now)
    town.apply(SUSPENDS, now)
    town.apply(a_set(), now + DAYS)
    later = now + GRACE
    town.apply(SUSPENDS, later)
    row = town.standing(key)
    assert row is not None
    assert (row.since, row.due_at) == (later, later + GRACE)
    town.tick(later)
    assert town.state(key) == "active"


def test_a_rollback_releases_only_what_that_revision_flagged(town: Town, now: datetime) -> None:
    [both] = add_keys(town.session, town.in_force.revision, now, scopes=["reports:read"])
    [one] = add_keys(town.session, town.in_force.revision, now)
    town.tick(now)
    assert [town.verdict(key) for key in (both, one)] == ["violates", "ok"]
    town.apply(SUSPENDS, now + DAYS)
    assert [town.verdict(key) for key in (both, one)] == ["violates", "violates"]
    assert town.apply(a_set(), now + 2 * DAYS) == Noted(flagged=1, released=1)
    assert [town.verdict(key) for key in (both, one)] == ["violates", "ok"]
    row = town.standing(both)
    assert row is not None
    assert row.since == now
    assert town.story(one) == [("cli:test", "key.flagged"), ("cli:test", "key.fits_again")]


def test_the_same_verdict_again_writes_and_tells_nothing(town: Town, now: datetime) -> None:
    [key] = add_keys(town.session, town.in_force.revision, now)
    town.apply(SUSPENDS, now)
    story, effects = town.story(key), town.effects()
    assert town.apply(a_set(30, follows=then(ViolationAction.SUSPEND), digest="sha256:new"), now + DAYS) == Noted()
    assert (town.story(key), town.effects()) == (story, effects)


def test_people_who_lose_their_team_by_the_change_lose_their_keys(town: Town, now: datetime) -> None:
    [anas] = add_keys(town.session, town.in_force.revision, now)
    [machines] = add_keys(town.session, town.in_force.revision, now, owner="svc:ci")
    [nobodys] = add_keys(town.session, town.in_force.revision, now, owner="user:ghost")
    town.apply(a_set(members=["ben"]), now)
    assert [town.verdict(key) for key in (anas, machines, nobodys)] == ["violates", "ok", "violates"]


def test_a_key_whose_owner_loses_the_team_counts_as_one_that_breaks(town: Town, now: datetime) -> None:
    anas, machines = (add_keys(town.session, town.in_force.revision, now, owner=who) for who in ("user:ana", "svc:ci"))
    before, after = town.in_force.policy, a_set(members=["ben"])
    keys = list(live_keys(town.session, after, now, before=before))
    report = key_impact(keys, before, after, int(now.timestamp()))
    assert [(impact.key.id, impact.effect) for impact in report.impacts] == [(anas[0], Impact.BREAKS)]
    assert (report.checked, report.losing, len(machines)) == (2, 1, 1)


def test_who_is_told_is_what_the_policy_says(town: Town, now: datetime) -> None:
    add_keys(town.session, town.in_force.revision, now)
    told = ViolationAction.FLAG
    town.apply(a_set(30, follows=then(told)), now)
    everybody = a_set(29, follows=type(then(told))(told, 7 * DAY, ("owner", "team", "service_owner")))
    town.apply(everybody, now)
    payloads = town.session.scalars(select(Effect.payload).where(Effect.kind == "notify").order_by(Effect.id)).all()
    assert [payload["to"] for payload in payloads] == [["user:ana"], ["team:payments", "user:ana"]]


def test_twenty_thousand_keys_take_a_few_seconds(town: Town, now: datetime) -> None:
    count = 20_000
    broken = count // 10
    add_keys(town.session, town.in_force.revision, now, broken)
    add_keys(town.session, town.in_force.revision, now, count - broken, expires_at=now + 20 * DAYS)
    started = datetime.now(tz=now.tzinfo)
    assert town.apply(SUSPENDS, now) == Noted(flagged=broken)
    assert (datetime.now(tz=now.tzinfo) - started).total_seconds() < 15
    assert town.session.scalar(select(func.count()).select_from(KeyStanding)) == broken
    assert town.session.scalar(select(func.count()).select_from(AuditEvent)) == broken
    assert town.session.scalar(select(func.count()).select_from(Effect)) == 2 * broken


UNMET = Unmet(Reason.NO_RULE, "No rule covers it.", None)
STANDINGS = some.one_of(
    some.sampled_from([Standing(Verdict.OK, "a"), Standing(Verdict.EXEMPT, "a"), Standing(Verdict.OK_BY_ANOTHER_RULE)]),
    some.builds(
        lambda action, days: Standing(Verdict.VIOLATES, None, (UNMET,), action, days * DAY),
        some.sampled_from(ViolationAction),
        some.integers(0, 20),
    ),
    some.just(Standing(Verdict.UNKNOWN, None, (UNMET,), ViolationAction.FLAG, 14 * DAY)),
)


@given(history=some.lists(some.tuples(STANDINGS, some.integers(0, 10)), min_size=1, max_size=12))
def test_the_clock_starts_once_for_each_violation_and_never_later(history: list[tuple[Standing, int]]) -> None:
    moment = datetime.fromisoformat("2026-11-22T10:00:00+00:00")
    was: Stood | None = None
    for standing, days in history:
        moment += timedelta(days=days)
        how = follow(was, standing, moment)
        assert how.verdict is standing.verdict
        if how.fits:
            assert (how.due_at, how.action, how.reasons) == (None, None, ())
        else:
            assert how.since is not None
            assert how.since <= moment
            assert how.due_at == how.since + timedelta(seconds=standing.grace_seconds or 0)
            if was is not None and not was.fits:
                assert how.since == was.since
        assert follow(how, standing, moment) == how
        was = how


KEYS = some.tuples(some.sampled_from(["user:ana", "svc:ci", "user:ghost"]), some.integers(1, 90))
POLICIES = some.builds(
    a_set,
    some.integers(1, 90),
    scopes=some.sampled_from([["charges:read"], ["reports:read"]]),
    members=some.sets(some.sampled_from(["ana", "ben"])),
)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=POLICIES, keys=some.lists(KEYS, max_size=4), state=some.sampled_from(PersonState))
def test_what_is_written_is_what_the_policy_says_of_each_key(
    town: Town, now: datetime, policy: Policy, keys: list[tuple[str, int]], state: PersonState
) -> None:
    for owner, days in keys:
        add_keys(town.session, town.in_force.revision, now, owner=owner, expires_at=now + days * DAYS)
    town.set_person("ana", state, now)
    town.apply(policy, now)
    for key in live_keys(town.session, policy, now):
        assert town.verdict(key.id) == standing_of(policy, key, int(now.timestamp())).verdict
    town.tick(now)
    for key in live_keys(town.session, policy, now):
        assert town.verdict(key.id) == standing_of(policy, key, int(now.timestamp())).verdict
        wish = Wish(key.service, key.environment, key.scopes, key.expires_at - key.issued_at, key.cidrs)
        decision = decide(policy, key.asker, wish, Evidence(key.facts), int(now.timestamp()))
        assert isinstance(decision, Denied) == (town.verdict(key.id) == Verdict.VIOLATES)
