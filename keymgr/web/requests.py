"""Requests for keys that need approval: the visitor's own and those for service accounts of their teams."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flask import render_template, request
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.requests import RequestRow, requests_of
from keymgr.keys.waiting_on import waiting_on
from keymgr.people.whois import owners_of
from keymgr.policy.approving import StepStanding
from keymgr.store.keys import RequestState
from keymgr.web.colleagues import looking_up
from keymgr.web.portal import now, portal
from keymgr.web.request_words import READY, progress, waits_on, word_of
from keymgr.web.visiting import in_force, visitor


class Shown(StrEnum):
    """What a list can be narrowed to; the words are in the address."""

    OPEN = "open"
    WAITING = "waiting"
    READY = "ready"
    ENDED = "ended"


_LABELS = (
    (Shown.OPEN, "Open: waiting or ready"),
    (Shown.WAITING, "Waiting"),
    (Shown.READY, READY),
    (Shown.ENDED, "Ended"),
)
_STATES = {
    Shown.OPEN: frozenset({RequestState.WAITING, RequestState.APPROVED}),
    Shown.WAITING: frozenset({RequestState.WAITING}),
    Shown.READY: frozenset({RequestState.APPROVED}),
    Shown.ENDED: frozenset({RequestState.CLAIMED, RequestState.REFUSED, RequestState.LAPSED, RequestState.WITHDRAWN}),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the list; `waits_on` says whom it waits for and `signed` how far it has come."""

    row: RequestRow
    word: str
    waits_on: str
    signed: str


@portal.get("/requests")
def request_list() -> ResponseReturnValue:
    """Show what was asked for and what came of it, what can be claimed first."""
    chosen = next((shown for shown in Shown if shown.value == request.args.get("state")), None)
    lines = _lines()
    return render_template(
        "requests/list.html",
        lines=[line for line in lines if chosen is None or line.row.state in _STATES[chosen]],
        total=len(lines),
        chosen=chosen,
        labels=_LABELS,
        me=visitor().asker.id,
        now=now(),
    )


def _lines() -> list[Line]:
    session, opened, owners = db.session(), in_force(), owners_of(visitor())
    steps: Mapping[str, tuple[StepStanding, ...]] = {}
    if opened is not None:
        steps = waiting_on(session, opened, owners, asker_of=looking_up(session, opened.policy), now=now())
    lines = [_line(row, steps.get(row.id, ())) for row in requests_of(session, owners, now=now())]
    order = {RequestState.APPROVED: 0, RequestState.WAITING: 1}
    return sorted(lines, key=lambda line: order.get(line.row.state, len(order)))


def _line(row: RequestRow, steps: tuple[StepStanding, ...]) -> Line:
    return Line(row, word_of(row.state), waits_on(steps), progress(steps) if steps else "")
