"""A grace as pages show it: until when the old secret works, how often it is still used and from where."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from keymgr.keys.grace import Grace, grace_of
from keymgr.keys.usage_hours import HOUR, Source, hour_of, hours_between, sources_of
from keymgr.web.charts import Lines, Series, lines
from keymgr.web.key_usage import number_of, outcome_words
from keymgr.web.portal import now
from keymgr.web.visiting import in_force
from keymgr.web.wording import clock, countdown, short_clock, time_of_day

_SOURCES = 8
_CHART_HOURS = 72
_LEAST_HOURS = 12
_SOON = timedelta(hours=1)
_LONGER = (("1 hour longer", HOUR), ("1 day longer", 24 * HOUR), ("7 days longer", 7 * 24 * HOUR))


@dataclass(frozen=True, slots=True)
class Running:
    """A grace as the page shows it. `calls` says in words how often the old secret was used lately."""

    grace: Grace
    left: str
    since: str
    calls: str
    sources: tuple[Source, ...]
    chart: Lines | None
    is_urgent: bool
    choices: tuple[tuple[str, str], ...]


def running(session: Session, key_id: str) -> Running | None:
    """Read the grace of a key with everything the page says of it; None when there is none."""
    grace = grace_of(session, in_force(), key_id, now())
    if grace is None:
        return None
    since = max(hour_of(now() - HOUR), hour_of(grace.began_at))
    lately: Counter[str] = Counter()
    for hour in hours_between(session, grace.old_id, since, now()):
        lately.update(hour.calls)
    return Running(
        grace=grace,
        left=countdown(grace.ends_at, now()),
        since=time_of_day(max(since, grace.began_at)),
        calls=f"{number_of(lately)} ({outcome_words(lately)})" if lately.total() else "",
        sources=sources_of(session, grace.old_id, most=_SOURCES, since=since),
        chart=_chart(session, key_id, grace),
        is_urgent=bool(lately.total()) and grace.ends_at - now() <= _SOON,
        choices=tuple(_choices(grace)),
    )


def _choices(grace: Grace) -> list[tuple[str, str]]:
    """Offer a little longer, a day, a week, and as long as the rule allows; each with the exact moment."""
    sooner = ((words, grace.ends_at + longer) for words, longer in _LONGER)
    found = [(words, until) for words, until in sooner if until < grace.latest]
    if grace.latest > grace.ends_at:
        found.append(("The longest the rule allows", grace.latest))
    return [(until.isoformat(), f"{words}: until {clock(until)}") for words, until in found]


def _chart(session: Session, key_id: str, grace: Grace) -> Lines | None:
    """Draw the calls of both secrets hour by hour since the rotation, and where the old one ends."""
    first = max(grace.began_at, now() - _CHART_HOURS * HOUR)
    old = [sum(hour.calls.values()) for hour in hours_between(session, grace.old_id, first, now())]
    both = [sum(hour.calls.values()) for hour in hours_between(session, key_id, first, now())]
    if len(both) == 1 or not sum(both):
        return None  # One point is no line; the sentence says the number.
    new = [max(0, together - mine) for together, mine in zip(both, old, strict=True)]
    ahead = min(max(_LEAST_HOURS, 2 * len(both)), (hour_of(grace.ends_at) - hour_of(first)) // HOUR + 1)
    labels = [short_clock(hour_of(first) + step * HOUR) for step in range(max(ahead, len(both)))]
    place = (grace.ends_at - hour_of(first)) / HOUR
    cut = (place, "old secret ends") if place <= len(labels) else None
    return lines(labels, (Series("New secret", "s1", tuple(new)), Series("Old secret", "s2", tuple(old))), cut=cut)
