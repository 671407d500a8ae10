"""What the address of the audit page asks for: filters, read strictly, and addresses that ask for something else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import url_for
from sqlalchemy.orm import Session

from keymgr.store.audit_names import find_actor
from keymgr.store.audit_reading import ID_MAX, TEXT_LENGTH_MAX, Search
from keymgr.web.audit_words import DONE, KINDS, REFUSED
from keymgr.web.forms import Problem, one_line

FIELDS = ("q", "actor", "action", "from", "to", "kind", "object", "key", "service", "outcome", "request")
FEW = frozenset({"q", "actor", "action", "from", "to"})
ACTIONS = tuple(sorted(DONE.keys() | REFUSED.keys()))
OUTCOMES = {"done": "Done", "refused": "Refused"}
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_DAY_LENGTH = len("2026-11-22")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, as it was typed and as it is searched for; with problems, nothing is searched."""

    typed: Mapping[str, str]
    search: Search
    before: int | None
    problems: tuple[Problem, ...]

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is filtered."""
        return any(self.typed.values())

    @property
    def needs_more(self) -> bool:
        """Whether a filter is set that is not among the few that are always open."""
        return any(text for name, text in self.typed.items() if name not in FEW)

    def older_url(self, older: int) -> str:
        """Return the address of the page after this one."""
        return filter_url(**self.typed, before=str(older))


def filter_url(**filters: str) -> str:
    """Return the address of the audit page with these filters; empty ones are left out."""
    return url_for("web.audit_page", **{name: text for name, text in filters.items() if text})  # type: ignore[arg-type]  # Flask takes any value of a query.


def read_filters(session: Session, given: Mapping[str, str]) -> Asked:
    """Read what was sent; a word that no list has is not there, a time that is none is a problem."""
    typed = {name: one_line(given.get(name))[:TEXT_LENGTH_MAX] for name in FIELDS}
    typed |= {name: "" for name, known in _closed() if typed[name] not in known}
    since, until = _moment(typed["from"], ends=False), _moment(typed["to"], ends=True)
    sent = given.get("before", "")
    return Asked(
        typed=typed,
        search=Search(
            actor=find_actor(session, typed["actor"]) if typed["actor"] else None,
            action=typed["action"] or None,
            object_kind="key" if typed["key"] else typed["kind"] or None,
            object_id=typed["key"] or typed["object"] or None,
            service=typed["service"] or None,
            outcome=typed["outcome"] or None,
            request_id=typed["request"] or None,
            since=since,
            until=until,
            text=typed["q"],
        ),
        before=int(sent) if sent.isascii() and sent.isdecimal() and len(sent) < len(str(ID_MAX)) else None,
        problems=tuple(_problems(typed, since, until)),
    )


def _closed() -> tuple[tuple[str, frozenset[str]], ...]:
    return (("action", frozenset(ACTIONS)), ("kind", frozenset(KINDS)), ("outcome", frozenset(OUTCOMES)))


def _moment(text: str, *, ends: bool) -> datetime | None:
    """Read a day or a moment in UTC; a day that ends a span is meant with all its hours."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if not _EARLIEST <= moment < _LATEST:
        return None
    return moment + timedelta(days=1) if ends and len(text) <= _DAY_LENGTH else moment


def _problems(typed: Mapping[str, str], since: datetime | None, until: datetime | None) -> list[Problem]:
    words = "is no time I can read. Write a day, such as 2026-11-22, or a moment in UTC, such as 2026-11-22 14:30."
    found = [
        Problem(field, f"“{typed[field]}” {words}")
        for field, moment in (("from", since), ("to", until))
        if typed[field] and moment is None
    ]
    if since is not None and until is not None and since >= until:
        found.append(Problem("to", "The end lies before the beginning. Swap the two, or leave one out."))
    return found
