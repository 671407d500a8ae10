"""Lines of reports: what each cell says on the page and in the file, and the one thing to do about a key."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from flask import url_for

from keymgr.keys.reports import ReportKey
from keymgr.keys.reports_fit import Gone, Orphan, OutOfPolicy
from keymgr.keys.reports_use import Anomaly, Oddity
from keymgr.keys.reports_waits import Waits
from keymgr.keys.status import Status
from keymgr.policy.existing import Verdict
from keymgr.policy.model import ViolationAction
from keymgr.web.visiting import rights
from keymgr.web.wording import date, thousands

_FOLLOWS = {
    ViolationAction.FLAG: ("should be mended", "should have been mended"),
    ViolationAction.SUSPEND: ("will be suspended", "was suspended"),
    ViolationAction.EXPIRE: ("will end", "was ended"),
    ViolationAction.REVOKE: ("will be revoked", "was revoked"),
}
_HOUR, _DAY = 3600, 86_400
_GONE = {
    Gone.LEFT: "has left",
    Gone.SUSPENDED: "is suspended",
    Gone.TEAM: "its team is in no policy any more",
    Gone.UNKNOWN: "is not known",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: text, or a moment with what it is that happens then."""

    text: str = ""
    at: datetime | None = None
    url: str | None = None

    @property
    def plain(self) -> str:
        """What the file says."""
        moment = "" if self.at is None else f"{self.at:%Y-%m-%dT%H:%M:%SZ}"
        return " ".join(part for part in (self.text, moment) if part)


@dataclass(frozen=True, slots=True)
class Action:
    """The link at the end of a line."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line; `url` opens the key where the visitor may, `action` is what to do about it where they can."""

    key: ReportKey | None
    cells: tuple[Cell, ...]
    url: str | None = None
    action: Action | None = None


def expiring_row(key: ReportKey) -> Row:
    """Say when the token ends, and whether a rotation helps."""
    helps = key.key_ends_at > key.ends_at
    action = _for_owners(key, "Rotate", _rotate(key)) if helps else _for_owners(key, "Ask for the next", _again(key))
    words = "its secret; a rotation goes on until the key ends" if helps else "the key"
    return Row(key, (Cell(at=key.ends_at), Cell(words), _last_used(key)), _open(key), action)


def unused_row(key: ReportKey) -> Row:
    """Say since when nobody has used it."""
    return Row(key, (_last_used(key), Cell(at=key.created_at), Cell(at=key.ends_at)), _open(key), _revoke(key))


def out_of_policy_row(found: OutOfPolicy) -> Row:
    """Say what does not fit and what follows when."""
    what = found.sentence if found.verdict is Verdict.VIOLATES else f"It cannot be told: {found.sentence}"
    words = ("", "") if found.action is None else _FOLLOWS[found.action]
    done = found.acted_at is not None
    then = Cell(words[1] if done else words[0], found.acted_at or found.due_at)
    key = found.key
    return Row(key, (Cell(what), Cell(at=found.since), then), _open(key), _see(key, "See why", "why"))


def orphan_row(found: Orphan) -> Row:
    """Say why nobody answers for it."""
    key = found.key
    return Row(key, (Cell(_GONE[found.why]), _last_used(key), Cell(at=key.ends_at)), _open(key), _revoke(key))


def anomaly_row(found: Anomaly) -> Row:
    """Say what is odd, with the numbers."""
    key, calls, beside = found.key, thousands(found.calls), thousands(found.beside)
    match found.oddity:
        case Oddity.OLD_SECRET:
            words = f"{calls} calls with a secret that a rotation replaced; somebody has not moved"
        case Oddity.REFUSALS:
            words = f"{calls} of {beside} calls refused"
        case Oddity.SURGE:
            words = f"{calls} calls on one day, usually {beside}"
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(found.oddity)
    return Row(key, (Cell(words), _last_used(key)), _open(key), _see(key, "Its use", "usage"))


def status_row(status: Status, number: int, *, is_all: bool) -> Row:
    """Say how many keys have a status; where the list holds the same keys, it leads there."""
    url = None if is_all else url_for("web.key_list", status=status.value)
    return Row(None, (Cell(status.value, url=url), Cell(thousands(number))))


def wait_row(week: Waits) -> Row:
    """Say how long the decisions of a week took."""
    times = (Cell(_rough(week.middle_seconds)), Cell(_rough(week.nine_in_ten_seconds)))
    return Row(None, (Cell(date(week.monday)), Cell(thousands(week.decided)), Cell(thousands(week.refused)), *times))


def _rough(seconds: int) -> str:
    if seconds < _HOUR:
        return f"{-(-seconds // 60)} min"
    return f"{seconds / _HOUR:.1f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.1f} days"


def _last_used(key: ReportKey) -> Cell:
    return Cell("never") if key.last_used_at is None else Cell(at=key.last_used_at)


def _open(key: ReportKey) -> str | None:
    """Return the key's page for those for whom it exists."""
    seen = rights().stoppable
    return url_for("web.key_page", key_id=key.id) if seen is None or key.owner in seen else None


def _see(key: ReportKey, label: str, part: str) -> Action | None:
    url = _open(key)
    return None if url is None else Action(label, f"{url}#{part}")


def _revoke(key: ReportKey) -> Action | None:
    return None if _open(key) is None else Action("Revoke", url_for("web.key_revoke", key_id=key.id))


def _for_owners(key: ReportKey, label: str, url: str) -> Action | None:
    return Action(label, url) if key.owner in rights().owners else _see(key, "Open", "usage")


def _rotate(key: ReportKey) -> str:
    return url_for("web.key_rotate", key_id=key.id)


def _again(key: ReportKey) -> str:
    same = {"name": key.name, "owner": key.owner, "service": key.service, "environment": key.environment}
    return url_for("web.key_new", **same, scope=list(key.scopes))  # type: ignore[arg-type]  # Flask takes lists.
