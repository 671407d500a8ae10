"""Reports over live keys that should not be there as they are: out of policy, or their owner is gone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from keymgr.keys.reports import KEY_COLUMNS, Owners, Page, ReportKey, cut, live, page_of_keys, paged, report_key
from keymgr.keys.standing import FITTING
from keymgr.keys.status import is_current
from keymgr.policy.existing import Verdict
from keymgr.policy.model import ViolationAction
from keymgr.store.keys import Credential, Key
from keymgr.store.people import Person, PersonState, ServiceAccount
from keymgr.store.standing import KeyStanding

_PERSON, _ACCOUNT = "user:", "svc:"


@dataclass(frozen=True, slots=True)
class OutOfPolicy:
    """One live key that does not fit the policy, or cannot be shown to, and what follows when."""

    key: ReportKey
    verdict: Verdict
    sentence: str
    action: ViolationAction | None
    since: datetime | None
    due_at: datetime | None
    acted_at: datetime | None


class Gone(StrEnum):
    """Why nobody answers for a key."""

    LEFT = "left"
    SUSPENDED = "suspended"
    TEAM = "team"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Orphan:
    """One live key whose owner is gone."""

    key: ReportKey
    why: Gone


def out_of_policy(session: Session, owners: Owners, *, now: datetime, number: int | None = 1) -> Page[OutOfPolicy]:
    """List keys by the last look at them, those on which something happens soonest first."""
    unfit = KeyStanding.verdict.not_in(sorted(verdict.value for verdict in FITTING))
    joined = select(*KEY_COLUMNS, *_STANDING).select_from(Key).join(Credential, is_current())
    matching = joined.join(KeyStanding, KeyStanding.key_id == Key.id).where(*live(owners, now), unfit)
    total, shown, pages = paged(session, matching, number)
    rows = session.execute(cut(matching.order_by(KeyStanding.due_at, Key.id), shown))
    return Page(tuple(_misfit(row) for row in rows), total, shown or 1, pages)


def owner_gone(
    session: Session, owners: Owners, *, teams: frozenset[str] | None, now: datetime, number: int | None = 1
) -> Page[Orphan]:
    """List keys whose owner has left, is suspended or unknown, or is a machine of none of the policy's `teams`.

    Without a policy (`teams` None) no team is missing.
    """
    people = select(literal(_PERSON).concat(Person.name)).where(Person.state == PersonState.ACTIVE)
    accounts = select(literal(_ACCOUNT).concat(ServiceAccount.name)).where(
        ServiceAccount.state == PersonState.ACTIVE,
        *(() if teams is None else (ServiceAccount.team.in_(sorted(teams)),)),
    )
    gone = Key.owner.not_in(people.union_all(accounts))
    found = page_of_keys(session, (*live(owners, now), gone), (Key.owner.asc(), Key.id.asc()), number)
    why = _why(session, {key.owner for key in found.rows})
    return found.turned(lambda key: Orphan(key, why.get(key.owner, Gone.UNKNOWN)))


_STANDING = (
    KeyStanding.verdict,
    KeyStanding.reasons,
    KeyStanding.action,
    KeyStanding.since,
    KeyStanding.due_at,
    KeyStanding.acted_at,
)


def _misfit(row: Sequence[Any]) -> OutOfPolicy:
    verdict, reasons, action, since, due_at, acted_at = row[len(KEY_COLUMNS) :]
    sentence = reasons[0]["sentence"] if reasons else ""
    follows = None if action is None else ViolationAction(action)
    return OutOfPolicy(report_key(row), Verdict(verdict), sentence, follows, since, due_at, acted_at)


def _why(session: Session, owners: set[str]) -> Mapping[str, Gone]:
    """Say of owners who are known why they are gone; an active service account is gone by its team."""
    found: dict[str, Gone] = {}
    for prefix, table in ((_PERSON, Person), (_ACCOUNT, ServiceAccount)):
        names = sorted(owner.removeprefix(prefix) for owner in owners if owner.startswith(prefix))
        for name, state in session.execute(select(table.name, table.state).where(table.name.in_(names))):
            found[prefix + name] = Gone.TEAM if state == PersonState.ACTIVE else Gone(state)
    return found
