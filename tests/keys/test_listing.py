"""Lists of keys: what is found, in which order, with which word, page by page."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from keymgr.keys.listing import Direction, Filters, KeyRow, Sort, each_row, find_row, listing, matching_ids, rows_among
from keymgr.keys.revoke import RevokeReason, revoke
from keymgr.keys.rotate import rotate
from keymgr.keys.status import Status
from keymgr.keys.suspend import suspend
from keymgr.keys.usage import Calls, record_batch
from keymgr.store.keys import Credential, Key
from keymgr.tokens.verdicts import VerdictCode
from tests.keys.house import (
    ADMINS,
    ANA,
    ANAS,
    ANAS_BROWSER,
    BEN,
    CI,
    ISSUER,
    LEVEL,
    NO_FACTS,
    OPAQUE,
    STAGING,
    Counter,
)
from tests.policy.builders import a_wish

DAY = timedelta(days=1)
MINE = frozenset({ANA.id, CI.id})


def names(session: Session, now: datetime, owners: frozenset[str] | None = MINE, **options: object) -> list[str]:
    page = listing(session, owners, now=now, **options)  # type: ignore[arg-type]  # each test passes what listing takes.
    assert page.total == len(page.rows)
    return [row.name for row in page.rows]


def many(session: Session, counter: Counter, count: int) -> None:
    """Add keys as rows, because a hundred would not be granted."""
    template = counter.issue(name="key 000").key_id
    key = session.get_one(Key, template)
    columns = {column.key: getattr(key, column.key) for column in Key.__mapper__.column_attrs}
    for number in range(1, count):
        key_id = f"key_{number:026}"
        session.add(Key(**{**columns, "id": key_id, "name": f"key {number:03}"}))
        session.flush()
        session.add(
            Credential(
                id=f"crd_{number:026}",
                key_id=key_id,
                generation=1,
                secret_digest=number.to_bytes(32),
                status_index=number,
                issued_at=counter.now,
                expires_at=key.expires_at,
            )
        )
    session.commit()


def test_a_line_says_all_the_list_shows(session: Session, counter: Counter) -> None:
    issued = counter.issue(STAGING, asker=CI)
    batch = [
        Calls(issued.key_id, issued.credential_id, VerdictCode.OK, 5, counter.now, "10.0.0.9"),
        Calls(issued.key_id, issued.credential_id, VerdictCode.RATE_LIMITED, 2, counter.now),
        Calls(issued.key_id, issued.credential_id, VerdictCode.OK, 9, counter.now - 8 * DAY),
    ]
    record_batch(session, batch)
    session.commit()

    assert listing(session, MINE, now=counter.now).rows == (
        KeyRow(
            id=issued.key_id,
            credential_id=issued.credential_id,
            name="checkout worker",
            owner="svc:pay-ci",
            service="payments",
            environment="staging",
            scopes=("charges:read",),
            status=Status.EXPIRING,
            created_at=counter.now,
            expires_at=counter.now + 90 * DAY,
            token_expires_at=counter.now + 12 * DAY,
            rotate_by=counter.now + 10 * DAY,
            old_good_until=None,
            last_used_at=counter.now,
            last_used_from="10.0.0.9",
            calls=7,
            accepted=(0,) * 21 + (9,) + (0,) * 7 + (5,),
            refused=(0,) * 29 + (2,),
        ),
    )


def test_the_word_follows_time_and_what_was_decided(session: Session, counter: Counter) -> None:
    _, rotated, suspended, revoked = (
        counter.issue(name="plain"),
        counter.issue(name="rotated"),
        counter.issue(name="suspended"),
        counter.issue(OPAQUE, name="revoked"),
    )
    outcome = rotate(
        session,
        counter.in_force,
        key_id=rotated.key_id,
        asker=ANA,
        actor=ANAS_BROWSER,
        rights=ANAS,
        evidence=NO_FACTS,
        submit=None,
        issuer=ISSUER,
        now=counter.now,
    )
    suspend(
        session,
        key_id=suspended.key_id,
        actor=ANAS_BROWSER,
        rights=ADMINS,
        note="",
        submit=None,
        level=LEVEL,
        now=counter.now,
    )
    revoke(
        session,
        key_id=revoked.key_id,
        actor=ANAS_BROWSER,
        rights=ANAS,
        reason=RevokeReason.OTHER,
        submit=None,
        level=LEVEL,
        now=counter.now,
    )

    def words(now: datetime) -> dict[str, str]:
        return {row.name: row.status.value for row in listing(session, MINE, now=now).rows}

    at_first = {"plain": "Active", "rotated": "Grace", "suspended": "Suspended", "revoked": "Revoked"}
    assert outcome is not None
    assert words(counter.now) == at_first
    assert words(counter.now + 7 * DAY) == {**at_first, "rotated": "Active"}
    assert words(counter.now + 16 * DAY) == {**at_first, "plain": "Expiring", "rotated": "Expiring"}
    assert words(counter.now + 30 * DAY) == dict.fromkeys(at_first, "Expired") | {"revoked": "Revoked"}
    row = find_row(session, rotated.key_id, MINE, now=counter.now)
    assert row is not None
    assert row.old_good_until == counter.now + 7 * DAY
    for now in (counter.now, counter.now + 7 * DAY, counter.now + 16 * DAY, counter.now + 30 * DAY):
        for status in Status:
            found = listing(session, MINE, now=now, filters=Filters(status=status))
            expected = {name for name, word in words(now).items() if word == status.value}
            assert {row.name for row in found.rows} == expected, (now, status)
            assert found.total == len(expected)


def test_a_key_whose_token_was_never_rotated_in_time_is_expired(session: Session, counter: Counter) -> None:
    counter.issue(STAGING)
    late = counter.now + 12 * DAY
    assert listing(session, MINE, now=late).rows[0].status is Status.EXPIRED


def test_everybody_sees_only_the_owners_given(session: Session, counter: Counter) -> None:
    mine, machines = counter.issue(name="mine"), counter.issue(name="machine's", asker=CI)
    foreign = counter.issue(name="foreign", asker=replace(BEN, teams=ANA.teams))

    assert sorted(names(session, counter.now)) == ["machine's", "mine"]
    assert names(session, counter.now, frozenset({BEN.id})) == ["foreign"]
    assert names(session, counter.now, frozenset()) == []
    assert len(names(session, counter.now, None)) == 3
    assert find_row(session, foreign.key_id, MINE, now=counter.now) is None
    assert find_row(session, foreign.key_id, None, now=counter.now) is not None
    assert {mine.key_id, machines.key_id} == {row.id for row in listing(session, MINE, now=counter.now).rows}


def test_search_finds_parts_of_names_and_beginnings_of_ids(session: Session, counter: Counter) -> None:
    worker, percent = counter.issue(name="Checkout Worker"), counter.issue(name="100%_done")

    def found(text: str) -> list[str]:
        return names(session, counter.now, filters=Filters(search=text))

    assert found("checkout") == found("  WORKER ") == found(worker.key_id) == ["Checkout Worker"]
    assert found(percent.credential_id[:-3].upper()) == ["100%_done"]
    assert found("%") == found("0%_d") == ["100%_done"]
    assert found("worker%") == found(worker.key_id[4:]) == found("'; drop table api_key; --") == []
    assert found("\0") == found("") == found("\n\t")
    assert len(found("")) == 2
    assert found("x" * 5000) == []
    assert found("checkout worker" + " " * 70 + "and what is beyond eighty characters") == ["Checkout Worker"]


def test_search_finds_a_key_by_how_its_opaque_secret_begins(session: Session, counter: Counter) -> None:
    opaque, other = counter.issue(OPAQUE, name="opaque"), counter.issue(name="other")
    head = opaque.token[: len("km_staging_") + 26]

    def found(text: str) -> list[str]:
        return names(session, counter.now, filters=Filters(search=text))

    assert found(head) == found(head[:-4]) == ["opaque"]
    assert sorted(found("km_")) == sorted(found("crd_")) == sorted(found("cr")) == ["opaque", "other"]
    assert found(f"km_dev_{other.credential_id[4:24]}") == ["other"]
    assert found("km_staging_7zzzz") == []


def test_scopes_and_idleness_narrow_too(session: Session, counter: Counter) -> None:
    both = counter.issue(a_wish("charges:read", "reports:read"), name="both", now=counter.now - 40 * DAY)
    counter.issue(a_wish("charges:read"), name="one", now=counter.now - 31 * DAY)
    counter.issue(a_wish("reports:read"), name="fresh")

    def found(now: datetime = counter.now, **filters: object) -> list[str]:
        return sorted(names(session, now, filters=Filters(**filters)))  # type: ignore[arg-type]  # as Filters takes it.

    assert found(scope="charges:read") == ["both", "one"]
    assert found(scope="reports:read") == ["both", "fresh"]
    assert found(scope="charges") == found(scope="%") == found(scope='"') == []
    assert found(unused=True) == ["both", "one"]
    record_batch(session, [Calls(both.key_id, both.credential_id, VerdictCode.OK, 1, counter.now - 30 * DAY + DAY)])
    assert found(unused=True) == ["one"]
    assert found(counter.now + DAY, unused=True, scope="reports:read") == ["both"]


def test_ids_of_all_pages_come_in_their_order(session: Session, counter: Counter) -> None:
    many(session, counter, 53)

    def found(most: int | None = None) -> tuple[str, ...]:
        options = {"filters": Filters(search="key"), "sort": Sort.NAME, "direction": Direction.DESCENDING}
        return matching_ids(session, MINE, now=counter.now, most=most, **options)  # type: ignore[arg-type]  # as it takes them.

    assert [row.name for row in each_row(session, found(), now=counter.now)][::52] == ["key 052", "key 000"]
    assert found(3) == found()[:3]
    assert matching_ids(session, frozenset({BEN.id}), now=counter.now, filters=Filters()) == ()


def test_lines_of_chosen_keys_come_once_and_only_of_ones_own(session: Session, counter: Counter) -> None:
    first, second = counter.issue(name="first"), counter.issue(name="second")
    foreign = counter.issue(name="foreign", asker=replace(BEN, teams=ANA.teams))
    chosen = (second.key_id, foreign.key_id, "key_unknown", first.key_id, second.key_id)
    assert [row.name for row in rows_among(session, chosen, MINE, now=counter.now)] == ["second", "first"]
    assert len(rows_among(session, chosen, None, now=counter.now)) == 3


def test_filters_narrow_together(session: Session, counter: Counter) -> None:
    counter.issue(name="dev")
    counter.issue(STAGING, name="staging")
    counter.issue(STAGING, name="machine", asker=CI)

    def found(**filters: str) -> list[str]:
        return sorted(names(session, counter.now, filters=Filters(**filters)))  # type: ignore[arg-type]  # texts only.

    assert found(environment="staging") == ["machine", "staging"]
    assert found(environment="staging", owner="svc:pay-ci") == ["machine"]
    assert found(service="payments") == ["dev", "machine", "staging"]
    assert found(service="elsewhere") == []


def test_lists_are_sorted_by_what_is_asked_for_with_the_unknown_last(session: Session, counter: Counter) -> None:
    first = counter.issue(a_wish("charges:read", ttl=3 * 86_400), name="b", now=counter.now - DAY)
    second = counter.issue(a_wish("charges:read", ttl=9 * 86_400), name="A")
    counter.issue(a_wish("charges:read", ttl=86_400), name="c", now=counter.now - 2 * DAY)
    for issued, calls, ago in ((first, 1, 2), (second, 5, 3)):
        use = Calls(issued.key_id, issued.credential_id, VerdictCode.OK, calls, counter.now - ago * DAY)
        record_batch(session, [use])
    session.commit()

    def by(sort: Sort, direction: Direction = Direction.ASCENDING) -> str:
        return "".join(names(session, counter.now, sort=sort, direction=direction))

    assert by(Sort.EXPIRES) == "bAc"
    assert by(Sort.EXPIRES, Direction.DESCENDING) == "Abc"
    assert by(Sort.NAME) == "Abc"
    assert by(Sort.NAME, Direction.DESCENDING) == "cbA"
    assert by(Sort.CREATED) == "cbA"
    assert by(Sort.CALLS) == "cbA"
    assert by(Sort.LAST_USED) == "Abc"
    assert by(Sort.LAST_USED, Direction.DESCENDING) == "bAc"
    assert sorted(by(Sort.SERVICE)) == sorted("bAc")


@pytest.mark.parametrize(
    ("count", "number", "shown", "pages", "first"),
    [
        (0, 1, 1, 1, None),
        (50, 2, 1, 1, "key 000"),
        (51, 2, 2, 2, "key 050"),
        (120, 3, 3, 3, "key 100"),
        (120, 10**30, 3, 3, "key 100"),
        (120, -4, 1, 3, "key 000"),
    ],
)
def test_pages_hold_fifty_and_the_total_is_exact(
    session: Session, counter: Counter, *, count: int, number: int, shown: int, pages: int, first: str | None
) -> None:
    if count:
        many(session, counter, count)
    page = listing(session, MINE, now=counter.now, sort=Sort.NAME, number=number)
    assert (page.total, page.number, page.pages) == (count, shown, pages)
    assert (page.rows[0].name if page.rows else None) == first
    assert len(page.rows) == min(50, count - (shown - 1) * 50)
