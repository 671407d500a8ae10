"""Asking for a key: the form, the explanation beside it, and what comes of sending it."""

from typing import assert_never

from flask import Response, abort, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from keymgr import db
from keymgr.keys.ask import ask
from keymgr.keys.gate import gate
from keymgr.keys.order import Order
from keymgr.keys.outcomes import AlreadyDone, AskOutcome, Closed, Incomplete, Issued, Pending, PolicyMoved, Refused
from keymgr.policy.model import Asker, InForce
from keymgr.web.ask_form import Draft, choices_of, read_draft
from keymgr.web.ask_panel import closed_page, panel_for, problems_of_policy
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.portal import address, desk, go_to, needs_recent_sign_in, now, only_reads, portal, wants_part
from keymgr.web.reveal import already_page, reveal_page
from keymgr.web.visiting import actor, asker_for, in_force, visitor
from keymgr.web.wording import clock


@portal.get("/keys/new")
def key_new() -> ResponseReturnValue:
    """Show the form, filled in from the address or from a draft that a sign-in interrupted.

    Each change of the form asks here too. Where it still shows the right choices, they are left as they are: whoever
    has just ticked a box keeps that box, its focus, and what a screen reader said of it.
    """
    return _form_page(typed() or request.args)


@portal.post("/keys/new")
@only_reads
def key_check() -> ResponseReturnValue:
    """Show the form again with the policy's answer: the way without JavaScript."""
    return _form_page(request.form)


@portal.post("/keys")
@needs_recent_sign_in
def key_create() -> ResponseReturnValue:
    """Ask for the key and show what came of it; the secret is in this one answer and nowhere else."""
    opened = gate(in_force(), desk().issuer)
    if isinstance(opened, Closed):
        return closed_page(opened)
    draft = read_draft(request.form, me=visitor().asker.id, policy=opened.policy)
    asker = _asker(draft)
    problems = draft.problems or problems_of_policy(opened, asker, draft)
    if problems:
        return _form_page(request.form, problems=problems, status=422)
    session = db.session()
    order = Order(
        name=draft.name,
        wish=draft.wish,
        justification=draft.justification,
        evidence=draft.evidence(address=address()),
        seen_revision=draft.revision,
        nonce=draft.nonce or new_nonce(),
        person_id=visitor().person_id,
    )
    outcome = ask(session, opened, asker=asker, actor=actor(), order=order, issuer=desk().issuer, now=now())
    session.commit()
    return _answer(outcome, opened)


def _answer(outcome: AskOutcome, opened: InForce) -> ResponseReturnValue:
    match outcome:
        case Issued():
            return reveal_page(outcome, opened)
        case Pending():
            flash(f"The request was sent for approval. It waits until {clock(outcome.expires_at)}.")
            return go_to(url_for("web.request_page", request_id=outcome.request_id))
        case Refused():
            problem = Problem("explain", "The policy does not allow this. What stands in the way is shown below.")
            return _form_page(request.form, problems=(problem,), status=403)
        case Incomplete(lacking):
            problems = tuple(Problem(lack.field, lack.sentence) for lack in lacking)
            return _form_page(request.form, problems=problems, status=422)
        case Closed():
            return closed_page(outcome)
        case PolicyMoved():
            problem = Problem(
                "explain",
                f"The policy changed from revision {outcome.seen_revision} to {outcome.revision} meanwhile, and its "
                "answer with it. Nothing was created. Look at the new answer, then send again.",
            )
            return _form_page(request.form, problems=(problem,), status=409)
        case AlreadyDone():
            return already_page(outcome)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _form_page(values: MultiDict[str, str], *, problems: tuple[Problem, ...] = (), status: int = 200) -> Response:
    opened = gate(in_force(), desk().issuer)
    if isinstance(opened, Closed):
        return closed_page(opened)
    draft = read_draft(values, me=visitor().asker.id, policy=opened.policy)
    asker = _asker(draft)
    choices = choices_of(opened.policy, asker, draft, now())
    page = render_template(
        "keys/new.html",
        draft=draft,
        choices=choices,
        owners=_owners(),
        panel=panel_for(opened, asker, draft),
        problems=problems,
        nonce=new_nonce(),
    )
    response = make_response(page, status)
    if wants_part() and request.method == "GET" and draft.shown == choices.shown:
        response.headers["HX-Reswap"] = "none"
    return response


def _asker(draft: Draft) -> Asker:
    """Return who would own the key; an owner the visitor may not act for is nobody here."""
    asker = asker_for(draft.owner)
    if asker is None:
        abort(404, "There is no such owner among yours. Choose yourself or a service account of one of your teams.")
    return asker


def _owners() -> tuple[tuple[str, str], ...]:
    """Offer the visitor and the service accounts of the visitor's teams."""
    me = visitor()
    accounts = tuple((f"svc:{name}", f"{name}, service account of {team}") for name, team in me.service_accounts)
    return ((me.asker.id, f"{me.display_name} (you)"), *accounts)
