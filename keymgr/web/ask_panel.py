"""What the ask form is answered before it is sent: one panel, and one list of problems, for asking and for editing."""

from flask import Response, make_response, render_template

from keymgr import db
from keymgr.keys.ask import preview
from keymgr.keys.outcomes import Closed
from keymgr.policy.model import Asker, InForce
from keymgr.policy.patterns import fits
from keymgr.web.ask_form import Draft
from keymgr.web.explanation import Panel, panel_of
from keymgr.web.forge import forge_of
from keymgr.web.forms import Problem
from keymgr.web.portal import address, desk, now, wants_part

_NOTHING_CHOSEN = Panel(
    None, "Choose a service and at least one scope, and this shows which line of the policy decides."
)


def panel_for(opened: InForce, asker: Asker, draft: Draft) -> Panel:
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
    panel = panel_for(opened, asker, draft)
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
