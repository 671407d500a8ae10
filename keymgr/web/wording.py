"""How pages speak of time and numbers: absolute with the zone, relative beside it."""

from collections.abc import Iterable
from datetime import date as day
from datetime import datetime, timedelta

from keymgr.policy.model import RateLimit
from keymgr.policy.wording import all_of, count
from keymgr.web.zone import zone

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MARKS = {
    "Active": ("ok", "good"),
    "Approved": ("ok", "good"),
    "Claimed": ("ok", "good"),
    "Ready to claim": ("key", "good"),
    "Done": ("ok", "good"),
    "granted": ("ok", "good"),
    "Expiring": ("clock", "wait"),
    "Grace": ("clock", "wait"),
    "Waiting": ("clock", "wait"),
    "pending": ("clock", "wait"),
    "Suspended": ("pause", "bad"),
    "Revoked": ("no", "bad"),
    "Refused": ("no", "bad"),
    "refused": ("no", "bad"),
    "Expired": ("no", "idle"),
    "Lapsed": ("no", "idle"),
    "Withdrawn": ("no", "idle"),
}
_TURNING = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Characters that turn or push what is written after them, so that a name could rearrange the page around it."""
_PER = {1: "a second", _MINUTE: "a minute", _HOUR: "an hour", _DAY: "a day"}


def date(moment: datetime | day) -> str:
    """Write a day, such as `1 Dec 2026`; of a moment, the day it is in the visitor's zone."""
    there = moment.astimezone(zone()) if isinstance(moment, datetime) else moment
    return f"{there.day} {there:%b %Y}"


def clock(moment: datetime) -> str:
    """Write a moment in the visitor's zone and name the zone, such as `1 Dec 2026, 14:00 UTC`."""
    return f"{date(moment)}, {time_of_day(moment)}"


def time_of_day(moment: datetime) -> str:
    """Write the time of a moment in the visitor's zone, such as `14:00 UTC`, `15:00 CET` or `11:00 UTC-03:00`."""
    there = moment.astimezone(zone())
    name = there.tzname() or ""
    return f"{there:%H:%M} {name if name[:1].isalpha() else 'UTC' + there.isoformat()[-6:]}"


def short_date(at: day) -> str:
    """Write a day beside its neighbours, such as `1 Dec`."""
    return f"{at.day} {at:%b}"


def short_clock(moment: datetime) -> str:
    """Write a moment beside its neighbours in the visitor's zone, such as `1 Dec 14:00`; the zone is named nearby."""
    there = moment.astimezone(zone())
    return f"{short_date(there)} {there:%H:%M}"


def countdown(moment: datetime, now: datetime) -> str:
    """Write how long it is until a moment, to the minute, such as `22 h 14 min`."""
    minutes = max(0, int((moment - now).total_seconds())) // _MINUTE
    days, hours = divmod(minutes // 60, 24)
    parts = ((days, "day" if days == 1 else "days"), (hours, "h"), (minutes % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "less than a minute"


def distance(moment: datetime, now: datetime) -> str:
    """Write how far a moment is from now, to the nearest unit, such as `in 9 days` or `4 min ago`."""
    seconds = int((moment - now).total_seconds())
    if abs(seconds) < _MINUTE:
        return "in less than a minute" if seconds > 0 else "just now"
    words = _rough(abs(seconds))
    return f"in {words}" if seconds > 0 else f"{words} ago"


def _rough(seconds: int) -> str:
    if (minutes := round(seconds / _MINUTE)) < _HOUR // _MINUTE:
        return f"{minutes} min"
    if (hours := round(seconds / _HOUR)) < 2 * _DAY // _HOUR:
        return f"{hours} h"
    return count(round(seconds / _DAY), "day")


def until(moment: datetime, seconds: int) -> str:
    """Write when something ends that starts at `moment`, such as `22 Dec 2026`; short spans name the hour."""
    end = moment + timedelta(seconds=seconds)
    return clock(end) if seconds < 2 * _DAY else date(end)


def rate(limit: RateLimit) -> str:
    """Write a rate limit, such as `6,000 calls a minute` or `500 calls in 10 seconds`."""
    per = _PER.get(limit.per_seconds)
    if per is None:
        per = f"in {_span(limit.per_seconds)}"
    return f"{limit.requests:,} calls {per}"


def rates(limits: Iterable[RateLimit]) -> str:
    """Write several limits as one list."""
    return all_of(rate(limit) for limit in limits)


def owner_words(owner_id: str) -> str:
    """Write an owner id such as `svc:pay-ci` in words."""
    kind, _, name = owner_id.partition(":")
    return f"service account {name}" if kind == "svc" else name


def thousands(number: int) -> str:
    """Write a number so that it can be read, such as `12,402`."""
    return f"{number:,}"


def icon_of(word: str) -> str:
    """Return the one icon of a status word or of an answer's state."""
    return _MARKS[word][0]


def tone_of(word: str) -> str:
    """Return the one colour of a status word or of an answer's state, as a class of the style sheet."""
    return _MARKS[word][1]


def _span(seconds: int) -> str:
    for size, noun in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds % size == 0:
            return count(seconds // size, noun)
    return count(seconds, "second")


def straight(value: object) -> object:
    """Return what a template writes, without characters that would turn the writing around it."""
    return value if not isinstance(value, str) or value.isascii() else value.translate(_TURNING)
