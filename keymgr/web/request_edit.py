"""Editing a request: the form of an ask, filled in; what was approved before is void, and the page says so first."""

from typing import assert_never

from flask import Response, abort, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.amend import amend
from keymgr.keys.gate import gate
from keymgr.keys.order import Order
from keymgr.keys.outcomes import (
    AlreadyDone,
    Amended,
    AmendOutcome,
    Approved,
    Changed,
    Closed,
    Incomplete,
    NotNow,
    NotYours,
    PolicyMoved,
    Refused,
)
from keymgr.keys.request_detail import RequestDetail
from keymgr.policy.model import Asker, InForce
from keymgr.web.ask_form import Draft, choices_of, read_draft
from keymgr.web.ask_panel import closed_page, panel_for, problems_of_policy
from keymgr.web.colleagues import looking_up
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.portal import address, desk, go_to, now, portal, wants_part
from keymgr.web.request_view import is_open, is_ours, read_request
from keymgr.web.request_words import sentence_of
from keymgr.web.visiting import actor, asker_for, in_force, rights, visitor
from keymgr.web.wording import owner_words

_Values = MultiDict[str, str]


@portal.get("/requests/<request_id>/edit")
def request_edit(request_id: str) -> ResponseReturnValue:
    """Show the form as the request is; a change of the form asks here for what may be chosen then."""
    asked = _editable(request_id)
    return _page(asked, typed() or request.args or _values_of(asked))


@portal.post("/requests/<request_id>/edit")
def request_edit_submit(request_id: str) -> ResponseReturnValue:
    """Put the new wish in the place of the old one; `check` in the address only asks what would happen."""
    asked = _editable(request_id)
    opened = gate(in_force(), desk().issuer)
    if isinstance(opened, Closed):
        return closed_page(opened)
    if "check" in request.args:
        return _page(asked, request.form)
    draft, asker = _draft(asked, request.form, opened), _asker(asked)
    problems = draft.problems or problems_of_policy(opened, asker, draft)
    if problems:
        return _page(asked, request.form, problems=problems, status=422)
    return _answer(asked, _amend(asked, opened, draft))


def _amend(asked: RequestDetail, opened: InForce, draft: Draft) -> AmendOutcome:
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
    outcome = amend(
        session,
        opened,
        request_id=asked.id,
        actor=actor(),
        rights=rights(),
        asker_of=looking_up(session, opened.policy),
        order=order,
        seen_digest=request.form.get("seen", "")[:64],
        issuer=desk().issuer,
        now=now(),
    )
    session.commit()
    return outcome


def _answer(asked: RequestDetail, outcome: AmendOutcome) -> ResponseReturnValue:
    match outcome:
        case Amended() | Approved() | AlreadyDone():
            return _done(asked, outcome)
        case Refused() | PolicyMoved() | Incomplete():
            return _again(asked, outcome)
        case Changed(sentence) | NotNow(sentence):
            return _page(read_request(asked.id), request.form, problems=(Problem("", sentence),), status=409)
        case Closed():
            return closed_page(outcome)
        case NotYours():
            raise NotFound
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _done(asked: RequestDetail, outcome: Amended | Approved | AlreadyDone) -> Response:
    if isinstance(outcome, Amended):
        flash("The request is changed. Its approval starts over.")
    if isinstance(outcome, Approved):
        flash("The request is changed. The policy grants it like this at once: you can claim the key.")
    return go_to(url_for("web.request_page", request_id=asked.id))


def _again(asked: RequestDetail, outcome: Refused | PolicyMoved | Incomplete) -> Response:
    """Show the form with what stands in the way; nothing was changed."""
    if isinstance(outcome, Incomplete):
        problems = tuple(Problem(lack.field, lack.sentence) for lack in outcome.lacking)
        return _page(asked, request.form, problems=problems, status=422)
    if isinstance(outcome, Refused):
        problem = Problem("explain", "The policy does not allow this. What stands in the way is shown below.")
        return _page(asked, request.form, problems=(problem,), status=403)
    sentence = (
        f"The policy changed from revision {outcome.seen_revision} to {outcome.revision} meanwhile, and its answer "
        "with it. Nothing was changed. Look at the new answer, then send again."
    )
    return _page(asked, request.form, problems=(Problem("explain", sentence),), status=409)


def _editable(request_id: str) -> RequestDetail:
    """Read a request of an owner the visitor may act for; every other is not there."""
    asked = read_request(request_id)
    if not is_ours(asked):
        abort(404)
    return asked


def _asker(asked: RequestDetail) -> Asker:
    asker = asker_for(asked.owner)
    if asker is None:
        abort(404)
    return asker


def _draft(asked: RequestDetail, values: _Values, opened: InForce) -> Draft:
    """Read the form; the owner stays who it is, whatever was sent."""
    own = MultiDict(values)
    own["owner"] = asked.owner
    return read_draft(own, me=asked.owner, policy=opened.policy)


def _values_of(asked: RequestDetail) -> _Values:
    """Fill the form in with what the request asks for."""
    single = {
        "name": asked.name,
        "service": asked.service,
        "environment": asked.environment,
        "lifetime": str(asked.ttl_seconds),
        "cidrs": " ".join(asked.cidrs),
        "ticket": str(asked.facts.get("issuance.ticket", "")),
        "justification": asked.justification,
    }
    return MultiDict([*single.items(), *(("scope", scope) for scope in asked.scopes)])


def _page(asked: RequestDetail, values: _Values, *, problems: tuple[Problem, ...] = (), status: int = 200) -> Response:
    opened = gate(in_force(), desk().issuer)
    if isinstance(opened, Closed):
        return closed_page(opened)
    draft, asker = _draft(asked, values, opened), _asker(asked)
    choices = choices_of(opened.policy, asker, draft, now())
    page = render_template(
        "requests/edit.html",
        asked=asked,
        is_over=not is_open(asked) or asked.break_glass,
        sentence=sentence_of(asked),
        signed=sum(row.counts for row in asked.signatures),
        draft=draft,
        choices=choices,
        owners=((asked.owner, owner_words(asked.owner)),),
        panel=panel_for(opened, asker, draft),
        form_url=url_for("web.request_edit", request_id=asked.id),
        check_url=url_for("web.request_edit_submit", request_id=asked.id, check="yes"),
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    response = make_response(page, status)
    if wants_part() and request.method == "GET" and draft.shown == choices.shown:
        response.headers["HX-Reswap"] = "none"
    return response
