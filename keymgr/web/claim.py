"""Claiming what was approved: a page that says what the key will be, and the answer that shows it once."""

from typing import assert_never

from flask import Response, abort, make_response, render_template
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.claim import claim
from keymgr.keys.gate import gate
from keymgr.keys.outcomes import AlreadyDone, ClaimOutcome, Closed, Issued, NotNow, NotYours, Refused
from keymgr.keys.overrides import stopped
from keymgr.keys.request_detail import RequestDetail
from keymgr.policy.decision import Allowed, Denied
from keymgr.policy.model import InForce, Wish
from keymgr.store.keys import RequestState
from keymgr.web.ask_panel import closed_page
from keymgr.web.colleagues import looking_up
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.portal import desk, needs_recent_sign_in, now, portal
from keymgr.web.request_page import submit
from keymgr.web.request_view import is_ours, read_request, routing
from keymgr.web.request_words import changes_of, sentence_of, word_for
from keymgr.web.reveal import already_page, reveal_page
from keymgr.web.visiting import actor, in_force, rights, visitor
from keymgr.web.wording import rates


@portal.get("/requests/<request_id>/claim")
def request_claim(request_id: str) -> ResponseReturnValue:
    """Say what the key will be, how it was changed, and how the policy judges it now."""
    return _page(_ours(request_id))


@portal.post("/requests/<request_id>/claim")
@needs_recent_sign_in
def request_claim_submit(request_id: str) -> ResponseReturnValue:
    """Make the key and show it; the secret is in this one answer and nowhere else."""
    _ours(request_id)
    opened = gate(in_force(), desk().issuer)
    if isinstance(opened, Closed):
        return closed_page(opened)
    session = db.session()
    outcome = claim(
        session,
        opened,
        request_id=request_id,
        actor=actor(),
        rights=rights(),
        asker_of=looking_up(session, opened.policy),
        submit=submit(),
        issuer=desk().issuer,
        now=now(),
    )
    session.commit()
    return _answer(outcome, request_id, opened)


def _answer(outcome: ClaimOutcome, request_id: str, opened: InForce) -> ResponseReturnValue:
    match outcome:
        case Issued():
            return reveal_page(outcome, opened)
        case AlreadyDone():
            return already_page(outcome)
        case Refused(decision):
            sentence = "The policy in force does not allow it any more. " + decision.reasons[0].sentence
            return _page(_ours(request_id), (Problem("", sentence),), 403)
        case NotNow(sentence):
            return _page(_ours(request_id), (Problem("", sentence),), 409)
        case Closed():
            return closed_page(outcome)
        case NotYours():
            raise NotFound
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _ours(request_id: str) -> RequestDetail:
    """Read a request of an owner the visitor may act for; every other is not there."""
    asked = read_request(request_id)
    if not is_ours(asked):
        abort(404)
    return asked


def _page(asked: RequestDetail, problems: tuple[Problem, ...] = (), status: int = 200) -> Response:
    decision, opened = asked.decision, in_force()
    granted = decision if decision is not None and not isinstance(decision, Denied) else None
    page = render_template(
        "requests/claim.html",
        asked=asked,
        word=word_for(asked),
        sentence=sentence_of(asked),
        is_over=asked.state not in {RequestState.WAITING, RequestState.APPROVED},
        at_once=isinstance(decision, Allowed),
        stop=_stop(asked, opened),
        changes=changes_of(asked),
        routing=routing(asked, opened),
        limits="" if granted is None else rates(granted.terms.limits.rate_limits),
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)


def _stop(asked: RequestDetail, opened: InForce | None) -> str:
    """Say what keeps the visitor from claiming now; empty when nothing does."""
    found = gate(opened, desk().issuer)
    if isinstance(found, Closed):
        return found.sentence
    if not asked.is_claimable:
        return sentence_of(asked)
    signed = {signature.person for signature in asked.signatures}
    if visitor().asker.id in (signed | {asked.decided_by} if asked.break_glass else signed):
        return "You approved this, so somebody else who answers for the owner has to claim it."
    session = db.session()
    asker = looking_up(session, found.policy)(asked.owner)
    wish = Wish(asked.service, asked.environment, frozenset(asked.scopes), asked.ttl_seconds, asked.cidrs)
    closed = None if asker is None else stopped(session, asker, wish, now())
    return "" if closed is None else closed.sentence
