"""One event of the audit trail as the page shows it: a sentence with its links, and everything else term by term."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for

from keymgr.policy.model import PortalPermission
from keymgr.store.audit_names import Names, revision_of
from keymgr.store.audit_reading import Entry
from keymgr.web.audit_search import OUTCOMES, filter_url
from keymgr.web.audit_words import object_words, phrase, reason_of, who_words
from keymgr.web.visiting import rights, visitor

_SAID = frozenset({"from", "to", "revision", "user_agent"})


@dataclass(frozen=True, slots=True)
class Fact:
    """One term of an event; `url` leads to what it names, `is_code` keeps its lines as they are."""

    label: str
    text: str
    url: str | None = None
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One event: who did what to what, why, and how it ended."""

    id: int
    at: datetime
    who: str
    who_url: str
    before: str
    what: str
    what_url: str | None
    after: str
    reason: str
    outcome: str
    facts: tuple[Fact, ...]


def line_of(entry: Entry, names: Names) -> Line:
    """Write one event out."""
    said = phrase(entry.action, entry.outcome)
    return Line(
        id=entry.id,
        at=entry.at,
        who=who_words(entry.actor, names.people),
        who_url=filter_url(actor=entry.actor),
        before=said.before,
        what=object_words(entry, names) if said.names_it else "",
        what_url=_page_of(entry, names),
        after=said.after,
        reason=reason_of(entry),
        outcome=OUTCOMES[entry.outcome],
        facts=tuple(_facts(entry, names)),
    )


def _page_of(entry: Entry, names: Names) -> str | None:
    """Return the page of what the event is about, for those who may open it."""
    match entry.object_kind:
        case "key":
            key, may_see = names.keys.get(entry.object_id), rights().stoppable
            is_open = key is not None and (may_see is None or key.owner in may_see)
            return url_for("web.key_page", key_id=entry.object_id) if is_open else None
        case "request":
            return (
                url_for("web.request_page", request_id=entry.object_id) if entry.object_id in names.requests else None
            )
        case "person":
            is_admin = PortalPermission.ADMIN in visitor().portal and entry.object_id in names.people
            return url_for("web.admin_person", name=entry.object_id) if is_admin else None
        case "policy_revision":
            return url_for("web.policy_revision", number=int(entry.object_id))
        case "policy_override":
            return url_for("web.override_list")
        case _:
            return None


def _facts(entry: Entry, names: Names) -> Iterator[Fact]:
    yield Fact("Entry", f"{entry.id:,}")
    yield Fact("Exactly", f"{entry.at:%Y-%m-%d %H:%M:%S.%f} UTC")
    yield Fact("Actor", entry.actor, filter_url(actor=entry.actor))
    yield Fact("Action", entry.action, filter_url(action=entry.action))
    yield Fact("About", f"{entry.object_kind} {entry.object_id}", _all_about(entry))
    if "from" in entry.detail and "to" in entry.detail:
        yield Fact("Before", str(entry.detail["from"]))
        yield Fact("After", str(entry.detail["to"]))
    number = revision_of(entry)
    if number is not None:
        commit = names.commits.get(number)
        url = url_for("web.policy_revision", number=number) if number in names.commits else None
        yield Fact("Policy", f"revision {number}" + (f", commit {commit}" if commit else ""), url)
    if entry.address:
        yield Fact("From", entry.address)
    if isinstance(entry.detail.get("user_agent"), str):
        yield Fact("Browser", entry.detail["user_agent"])
    if entry.request_id:
        yield Fact("Request id", entry.request_id, filter_url(request=entry.request_id))
    for name, value in entry.detail.items():
        if name not in _SAID and value not in (None, "", [], {}):
            yield _fact(name, value)


def _all_about(entry: Entry) -> str:
    return filter_url(kind=entry.object_kind, object=entry.object_id)


def _fact(name: str, value: Any) -> Fact:  # noqa: ANN401 - an event's details are any JSON.
    label = name.replace("_", " ").capitalize()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return Fact(label, ", ".join(value))
    if isinstance(value, dict | list):
        return Fact(label, json.dumps(value, indent=2, ensure_ascii=False), is_code=True)
    return Fact(label, {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value))
