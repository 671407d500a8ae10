"""The approver's inbox: what waits, riskiest first and then oldest, and why some of it waits for others."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import render_template, request
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.inbox import InboxRow, inbox
from keymgr.keys.review import unreviewed
from keymgr.keys.risk_flags import RISKY, is_production
from keymgr.policy.approving import MayNot
from keymgr.policy.model import InForce, Policy
from keymgr.web.colleagues import is_official, looking_up, may_ever_approve
from keymgr.web.portal import now, portal
from keymgr.web.request_words import progress, waits_on
from keymgr.web.visiting import in_force, visitor


@dataclass(frozen=True, slots=True)
class Line:
    """One request in the inbox; `stop` is the sentence that says why the visitor cannot approve it, else empty."""

    row: InboxRow
    is_risky: bool
    production: bool
    stop: str
    signed: str
    waits_on: str


@portal.get("/approvals")
def approval_list() -> ResponseReturnValue:
    """Show what waits for the visitor first, then what waits for others."""
    opened = in_force()
    lines = [] if opened is None else _lines(opened)
    service = request.args.get("service") or None
    shown = [line for line in lines if service is None or line.row.service == service]
    return render_template(
        "approvals/list.html",
        ours=[line for line in shown if not line.stop],
        others=[line for line in shown if line.stop],
        total=len(lines),
        services=sorted({line.row.service for line in lines} | ({service} if service else set())),
        service=service,
        emergencies=unreviewed(db.session(), now=now()) if is_official(visitor()) else (),
        is_approver=opened is not None and may_ever_approve(opened.policy, visitor().asker),
        now=now(),
    )


def _lines(opened: InForce) -> Sequence[Line]:
    session = db.session()
    rows = inbox(session, opened, visitor().asker, asker_of=looking_up(session, opened.policy), now=now())
    lines = [_line(row, opened.policy) for row in rows]
    return sorted(lines, key=lambda line: (not line.is_risky, line.row.created_at))


def _line(row: InboxRow, policy: Policy) -> Line:
    production = is_production(policy, row.environment)
    return Line(
        row=row,
        is_risky=production or row.risk in RISKY,
        production=production,
        stop=row.verdict.sentence if isinstance(row.verdict, MayNot) else "",
        signed=progress(row.steps),
        waits_on=waits_on(row.steps),
    )
