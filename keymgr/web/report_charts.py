"""Charts of the reports, each with the sentence that says the same."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.orm import Session

from keymgr.keys.reports import Owners, by_status, expiry_weeks
from keymgr.keys.reports_waits import waits
from keymgr.web.charts import Across, Lines, Series, Stacked, across, histogram, lines
from keymgr.web.wording import short_date, thousands

_WEEKS_AHEAD = 9
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Drawn:
    """One chart with its caption; `step` heads the first column of its table."""

    kind: Literal["bars", "lines", "across"]
    chart: Stacked | Lines | Across
    caption: str
    step: str


def expiry_chart(session: Session, owners: Owners, now: datetime) -> Drawn | None:
    """Draw how many keys end in each of the weeks to come; nothing where none does."""
    values = expiry_weeks(session, owners, weeks=_WEEKS_AHEAD, now=now)
    if not any(values):
        return None
    labels = [short_date((now + timedelta(weeks=week)).date()) for week in range(_WEEKS_AHEAD)]
    chart = histogram(labels, "Keys that end", values)
    most = f"The most, {thousands(chart.peak)}, in the week from {chart.peak_at}."
    caption = f"Keys whose secret ends, by week, in the next {_WEEKS_AHEAD} weeks: {thousands(sum(values))}. {most}"
    return Drawn("bars", chart, caption, "Week from")


def status_chart(session: Session, owners: Owners, now: datetime) -> Drawn | None:
    """Draw how many keys have each status; nothing where there is no key."""
    found = by_status(session, owners, now)
    total = sum(found.values())
    chart = across([(status.value, number) for status, number in found.items()])
    caption = f"{thousands(total)} {'key' if total == 1 else 'keys'} by status, now."
    return Drawn("across", chart, caption, "Status") if total else None


def waits_chart(session: Session, owners: Owners, now: datetime) -> Drawn | None:
    """Draw the middle and the longer wait of each week, in minutes while all are short; nothing below two weeks."""
    found = waits(session, owners, now=now)
    if len(found) < 2:  # noqa: PLR2004 - a line needs two points.
        return None
    is_short = max(week.nine_in_ten_seconds for week in found) < 3 * _HOUR
    size, unit = (60, "minutes") if is_short else (_HOUR, "hours")
    series = (
        Series("Half within", "s1", tuple(-(-week.middle_seconds // size) for week in found)),
        Series("Nine in ten within", "s2", tuple(-(-week.nine_in_ten_seconds // size) for week in found)),
    )
    decided = sum(week.decided for week in found)
    caption = (
        f"How long decisions took, in {unit}, by the week they were made in; {thousands(decided)} decisions. "
        f"The longest: {thousands(max(series[1].values))} {unit}. Weeks without a decision are left out."
    )
    return Drawn("lines", lines([short_date(week.monday) for week in found], series), caption, "Week from")
