"""Granting alone in an emergency, and somebody else looking at it afterwards."""

from typing import assert_never

from flask import abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.break_glass import break_glass
from keymgr.keys.outcomes import (
    AlreadyDone,
    Approved,
    Changed,
    Closed,
    Incomplete,
    MayNotDecide,
    NotNow,
    NotYours,
    Refused,
    Reviewed,
)
from keymgr.keys.review import review
from keymgr.web.approval_decide import barrier_words, decided, stale_page
from keymgr.web.approval_page import decision_page
from keymgr.web.colleagues import is_official, looking_up
from keymgr.web.forms import Problem
from keymgr.web.portal import desk, go_to, needs_recent_sign_in, now, portal
from keymgr.web.request_page import submit
from keymgr.web.request_view import read_request
from keymgr.web.visiting import actor, in_force, visitor


@portal.post("/approvals/<request_id>/break-glass")
@needs_recent_sign_in
def approval_break_glass(request_id: str) -> ResponseReturnValue:
    """Grant alone, for whom the policy names; it is told to everybody who oversees keys and waits for review."""
    asked, session, opened = read_request(request_id), db.session(), in_force()
    outcome = break_glass(
        session,
        opened,
        request_id=request_id,
        granter=visitor().asker,
        actor=actor(),
        asker_of=looking_up(session, None if opened is None else opened.policy),
        seen_digest=request.form.get("seen", "")[:64],
        reason=request.form.get("emergency", ""),
        submit=submit(),
        issuer=desk().issuer,
        now=now(),
    )
    session.commit()
    match outcome:
        case Approved():
            return decided(outcome)
        case AlreadyDone():
            return go_to(url_for("web.approval_page", request_id=request_id))
        case Incomplete(lacking):
            problems = tuple(Problem("emergency", lack.sentence) for lack in lacking)
            return decision_page(asked, problems=problems, status=422)
        case Refused() | MayNotDecide():
            return decision_page(read_request(request_id), problems=(Problem("", barrier_words(outcome)),), status=403)
        case Changed() | NotNow() | Closed():
            return stale_page(request_id, outcome.sentence)
        case NotYours():
            raise NotFound
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


@portal.post("/approvals/<request_id>/review")
def approval_review(request_id: str) -> ResponseReturnValue:
    """Write down what a look at an emergency found; for those who oversee keys."""
    asked, session = read_request(request_id), db.session()
    if not is_official(visitor()):
        abort(403, "Administrators, auditors and reviewers look at emergencies. Ask one of them.")
    outcome = review(
        session,
        request_id=request_id,
        reviewer=visitor().asker,
        actor=actor(),
        note=request.form.get("finding", ""),
        submit=submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    session.commit()
    match outcome:
        case Reviewed():
            flash("The emergency is reviewed.")
        case AlreadyDone():
            pass
        case Incomplete(lacking):
            problems = tuple(Problem("finding", lack.sentence) for lack in lacking)
            return decision_page(asked, problems=problems, status=422)
        case MayNotDecide(sentence):
            return decision_page(asked, problems=(Problem("", sentence),), status=403)
        case NotNow(sentence):
            return stale_page(request_id, sentence)
        case NotYours():
            raise NotFound
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.approval_page", request_id=request_id))
