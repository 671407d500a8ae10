"""Reports: what needs a look among the keys one may act for, or among everybody's for those who look after them."""

from collections.abc import Iterator
from dataclasses import replace

from flask import Response, abort, render_template, request
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.reports import Page, counted_since
from keymgr.keys.reports_waits import asked_since
from keymgr.people.whois import owners_of
from keymgr.web.policy_keys import oversees
from keymgr.web.portal import now, portal
from keymgr.web.report_kinds import KINDS, Kind, Question
from keymgr.web.report_rows import Row
from keymgr.web.spreadsheet import line
from keymgr.web.visiting import in_force, visitor
from keymgr.web.wording import date

_DIGITS_MAX = 8
_KEY_COLUMNS = ("key id", "name", "owner", "service", "environment")


@portal.get("/reports")
def report_list() -> ResponseReturnValue:
    """List the reports with how much each has found."""
    asked = _question()
    found = [(name, kind, _total(kind, asked)) for name, kind in KINDS.items()]
    return render_template("reports/list.html", found=found, of_all=asked.owners is None)


@portal.get("/reports/<report>")
def report_page(report: str) -> ResponseReturnValue:
    """Show one report, page by page."""
    kind = _kind(report)
    asked = _chosen(kind)
    return render_template(
        "reports/report.html",
        name=report,
        kind=kind,
        choice=asked.choice,
        page=kind.read(asked),
        drawn=None if kind.draw is None else kind.draw(asked),
        since=_since(kind),
        of_all=asked.owners is None,
        me=visitor().asker.id,
        now=now(),
    )


@portal.get("/reports/<report>.csv")
def report_file(report: str) -> ResponseReturnValue:
    """Hand the whole of one report over as a file."""
    kind = _kind(report)
    asked = replace(_chosen(kind), number=None)
    page = kind.read(asked)
    response = Response("".join(_lines(kind, page)), mimetype="text/csv")
    span = f"-{asked.choice}" if asked.choice else ""
    response.headers["Content-Disposition"] = f'attachment; filename="{report}{span}-{now():%Y-%m-%d}.csv"'
    return response


def _kind(report: str) -> Kind:
    if report not in KINDS:
        abort(404)
    return KINDS[report]


def _question() -> Question:
    owners = None if oversees(visitor()) else owners_of(visitor())
    opened = in_force()
    teams = None if opened is None else frozenset(opened.policy.teams)
    return Question(db.session(), owners, teams, now())


def _chosen(kind: Kind) -> Question:
    """Read the span and the page number; what is none of those offered is the first."""
    choice, number = request.args.get("span", ""), request.args.get("page", "1")
    is_number = number.isascii() and number.isdecimal() and len(number) < _DIGITS_MAX
    return replace(
        _question(),
        choice=choice if choice in kind.choices else next(iter(kind.choices), ""),
        number=int(number) if is_number else 1,
    )


def _total(kind: Kind, asked: Question) -> int:
    return kind.read(replace(asked, choice=next(iter(kind.choices), ""))).total


def _since(kind: Kind) -> str:
    """Say before when there is nothing to know."""
    if kind.needs_use:
        first = counted_since(db.session())
        return (
            "No call was counted yet." if first is None else f"No data before {date(first)}: calls are counted since."
        )
    if kind.needs_requests:
        asked = asked_since(db.session())
        return "" if asked is None else f"No data before {date(asked)}: the first request was made then."
    return ""


def _lines(kind: Kind, page: Page[Row]) -> Iterator[str]:
    yield line([*(_KEY_COLUMNS if kind.of_keys else ()), *(column.lower() for column in kind.columns)])
    for row in page.rows:
        key = row.key
        named = () if key is None else (key.id, key.name, key.owner, key.service, key.environment)
        yield line([*named, *(cell.plain for cell in row.cells)])
