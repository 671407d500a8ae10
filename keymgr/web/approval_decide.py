"""What comes of a decision: approved, approved with changes, refused, asked, granted in an emergency, reviewed."""

from typing import assert_never

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.approvals import Narrowed, approve
from keymgr.keys.outcomes import (
    AlreadyDone,
    Approved,
    ApproveOutcome,
    Changed,
    Closed,
    Incomplete,
    MayNotDecide,
    NotNarrower,
    NotNow,
    NotYours,
    Refused,
    RefuseOutcome,
    RequestRefused,
    Signed,
)
from keymgr.keys.refuse import refuse
from keymgr.keys.request_detail import RequestDetail
from keymgr.policy.wording import count
from keymgr.store.keys import RequestState
from keymgr.web.approval_page import Result, Stale, decision_page
from keymgr.web.approvals_waiting import count_anew
from keymgr.web.colleagues import looking_up
from keymgr.web.forms import Problem
from keymgr.web.portal import desk, go_to, now, portal
from keymgr.web.request_page import speak, submit
from keymgr.web.request_view import read_request
from keymgr.web.request_words import wish_words
from keymgr.web.visiting import actor, in_force, visitor
from keymgr.web.wording import clock, owner_words

_DIGITS_MAX = 12
_FIELDS = {"reason": "reason", "note": "reason"}


@portal.post("/approvals/<request_id>")
def approval_decide(request_id: str) -> ResponseReturnValue:
    """Take a decision: approve, approve with changes, or refuse."""
    asked = read_request(request_id)
    match request.form.get("decision"):
        case "approve":
            return _answer(asked, _approve(asked, None))
        case "change":
            return _answer(asked, _approve(asked, _narrowed()))
        case "refuse":
            return _answer(asked, _refuse(asked))
        case _:
            return decision_page(asked, problems=(Problem("decision-choice", "Choose what you decide."),), status=422)


@portal.post("/approvals/<request_id>/question")
def approval_question(request_id: str) -> ResponseReturnValue:
    """Ask the requester something; the request goes on waiting."""
    asked = read_request(request_id)
    problems, status = speak(request_id)
    if problems:
        return decision_page(asked, problems=problems, status=status)
    flash(f"{owner_words(asked.requester)} can read your question with the request, and answer there.")
    return go_to(url_for("web.approval_page", request_id=request_id))


def _approve(asked: RequestDetail, narrowed: Narrowed | None) -> ApproveOutcome:
    session, opened = db.session(), in_force()
    outcome = approve(
        session,
        opened,
        request_id=asked.id,
        approver=visitor().asker,
        actor=actor(),
        asker_of=looking_up(session, None if opened is None else opened.policy),
        seen_digest=_seen(),
        note=request.form.get("reason", ""),
        narrowed=narrowed,
        submit=submit(),
        issuer=desk().issuer,
        now=now(),
    )
    session.commit()
    return outcome


def _refuse(asked: RequestDetail) -> RefuseOutcome:
    session, opened = db.session(), in_force()
    outcome = refuse(
        session,
        opened,
        request_id=asked.id,
        approver=visitor().asker,
        actor=actor(),
        asker_of=looking_up(session, None if opened is None else opened.policy),
        seen_digest=_seen(),
        reason=request.form.get("reason", ""),
        submit=submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    session.commit()
    return outcome


def _narrowed() -> Narrowed:
    text = request.form.get("lifetime", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
    return Narrowed(frozenset(request.form.getlist("scope")), int(text) if is_number else 0)


def _seen() -> str:
    return request.form.get("seen", "")[:64]


def _answer(asked: RequestDetail, outcome: ApproveOutcome | RefuseOutcome) -> ResponseReturnValue:
    """Show what came of it on the page of the request as it is now."""
    match outcome:
        case Signed() | Approved() | RequestRefused():
            return decided(outcome)
        case AlreadyDone():
            return go_to(url_for("web.approval_page", request_id=asked.id))
        case Incomplete() | NotNarrower():
            return decision_page(asked, problems=_lacks(outcome), status=422)
        case Refused() | MayNotDecide():
            return decision_page(read_request(asked.id), problems=(Problem("", barrier_words(outcome)),), status=403)
        case Changed() | NotNow() | Closed():
            return stale_page(asked.id, outcome.sentence)
        case NotYours():
            raise NotFound
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _lacks(outcome: Incomplete | NotNarrower) -> tuple[Problem, ...]:
    if isinstance(outcome, NotNarrower):
        return (Problem("scope", outcome.sentence),)
    return tuple(Problem(_FIELDS.get(lack.field, lack.field), lack.sentence) for lack in outcome.lacking)


def barrier_words(outcome: Refused | MayNotDecide) -> str:
    """Say what stands in the way: the policy, or that this person may not."""
    if isinstance(outcome, MayNotDecide):
        return outcome.sentence
    return "The policy in force does not allow this: " + outcome.decision.reasons[0].sentence


def stale_page(request_id: str, sentence: str) -> ResponseReturnValue:
    """Say what changed since the page was read, beside the request as it is now."""
    asked = read_request(request_id)
    wish = wish_words(asked.scopes, asked.service, asked.environment, asked.ttl_seconds)
    present = f" It asks for {wish} now." if asked.state is RequestState.WAITING else ""
    return decision_page(asked, stale=Stale(sentence + present), status=409)


def decided(outcome: Signed | Approved | RequestRefused) -> ResponseReturnValue:
    """Show the request with what the decision came to."""
    count_anew()
    asked = read_request(outcome.request_id)
    who = owner_words(asked.requester)
    match outcome:
        case Signed():
            more = count(outcome.remaining, "more approval")
            result = Result("Your approval counts", f"{more} still needed before {who} can claim the key.")
        case Approved():
            until = clock(outcome.claim_until)
            heading = "You granted this alone" if asked.break_glass else "You approved this"
            review = " Somebody else reviews it." if asked.break_glass else ""
            result = Result(heading, f"{who} can claim the key until {until}. Nothing exists before that.{review}")
        case RequestRefused():
            result = Result("You refused this", f"{who} reads your reason with the request. Nothing was issued.")
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return decision_page(asked, result=result)
