"""The audit trail as it is read: every filter against a plain look at each event, pages that stay, work that ends."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from keymgr.policy.model import InForce
from keymgr.store import audit_reading as subject
from keymgr.store.audit import AuditEvent
from keymgr.store.audit_names import find_actor, names_in
from keymgr.store.audit_reading import Entry, Found, Search, find_entries
from tests.keys.house import ANA, POLICY, Counter, add_person, put_in_force

ACTORS = ("user:ana", "user:ben", "cli:root", "clock")
ACTIONS = ("key.issued", "key.revoked", "person.signed_in")


def write(session: Session, now: datetime, **facts: object) -> int:
    told: dict[str, Any] = {
        "at": now,
        "actor": "user:ana",
        "action": "key.issued",
        "object_kind": "key",
        "object_id": "key_1",
        "outcome": "done",
        "detail": {},
        **facts,
    }
    event = AuditEvent(**told)
    session.add(event)
    session.flush()
    return event.id


@pytest.fixture
def trail(session: Session, now: datetime) -> list[int]:
    """Sixty events, one an hour, of all sorts."""
    ids = [
        write(
            session,
            now - timedelta(hours=60 - number),
            actor=ACTORS[number % 4],
            action=ACTIONS[number % 3],
            object_kind="person" if number % 3 == 2 else "key",
            object_id=f"key_{number % 5}",
            outcome="refused" if number % 7 == 0 else "done",
            detail={"name": f"job {number}", "service": "payments" if number % 2 else "ledger", "note": "Ünal “5”"},
            request_id=f"req-{number % 6}",
            address="198.51.100.7" if number % 9 == 0 else None,
        )
        for number in range(60)
    ]
    session.commit()
    return ids


def everything(session: Session, search: Search, most: int) -> list[Found]:
    """Every page, from the newest on."""
    pages = [find_entries(session, search, most=most)]
    while pages[-1].older is not None:
        pages.append(find_entries(session, search, before=pages[-1].older, most=most))
    return pages


def hours(now: datetime, number: int) -> datetime:
    return now - timedelta(hours=number)


SEARCHES: dict[str, tuple[Callable[[datetime], Search], Callable[[Entry, datetime], bool]]] = {
    "all": (lambda _: Search(), lambda _entry, _now: True),
    "actor": (lambda _: Search(actor="user:ben"), lambda entry, _: entry.actor == "user:ben"),
    "action": (lambda _: Search(action="key.revoked"), lambda entry, _: entry.action == "key.revoked"),
    "kind": (lambda _: Search(object_kind="person"), lambda entry, _: entry.object_kind == "person"),
    "id": (lambda _: Search(object_id="key_2"), lambda entry, _: entry.object_id == "key_2"),
    "object": (
        lambda _: Search(object_kind="key", object_id="key_2"),
        lambda entry, _: (entry.object_kind, entry.object_id) == ("key", "key_2"),
    ),
    "actor and action": (
        lambda _: Search(actor="clock", action="key.issued"),
        lambda entry, _: (entry.actor, entry.action) == ("clock", "key.issued"),
    ),
    "object, actor and action": (
        lambda _: Search(actor="user:ana", action="key.issued", object_kind="key", object_id="key_0"),
        lambda entry, _: (entry.actor, entry.action, entry.object_id) == ("user:ana", "key.issued", "key_0"),
    ),
    "outcome": (lambda _: Search(outcome="refused"), lambda entry, _: entry.outcome == "refused"),
    "request": (lambda _: Search(request_id="req-4"), lambda entry, _: entry.request_id == "req-4"),
    "service": (lambda _: Search(service="ledger"), lambda entry, _: entry.detail["service"] == "ledger"),
    "since": (lambda now: Search(since=hours(now, 40)), lambda entry, now: entry.at >= hours(now, 40)),
    "until": (lambda now: Search(until=hours(now, 40)), lambda entry, now: entry.at < hours(now, 40)),
    "between": (
        lambda now: Search(actor="user:ana", since=hours(now, 40), until=hours(now, 20)),
        lambda entry, now: entry.actor == "user:ana" and hours(now, 40) <= entry.at < hours(now, 20),
    ),
    "a word of the details": (lambda _: Search(text="JOB 1"), lambda entry, _: "job 1" in entry.detail["name"]),
    "a letter beyond ASCII": (lambda _: Search(text="Ünal “5”"), lambda _entry, _now: True),
    "an address": (lambda _: Search(text="198.51"), lambda entry, _: entry.address is not None),
    "signs of patterns": (lambda _: Search(text="%_"), lambda _entry, _now: False),
    "later than all": (lambda now: Search(since=now + timedelta(days=9)), lambda _entry, _now: False),
    "earlier than all": (lambda now: Search(until=now - timedelta(days=99)), lambda _entry, _now: False),
}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.usefixtures("trail")
def test_each_filter_finds_what_a_look_at_every_event_finds(session: Session, now: datetime, name: str) -> None:
    search, fits = SEARCHES[name]
    whole = [entry for page in everything(session, Search(), 200) for entry in page.entries]
    found = [entry for page in everything(session, search(now), 4) for entry in page.entries]
    assert found == [entry for entry in whole if fits(entry, now)]
    assert [entry.id for entry in found] == sorted((entry.id for entry in found), reverse=True)


def test_what_arrives_meanwhile_moves_nothing(session: Session, trail: list[int], now: datetime) -> None:
    first = find_entries(session, Search(), most=20)
    write(session, now)
    second = find_entries(session, Search(), before=first.older, most=20)
    shown = [entry.id for page in (first, second) for entry in page.entries]
    assert shown == trail[:-41:-1]


@pytest.mark.parametrize("search", [Search(text="zebra"), Search(actor="user:ana", text="zebra")])
@pytest.mark.usefixtures("trail")
def test_a_search_ends_after_so_many_events_and_says_so(
    session: Session, monkeypatch: pytest.MonkeyPatch, search: Search
) -> None:
    monkeypatch.setattr(subject, "LOOKED_AT_MAX", 10)
    pages = everything(session, search, 5)
    assert all(page.stopped_at is not None for page in pages[:-1])
    assert pages[-1] == Found((), None)
    assert len(pages) == (7 if search.actor is None else 2)


@pytest.mark.usefixtures("trail")
def test_who_was_busy_only_long_ago_is_found_beyond_the_newest(
    session: Session, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write(session, now, actor="user:old")
    for _ in range(12):
        write(session, now)
    monkeypatch.setattr(subject, "LOOKED_AT_MAX", 10)
    assert [entry.id for entry in find_entries(session, Search(actor="user:old")).entries] == [old]
    assert len(find_entries(session, Search(actor="user:ana"), most=5).entries) == 5


def test_a_clock_that_was_hours_off_hides_nothing(session: Session, now: datetime) -> None:
    late = [write(session, now + timedelta(hours=wrong)) for wrong in (0, -20, 20, 1)]
    found = find_entries(session, Search(since=now - timedelta(hours=1), until=now + timedelta(hours=2)))
    assert [entry.id for entry in found.entries] == [late[3], late[0]]


def test_a_service_is_found_by_its_keys_and_requests(session: Session, now: datetime) -> None:
    add_person(session, "ana", now)
    counter = Counter(session, put_in_force(session, POLICY, now), now)
    issued = counter.issue()
    found = find_entries(session, Search(service="payments"))
    assert issued.key_id in {entry.object_id for entry in found.entries}
    assert find_entries(session, Search(service="ledger")).entries == ()


def test_names_are_looked_up_for_all_at_once(session: Session, now: datetime) -> None:
    add_person(session, "ana", now)
    opened: InForce = put_in_force(session, POLICY, now)
    issued = Counter(session, opened, now).issue(asker=ANA)
    write(session, now, object_kind="person", object_id="ana", actor="clock")
    write(session, now, object_kind="policy_revision", object_id=str(opened.revision))
    names = names_in(session, find_entries(session, Search()).entries)
    assert names.people == {"ana": "Ana"}
    assert names.called(issued.key_id) == "checkout worker"
    assert names.called("key_none") is None
    assert names.commits == {opened.revision: "4f2c1ab"}
    assert names_in(session, ()).people == {}


@pytest.mark.usefixtures("trail")
def test_an_actor_is_known_by_id_sign_in_name_and_full_name(session: Session, now: datetime) -> None:
    add_person(session, "ana", now)
    typed = ("user:ana", "ana", "Ana", "aNa", "root", "clock", "nobody")
    meant = ["user:ana", "user:ana", "user:ana", "user:ana", "cli:root", "clock", "nobody"]
    assert [find_actor(session, each) for each in typed] == meant
