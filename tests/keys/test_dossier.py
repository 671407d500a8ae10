"""What an approver reads beside a wish: every flag is raised by its cause and by nothing else."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from keymgr.keys.dossier import Dossier, Subject, dossier
from keymgr.keys.holdings import Holding, holders_of
from keymgr.keys.outcomes import Pending
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.risk_flags import Flag, RiskFlag, Weighed, flags_of, highest_risk, is_production, is_risky, name_of
from keymgr.policy.model import Risk, Wish
from keymgr.store.keys import Key, KeyRequest, KeyState, RequestState
from tests.keys.house import (
    ANA,
    ANAS,
    ANAS_BROWSER,
    BEN,
    CI,
    LEVEL,
    POLICY,
    PROD,
    STAGING,
    Counter,
    add_person,
    an_order,
)
from tests.policy.builders import DAY, a_wish

READ = a_wish("charges:read", ttl=7 * DAY, cidrs=["10.0.0.0/8"])
DAYS = timedelta(days=1)


def a_holding(now: datetime, **change: object) -> Holding:
    made = Holding(
        id="key_1",
        name="old",
        owner="user:ana",
        service="payments",
        environment="dev",
        scopes=("charges:read",),
        created_at=now - 10 * DAYS,
        expires_at=now + 10 * DAYS,
        state=KeyState.ACTIVE,
        state_reason=None,
        last_used_at=now - DAYS,
    )
    return replace(made, **change)  # type: ignore[arg-type]  # the fields' own types, by name.


def weighed(now: datetime, wish: Wish = READ, **change: object) -> Weighed:
    made = Weighed(
        policy=POLICY,
        wish=wish,
        rule=None,
        owner="user:ana",
        requester="user:ana",
        held=(),
        mates=(),
        refused_at=None,
        joined_at=None,
        now=now,
    )
    return replace(made, **change)  # type: ignore[arg-type]  # the fields' own types, by name.


def raised(found: Weighed) -> dict[Flag, str]:
    return {flag.flag: flag.sentence for flag in flags_of(found)}


def test_an_ordinary_wish_raises_no_flag(now: datetime) -> None:
    known = weighed(now, held=(a_holding(now),), mates=(a_holding(now),), joined_at=now - 400 * DAYS)
    assert flags_of(replace(known, rule=POLICY.rules["dev-read"])) == ()


def test_production_and_scopes_that_can_do_harm_come_first_and_are_named(now: datetime) -> None:
    wish = a_wish("charges:read", "charges:write", environment="prod", ttl=DAY, cidrs=["10.0.0.0/8"])
    assert flags_of(weighed(now, wish)) == (
        RiskFlag(Flag.PRODUCTION, "It is for production: prod."),
        RiskFlag(Flag.RISK, "Its highest risk is high: charges:write."),
        RiskFlag(Flag.FIRST, "It would be the first key of ana with a scope of high or critical risk."),
    )
    had = a_holding(now, scopes=("refunds:write",), state=KeyState.REVOKED)
    assert Flag.FIRST not in raised(weighed(now, wish, held=(had,)))
    assert Flag.FIRST in raised(weighed(now, wish, held=(replace(had, service="gone"),)))


def test_what_is_not_declared_any_more_has_no_risk_but_counts_as_production() -> None:
    assert highest_risk(POLICY, "gone", ["x:read"]) is highest_risk(POLICY, "payments", ["x:read"]) is None
    assert highest_risk(POLICY, "payments", ["charges:read", "refunds:write", "x:read"]) is Risk.CRITICAL
    assert is_production(POLICY, "gone")
    assert not is_production(POLICY, "lab")


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (a_wish("charges:read"), False),
        (a_wish("charges:read", environment="prod"), True),
        (a_wish("charges:write"), True),
    ],
    ids=["reading in dev", "reading in production", "writing in dev"],
)
def test_a_wish_is_risky_by_its_environment_or_its_scopes(*, wish: Wish, expected: bool) -> None:
    assert is_risky(POLICY, wish) is expected


@pytest.mark.parametrize(
    ("days", "sentence"),
    [(0, "ana joined today."), (1, "ana joined 1 day ago."), (29, "ana joined 29 days ago."), (30, None)],
)
def test_somebody_new_is_named_with_the_days(now: datetime, days: int, sentence: str | None) -> None:
    assert raised(weighed(now, joined_at=now - days * DAYS)).get(Flag.NEW_PERSON) == sentence


def test_the_same_refused_before_is_named_with_its_day(now: datetime) -> None:
    at = now.replace(year=2025, month=11, day=3)
    assert raised(weighed(now, refused_at=at)) == {Flag.REFUSED_BEFORE: "The same was refused on 3 Nov 2025."}


def test_many_more_scopes_than_team_mates_have_are_counted(now: datetime) -> None:
    three = a_wish("charges:read", "reports:read", "refunds:write", ttl=DAY, cidrs=["10.0.0.0/8"])
    sentence = "It asks for 3 scopes; team mates usually have 1 per key."
    assert raised(weighed(now, three, mates=(a_holding(now),)))[Flag.MANY_SCOPES] == sentence
    two = a_holding(now, scopes=("charges:read", "reports:read"))
    assert Flag.MANY_SCOPES not in raised(weighed(now, three, mates=(two, a_holding(now))))
    assert Flag.MANY_SCOPES not in raised(weighed(now, three))


def test_the_longest_life_and_any_network_are_said(now: datetime) -> None:
    rule = POLICY.rules["dev-read"]
    longest = a_wish("charges:read", ttl=90 * DAY)
    assert raised(weighed(now, longest, rule=rule)) == {
        Flag.LIFETIME: "It asks for the longest life that the rule allows, 90 days.",
        Flag.NETWORK: "It would work from any network.",
    }
    assert Flag.LIFETIME not in raised(weighed(now, replace(longest, ttl_seconds=None), rule=rule))
    assert Flag.LIFETIME not in raised(weighed(now, longest))


def test_keys_that_were_never_used_are_counted_once_they_are_a_week_old(now: datetime) -> None:
    unused = a_holding(now, last_used_at=None)
    young = replace(unused, created_at=now - DAYS)
    used = a_holding(now)
    sentence = "ana has never used 2 of 3 keys."
    assert raised(weighed(now, held=(unused, unused, used, young))) == {Flag.UNUSED: sentence}
    assert raised(weighed(now, held=(unused, used, young, young))) == {}
    assert raised(weighed(now, held=(unused, unused, used, used, used))) == {}


def test_a_name_is_what_comes_after_the_kind() -> None:
    assert (name_of("user:ana"), name_of("clock")) == ("ana", "clock")


def a_request(counter: Counter, wish: Wish = PROD) -> str:
    outcome = counter.ask(an_order(wish))
    assert isinstance(outcome, Pending)
    return outcome.request_id


def read(session: Session, counter: Counter, request_id: str, mates: frozenset[str] = frozenset()) -> Dossier:
    request = session.get_one(KeyRequest, request_id)
    wish = Wish(request.service, request.environment, frozenset(request.scopes), request.ttl_seconds)
    subject = Subject(request_id, request.owner, request.requester, wish, request.rule)
    return dossier(session, counter.in_force.policy, subject, mates=mates, now=counter.now)


def test_access_is_set_against_what_the_owner_holds(session: Session, counter: Counter) -> None:
    counter.issue(a_wish("charges:read", ttl=10 * DAY))
    counter.issue(a_wish("charges:read", ttl=20 * DAY))
    gone = counter.issue(STAGING)
    session.execute(update(Key).where(Key.id == gone.key_id).values(expires_at=counter.now))
    other = counter.issue(a_wish("charges:read"))
    session.execute(update(Key).where(Key.id == other.key_id).values(service="ledger"))
    request_id = a_request(counter)

    first, second = read(session, counter, request_id).access
    assert (first.scope, first.environment, first.risk) == ("charges:write", "prod", Risk.HIGH)
    assert first.is_new
    assert not first.is_longer
    assert first.would_until == counter.now + 30 * DAYS
    assert (second.scope, second.environment, second.would_until) == ("charges:read", "dev", None)
    assert second.held_until is not None
    assert second.held_until > counter.now + 19 * DAYS
    assert not second.is_new
    assert not second.is_longer


def test_what_is_held_already_but_not_for_as_long_is_longer(session: Session, counter: Counter) -> None:
    key = counter.issue(a_wish("charges:read", ttl=DAY))
    session.execute(update(Key).where(Key.id == key.key_id).values(environment="prod", scopes=["charges:write", "x:y"]))
    longer, same = read(session, counter, a_request(counter)).access
    assert (longer.scope, longer.is_longer, longer.is_new) == ("charges:write", True, False)
    assert (same.scope, same.risk) == ("x:y", None)


def test_a_service_that_the_policy_no_longer_knows_is_still_read(session: Session, counter: Counter) -> None:
    request_id = a_request(counter)
    session.execute(update(KeyRequest).values(service="gone", ttl_seconds=60))
    (line,) = read(session, counter, request_id).access
    assert (line.scope, line.risk, line.is_new) == ("charges:write", None, True)


def test_history_counts_keys_of_the_owner_and_requests_of_the_requester(session: Session, counter: Counter) -> None:
    before = counter.now - 20 * DAYS
    first = counter.issue(a_wish("charges:read"), now=before)
    counter.issue(a_wish("reports:read"), now=before)
    counter.issue(a_wish("reports:read"))
    revoke(
        session,
        key_id=first.key_id,
        actor=ANAS_BROWSER,
        rights=ANAS,
        reason=RevokeReason.LEAKED,
        submit=None,
        level=LEVEL,
        now=counter.now,
    )
    refused, granted, request_id = a_request(counter), a_request(counter), a_request(counter)
    ended = {refused: RequestState.REFUSED, granted: RequestState.CLAIMED}
    for one, state in ended.items():
        session.execute(update(KeyRequest).where(KeyRequest.id == one).values(state=state, decided_at=counter.now))

    found = read(session, counter, request_id)
    history = found.history
    assert (history.keys, history.live, history.revoked, history.leaked) == (3, 2, 1, 1)
    assert (history.grown, history.unused) == (2, 2)
    assert (history.granted, history.refused, history.refused_at) == (1, 1, counter.now)
    assert history.joined_at == counter.now
    assert {Flag.REFUSED_BEFORE, Flag.NEW_PERSON, Flag.UNUSED} <= {flag.flag for flag in found.flags}


def test_a_wish_for_less_than_was_refused_is_not_the_same(session: Session, counter: Counter) -> None:
    refused, request_id = a_request(counter), a_request(counter)
    values = {"state": RequestState.REFUSED, "decided_at": counter.now, "scopes": ["charges:write", "refunds:write"]}
    session.execute(update(KeyRequest).where(KeyRequest.id == refused).values(**values))
    assert Flag.REFUSED_BEFORE not in {flag.flag for flag in read(session, counter, request_id).flags}


def test_a_refused_request_does_not_tell_of_itself_as_refused_before(session: Session, counter: Counter) -> None:
    request_id = a_request(counter)
    values = {"state": RequestState.REFUSED, "decided_at": counter.now}
    session.execute(update(KeyRequest).where(KeyRequest.id == request_id).values(**values))
    assert Flag.REFUSED_BEFORE not in {flag.flag for flag in read(session, counter, request_id).flags}


def test_peers_are_the_likest_live_keys_of_team_mates(session: Session, counter: Counter) -> None:
    add_person(session, "cleo", counter.now)
    mine = counter.issue(a_wish("charges:read"))
    theirs = counter.issue(STAGING, asker=BEN)
    likest = counter.issue(a_wish("charges:read"), asker=CI)
    unlike = counter.issue(a_wish("reports:read"), asker=CI)
    for key_id, environment in ((likest.key_id, "prod"), (theirs.key_id, "staging"), (mine.key_id, "prod")):
        values = {"scopes": ["charges:write"], "environment": environment}
        session.execute(update(Key).where(Key.id == key_id).values(**values))
    request_id = a_request(counter)

    assert holders_of(session, "payments", counter.now) == {ANA.id, BEN.id, CI.id}
    found = read(session, counter, request_id, mates=frozenset({ANA.id, BEN.id, CI.id}))
    assert [peer.id for peer in found.peers] == [likest.key_id, theirs.key_id]
    assert unlike.key_id not in {peer.id for peer in found.peers}
    assert read(session, counter, request_id).peers == ()
