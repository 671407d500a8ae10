"""Live keys as plain values, read in batches and ordered by id, each with its owner as a policy sees them."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Row, Select, String, cast, select, type_coerce
from sqlalchemy.orm import Session

from keymgr.keys.terms import evidence_of
from keymgr.people.owners import Membership, read_owners
from keymgr.policy.existing import LiveKey
from keymgr.policy.model import Asker, Policy
from keymgr.store.keys import Key, KeyState

BATCH = 5_000
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which live keys are meant: of these ids, of these owners, past this id; all where nothing is named.

    `most` bounds how many come back.
    """

    ids: Collection[str] | None = None
    owners: Collection[str] | None = None
    after: str = ""
    most: int | None = None


EVERY = Chosen()


def live_keys(
    session: Session, policy: Policy, now: datetime, chosen: Chosen = EVERY, *, before: Policy | None = None
) -> Iterator[LiveKey]:
    """Yield the keys that are neither revoked nor expired at `now`, suspended ones included, ordered by id.

    Owners are seen by `policy`, and by `before` as well where a change from one to the other is being judged.
    """
    membership, former = Membership(policy), None if before is None else Membership(before)
    seen: dict[str, tuple[Asker, Asker | None]] = {}
    after, left = chosen.after, chosen.most
    while left is None or left > 0:
        size = BATCH if left is None else min(BATCH, left)
        rows = session.execute(_page(chosen, now, after, size)).all()
        for owner in read_owners(session, {row.owner for row in rows} - seen.keys()).values():
            seen[owner.id] = (membership.asker(owner), None if former is None else former.asker(owner))
        for row in rows:
            yield _live(row, *seen[row.owner])
        if len(rows) < size:
            return
        after, left = rows[-1].id, None if left is None else left - size


def _page(chosen: Chosen, now: datetime, after: str, size: int) -> Select[*tuple[Any, ...]]:
    """Write the statement: moments as the numbers they are kept as, documents as text that many keys share."""
    statement = select(
        Key.id,
        Key.owner,
        Key.service,
        Key.environment,
        cast(Key.scopes, String).label("scopes"),
        cast(Key.cidrs, String).label("cidrs"),
        type_coerce(Key.created_at, BigInteger).label("created_at"),
        type_coerce(Key.expires_at, BigInteger).label("expires_at"),
        type_coerce(Key.last_used_at, BigInteger).label("last_used_at"),
        Key.rule,
        Key.evidence,
    ).where(Key.state != KeyState.REVOKED, Key.expires_at > now, Key.id > after)
    if chosen.ids is not None:
        statement = statement.where(Key.id.in_(sorted(chosen.ids)))
    if chosen.owners is not None:
        statement = statement.where(Key.owner.in_(sorted(chosen.owners)))
    return statement.order_by(Key.id).limit(size)


def _live(row: Row[Any], asker: Asker, asker_before: Asker | None) -> LiveKey:
    return LiveKey(
        asker=asker,
        service=row.service,
        environment=row.environment,
        scopes=_set_of(row.scopes),
        cidrs=_list_of(row.cidrs),
        issued_at=row.created_at // _MICROSECONDS,
        expires_at=row.expires_at // _MICROSECONDS,
        facts=evidence_of(row.evidence).facts,
        rule=row.rule,
        last_used_at=None if row.last_used_at is None else row.last_used_at // _MICROSECONDS,
        id=row.id,
        asker_before=asker_before,
    )


@lru_cache(maxsize=10_000)
def _set_of(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))


@lru_cache(maxsize=10_000)
def _list_of(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
