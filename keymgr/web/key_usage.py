"""How a key is used, as the page shows it: calls by outcome over a chosen span, and where they came from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from flask import request, url_for
from sqlalchemy.orm import Session

from keymgr.keys.detail import KeyDetail
from keymgr.keys.usage import calls_per_day
from keymgr.keys.usage_hours import hours_between
from keymgr.policy.wording import count
from keymgr.tokens.verdicts import VerdictCode
from keymgr.web.charts import Series, Stacked, stacked
from keymgr.web.wording import clock, short_clock, short_date, thousands

Steps = Sequence[tuple[datetime | date, Mapping[str, int]]]

_CODE = VerdictCode
_LIMITED = frozenset({_CODE.RATE_LIMITED, _CODE.QUOTA_EXCEEDED})
_OUT_OF_USE = frozenset({_CODE.KEY_EXPIRED, _CODE.KEY_REVOKED, _CODE.KEY_SUPERSEDED, _CODE.KEY_SUSPENDED})
_OUTCOMES = (
    ("Accepted", "s1", frozenset({_CODE.OK})),
    ("Over a limit", "s2", _LIMITED),
    ("Not allowed", "s3", frozenset(_CODE) - {_CODE.OK} - _LIMITED - _OUT_OF_USE),
    ("Out of use", "s4", _OUT_OF_USE),
)


class Span(StrEnum):
    """Over which time the chart goes; the words are what stands in the address."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


_LABELS = {Span.DAY: "24 hours", Span.WEEK: "7 days", Span.MONTH: "30 days"}
_DAYS = {Span.WEEK: 7, Span.MONTH: 30}


@dataclass(frozen=True, slots=True)
class Choice:
    """One span that can be chosen."""

    span: Span
    label: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Used:
    """The use of a key over a span; `chart` is None where there was no call. `missing` says what cannot be in it."""

    label: str
    step: str
    caption: str
    chart: Stacked | None
    choices: tuple[Choice, ...]
    missing: str


def used(session: Session, key: KeyDetail, now: datetime) -> Used:
    """Read how the key was used over the span that the address asks for."""
    wanted = request.args.get("range", "")
    span = next((each for each in Span if each.value == wanted), Span.WEEK)
    steps = _steps(session, key.row.id, span, now)
    labels = [short_clock(at) if isinstance(at, datetime) else short_date(at) for at, _ in steps]
    chart = stacked(labels, by_outcome([calls for _, calls in steps]))
    step = "hour" if span is Span.DAY else "day"
    return Used(
        label=_LABELS[span],
        step=step.capitalize() if span is Span.DAY else "Day (UTC)",
        caption=_caption(chart, _LABELS[span], step, now),
        chart=chart if chart.plot.total else None,
        choices=tuple(_choice(key.row.id, each, span) for each in Span),
        missing=_missing(key, steps),
    )


def by_outcome(steps: Sequence[Mapping[str, int]]) -> tuple[Series, ...]:
    """Sum up verdict codes to outcomes; one that never came up is left out, except that a call was accepted."""
    found = (
        Series(name, mark, tuple(sum(calls.get(code, 0) for code in codes) for calls in steps))
        for name, mark, codes in _OUTCOMES
    )
    return tuple(series for series in found if series.mark == "s1" or series.total)


def outcome_words(calls: Mapping[str, int]) -> str:
    """Write calls by outcome as one list, such as `31 accepted, 2 over a limit`."""
    return ", ".join(f"{thousands(series.total)} {series.name.lower()}" for series in by_outcome([calls]))


def _steps(session: Session, key_id: str, span: Span, now: datetime) -> Steps:
    if span is Span.DAY:
        return [(hour.hour, hour.calls) for hour in hours_between(session, key_id, now - timedelta(hours=23), now)]
    return [(day.day, day.calls) for day in calls_per_day(session, key_id, days=_DAYS[span], now=now)]


def _caption(chart: Stacked, label: str, step: str, now: datetime) -> str:
    total, accepted = chart.plot.total, chart.plot.series[0].total
    at = "at" if step == "hour" else "on"
    return (
        f"Calls per {step}, {label} to {clock(now)}: {thousands(total)} in total, "
        f"{thousands(total - accepted)} of them not accepted. Peak: {thousands(chart.peak)} {at} {chart.peak_at}."
    )


def _missing(key: KeyDetail, steps: Steps) -> str:
    return " ".join(_gaps(key, steps))


def _gaps(key: KeyDetail, steps: Steps) -> Iterator[str]:
    first = steps[0][0]
    made = key.row.created_at
    if made > first if isinstance(first, datetime) else made.date() > first:
        yield f"The key was made on {clock(made)}; before that there is nothing to count."
    yield "Calls that a service checks by itself, without asking here, are not counted."


def _choice(key_id: str, span: Span, chosen: Span) -> Choice:
    return Choice(span, _LABELS[span], url_for("web.key_page", key_id=key_id, range=span.value), span is chosen)


def number_of(calls: Mapping[str, int]) -> str:
    """Write how many calls these are, such as `1 call` or `33 calls`."""
    total = sum(calls.values())
    return count(total, "call") if total == 1 else f"{thousands(total)} calls"
