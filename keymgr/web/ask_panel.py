"""What the ask form is answered before it is sent: one panel, and one list of problems, for asking and for editing."""

from dataclasses import replace

from flask import Response, make_response, render_template

from keymgr import db
from keymgr.keys.ask import preview
from keymgr.keys.outcomes import Closed
from keymgr.policy.model import Asker, InForce
from keymgr.policy.patterns import fits
from keymgr.web.ask_form import Draft
from keymgr.web.explanation import Panel, Rest, panel_of
from keymgr.web.explanation_lines import Answer
from keymgr.web.forge import forge_of
from keymgr.web.forms import Problem
from keymgr.web.portal import address, desk, now, wants_part

_NOTHING_CHOSEN = Panel(
    None, "Choose a service and at least one scope, and this shows which line of the policy decides."
)
_SENT_AS = {
    Answer.GRANTED: "Create with allowed scopes only",
    Answer.PENDING: "Send only the allowed scopes for approval",
}


def panel_for(opened: InForce, asker: Asker, draft: Draft) -> Panel:
    """Return the answer to the draft; where some scopes stand in the way of others, with an offer of those others."""
    panel = _panel(opened, asker, draft)
    refused = frozenset(line.scope for line in panel.lines if line.answer is Answer.REFUSED)
    allowed = tuple(line.scope for line in panel.lines if line.scope not in refused)
    if not refused or not allowed:
        return panel
    without = _panel(opened, asker, replace(draft, scopes=allowed))
    if without.answer not in _SENT_AS:
        return panel
    return replace(
        panel,
        rest=Rest(allowed, _SENT_AS[without.answer]),
        reason_wanted=panel.reason_wanted or without.reason_wanted,
        ticket_wanted=panel.ticket_wanted or without.ticket_wanted,
        ticket_pattern=panel.ticket_pattern or without.ticket_pattern,
    )


def _panel(opened: InForce, asker: Asker, draft: Draft) -> Panel:
    """Ask the same function that a submit asks, and write its answer out."""
    if not draft.is_enough:
        return _NOTHING_CHOSEN
    explanation = preview(
        db.session(),
        opened,
        asker=asker,
        wish=draft.wish,
        evidence=draft.evidence(address=address()),
        issuer=desk().issuer,
        now=now(),
    )
    if isinstance(explanation, Closed):
        return Panel(None, explanation.sentence)
    forge = forge_of(opened, desk().forge_url, desk().policy_folder)
    return panel_of(explanation, policy=opened.policy, asker=asker, wish=draft.wish, forge=forge)


def problems_of_policy(opened: InForce, asker: Asker, draft: Draft) -> tuple[Problem, ...]:
    """Say what the deciding rule's approval asks of the form beside the wish: a reason, a ticket."""
    panel = _panel(opened, asker, draft)
    problems = []
    if panel.reason_wanted and not draft.justification:
        problems.append(Problem("justification", "Say why you need this key; whoever approves it reads that."))
    if panel.ticket_pattern is not None and not fits(panel.ticket_pattern, draft.ticket):
        problems.append(Problem("ticket", f"Name the ticket in the form {panel.ticket_pattern}."))
    return tuple(problems)


def closed_page(closed: Closed) -> Response:
    """Say why nothing is issued at the moment, in place of the whole page."""
    response = make_response(render_template("keys/closed.html", sentence=closed.sentence), 409)
    if wants_part():
        response.headers.update({"HX-Retarget": "#main", "HX-Reselect": "#main", "HX-Reswap": "outerHTML"})
    return response
