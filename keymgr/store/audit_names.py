"""What the things an audit event names by id are called today: people, keys, requests, commits of the policy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from keymgr.store.audit import AuditEvent
from keymgr.store.audit_reading import Entry
from keymgr.store.keys import Key, KeyRequest
from keymgr.store.people import Person
from keymgr.store.policies import PolicyRevision

_PEOPLE = "user:"


@dataclass(frozen=True, slots=True)
class Called:
    """The name of a key or request, and whose it is."""

    name: str
    owner: str


@dataclass(frozen=True, slots=True)
class Names:
    """Names by id. `people` has full names by sign-in name, `commits` the commit of a policy revision by its number."""

    people: Mapping[str, str]
    keys: Mapping[str, Called]
    requests: Mapping[str, Called]
    commits: Mapping[int, str | None]

    def called(self, object_id: str) -> str | None:
        """Return the name of a key or request, None for anything else."""
        found = self.keys.get(object_id) or self.requests.get(object_id)
        return None if found is None else found.name


def names_in(session: Session, entries: Iterable[Entry]) -> Names:
    """Look up what these events name, all of a kind at once."""
    told = tuple(entries)
    people = {entry.actor.removeprefix(_PEOPLE) for entry in told if entry.actor.startswith(_PEOPLE)}
    people |= {entry.object_id for entry in told if entry.object_kind == "person"}
    revisions = {number for entry in told if (number := revision_of(entry)) is not None}
    return Names(
        people=_pairs(session, Person.name, Person.display_name, people),
        keys=_called(session, Key, {entry.object_id for entry in told if entry.object_kind == "key"}),
        requests=_called(session, KeyRequest, {entry.object_id for entry in told if entry.object_kind == "request"}),
        commits=_pairs(session, PolicyRevision.id, PolicyRevision.commit, revisions),
    )


def revision_of(entry: Entry) -> int | None:
    """Return the number of the policy revision that the event names: what it is about, or what decided."""
    if entry.object_kind == "policy_revision" and entry.object_id.isdecimal():
        return int(entry.object_id)
    number = entry.detail.get("revision")
    return number if isinstance(number, int) else None


def find_actor(session: Session, typed: str) -> str:
    """Return which actor somebody means who types an id, a sign-in name or a full name; what is unknown stays."""
    full_name = or_(Person.display_name == typed, func.lower(Person.display_name) == typed.lower())
    known = session.scalar(select(Person.name).where(full_name).order_by(Person.name).limit(1))
    ids = [typed, *(f"{kind}:{name}" for name in (known, typed) if name for kind in ("user", "svc", "cli"))]
    for actor in dict.fromkeys(ids):
        if session.scalar(select(AuditEvent.id).where(AuditEvent.actor == actor).limit(1)) is not None:
            return actor
    return typed


def _pairs(
    session: Session, column: InstrumentedAttribute[Any], value: InstrumentedAttribute[Any], ids: set[Any]
) -> dict[Any, Any]:
    rows = session.execute(select(column, value).where(column.in_(sorted(ids)))) if ids else ()
    return {each: text for each, text in rows}  # noqa: C416 - a row is no pair to the type checker.


def _called(session: Session, table: type[Key] | type[KeyRequest], ids: set[str]) -> dict[str, Called]:
    rows = session.execute(select(table.id, table.name, table.owner).where(table.id.in_(sorted(ids)))) if ids else ()
    return {each: Called(name, owner) for each, name, owner in rows}
