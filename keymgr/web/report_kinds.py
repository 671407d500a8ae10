"""Which reports there are: what each means in words, what may be chosen, and how it is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from keymgr.keys.reports import Owners, Page, by_status, expiring, unused
from keymgr.keys.reports_fit import out_of_policy, owner_gone
from keymgr.keys.reports_use import (
    BASE_DAYS,
    KNOWN_DAYS_MIN,
    REFUSED_MIN,
    REFUSED_SHARE,
    SURGE_CALLS_MIN,
    SURGE_TIMES,
    anomalies,
)
from keymgr.keys.reports_waits import WEEKS, waits
from keymgr.web.report_charts import Drawn, expiry_chart, status_chart, waits_chart
from keymgr.web.report_rows import (
    Row,
    anomaly_row,
    expiring_row,
    orphan_row,
    out_of_policy_row,
    status_row,
    unused_row,
    wait_row,
)


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for a report, and when; `number` None wants all of it, `choice` is one of those it offers."""

    session: Session
    owners: Owners
    teams: frozenset[str] | None
    now: datetime
    number: int | None = 1
    choice: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One report; `summary` is its definition in a few words, `choices` its spans in words, the usual one first.

    `needs_use` and `needs_requests` say what it is read from, because there is nothing before that was kept.
    """

    title: str
    summary: str
    definition: str
    columns: tuple[str, ...]
    read: Callable[[Question], Page[Row]]
    nothing: str
    choices: Mapping[str, str] = field(default_factory=dict)
    of_keys: bool = True
    needs_use: bool = False
    needs_requests: bool = False
    draw: Callable[[Question], Drawn | None] | None = None


def _expiring(asked: Question) -> Page[Row]:
    found = expiring(asked.session, asked.owners, days=int(asked.choice), now=asked.now, number=asked.number)
    return found.turned(expiring_row)


def _unused(asked: Question) -> Page[Row]:
    days = None if asked.choice == "never" else int(asked.choice)
    return unused(asked.session, asked.owners, days=days, now=asked.now, number=asked.number).turned(unused_row)


def _out_of_policy(asked: Question) -> Page[Row]:
    return out_of_policy(asked.session, asked.owners, now=asked.now, number=asked.number).turned(out_of_policy_row)


def _owner_gone(asked: Question) -> Page[Row]:
    found = owner_gone(asked.session, asked.owners, teams=asked.teams, now=asked.now, number=asked.number)
    return found.turned(orphan_row)


def _anomalies(asked: Question) -> Page[Row]:
    found = anomalies(asked.session, asked.owners, now=asked.now)
    return Page(tuple(anomaly_row(each) for each in found), len(found))


def _statuses(asked: Question) -> Page[Row]:
    found = by_status(asked.session, asked.owners, asked.now)
    is_all = asked.owners is None
    return Page(tuple(status_row(*each, is_all=is_all) for each in found.items()), sum(found.values()))


def _waits(asked: Question) -> Page[Row]:
    found = waits(asked.session, asked.owners, now=asked.now)
    return Page(tuple(wait_row(week) for week in reversed(found)), sum(week.decided for week in found))


KINDS: Mapping[str, Kind] = {
    "expiring": Kind(
        title="Expiring",
        summary="Their secret ends within 14 days.",
        definition="Keys that work today and whose secret ends within the chosen time.",
        columns=("Ends", "What ends", "Last used"),
        read=_expiring,
        nothing="No key ends within this time.",
        choices={"14": "14 days", "30": "30 days", "60": "60 days"},
        draw=lambda asked: expiry_chart(asked.session, asked.owners, asked.now),
    ),
    "unused": Kind(
        title="Unused",
        summary="They never had an accepted call.",
        definition="Keys that work today and had no accepted call for the chosen time, as far as verification went "
        "through keymgr. A service that checks tokens by itself does not report their use.",
        columns=("Last used", "Made", "Ends"),
        read=_unused,
        nothing="Every key was used within this time.",
        choices={"never": "Never used", "30": "Not for 30 days", "90": "Not for 90 days"},
        needs_use=True,
    ),
    "out-of-policy": Kind(
        title="Out of policy",
        summary="The policy in force would not allow them as they are.",
        definition="Keys that work today and that the policy in force would not allow as they are, or of which that "
        "cannot be told, by the last look at them.",
        columns=("What does not fit", "Since", "What follows"),
        read=_out_of_policy,
        nothing="Every key fits the policy.",
    ),
    "owner-gone": Kind(
        title="Owner gone",
        summary="Nobody answers for them.",
        definition="Keys that work today although nobody answers for them: the person has left or is suspended, or the "
        "service account is, or its team is in no policy any more.",
        columns=("The owner", "Last used", "Ends"),
        read=_owner_gone,
        nothing="Somebody answers for every key.",
    ),
    "anomalies": Kind(
        title="Anomalies",
        summary="Odd use, yesterday and today.",
        definition="What was out of the ordinary yesterday and today (UTC): calls with a secret that a rotation has "
        f"replaced and whose time is over; {REFUSED_MIN} or more refused calls, one in {REFUSED_SHARE} or more; "
        f"{SURGE_CALLS_MIN} or more accepted calls on a day that are more than on any of the {BASE_DAYS} days before "
        f"and {SURGE_TIMES} times their median, for keys with calls on {KNOWN_DAYS_MIN} of those days or more.",
        columns=("What is odd", "Last used"),
        read=_anomalies,
        nothing="Nothing was out of the ordinary.",
        needs_use=True,
    ),
    "approval-times": Kind(
        title="Approval times",
        summary="Decisions of the last 12 weeks, and how long they took.",
        definition=f"How long requests of the last {WEEKS} weeks waited until they were approved or refused, by the "
        "week of the decision. Half of them took the middle time or less, nine in ten the longer one or less. Requests "
        "that were withdrawn, lapsed or granted in an emergency do not count.",
        columns=("Week from", "Decided", "Refused", "Half within", "Nine in ten within"),
        read=_waits,
        nothing="No request was decided in this time.",
        of_keys=False,
        needs_requests=True,
        draw=lambda asked: waits_chart(asked.session, asked.owners, asked.now),
    ),
    "status": Kind(
        title="Keys by status",
        summary="All keys, by how they stand.",
        definition="All keys there ever were, by how they stand now.",
        columns=("Status", "Keys"),
        read=_statuses,
        nothing="There is no key yet.",
        of_keys=False,
        draw=lambda asked: status_chart(asked.session, asked.owners, asked.now),
    ),
}
