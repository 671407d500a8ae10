"""One request for whoever asked: where it stands, what was said, and what they can do: remind, answer, withdraw."""

from datetime import datetime
from typing import assert_never

from flask import Response, abort, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.conversation import say
from keymgr.keys.nonce import Submit
from keymgr.keys.nudge import NUDGE_EVERY, nudge
from keymgr.keys.outcomes import AlreadyDone, Incomplete, NotNow, NotYours, Nudged, Said, Withdrawn
from keymgr.keys.request_detail import RequestDetail
from keymgr.keys.request_story import request_story
from keymgr.keys.withdraw import withdraw
from keymgr.store.keys import RequestState
from keymgr.web.colleagues import looking_up
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.portal import desk, go_to, now, portal
from keymgr.web.request_view import is_open, is_ours, lapses_at, read_request, routing, steps_view
from keymgr.web.request_words import changes_of, happening, sentence_of, word_for
from keymgr.web.visiting import actor, in_force, rights, visitor


@portal.get("/requests/<request_id>")
def request_page(request_id: str) -> ResponseReturnValue:
    """Show one request."""
    return _page(read_request(request_id))


@portal.post("/requests/<request_id>/nudge")
def request_nudge(request_id: str) -> ResponseReturnValue:
    """Remind the approvers, at most once a day."""
    session = db.session()
    outcome = nudge(
        session,
        request_id=request_id,
        actor=actor(),
        rights=rights(),
        submit=submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    session.commit()
    match outcome:
        case Nudged():
            flash("The approvers are reminded: the request is marked in their list.")
        case NotNow(sentence):
            return _page(read_request(request_id), (Problem("", sentence),), 409)
        case NotYours():
            raise NotFound
        case AlreadyDone():
            pass
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.request_page", request_id=request_id))


@portal.post("/requests/<request_id>/withdraw")
def request_withdraw(request_id: str) -> ResponseReturnValue:
    """Take an open request back."""
    session = db.session()
    outcome = withdraw(
        session,
        request_id=request_id,
        actor=actor(),
        rights=rights(),
        submit=submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    session.commit()
    match outcome:
        case Withdrawn():
            flash("The request is withdrawn. Nothing was issued.")
        case NotNow(sentence):
            return _page(read_request(request_id), (Problem("", sentence),), 409)
        case NotYours():
            raise NotFound
        case AlreadyDone():
            pass
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)
    return go_to(url_for("web.request_page", request_id=request_id))


@portal.post("/requests/<request_id>/answer")
def request_answer(request_id: str) -> ResponseReturnValue:
    """Add a line to the conversation, for whoever looks after the owner."""
    asked = read_request(request_id)
    if not is_ours(asked):
        abort(404)
    problems, status = speak(request_id)
    if problems:
        return _page(asked, problems, status)
    flash("Everybody who may decide can read what you wrote.")
    return go_to(url_for("web.request_page", request_id=request_id))


def speak(request_id: str) -> tuple[tuple[Problem, ...], int]:
    """Add what was typed to the conversation; return what is wrong with it, and the status that says so."""
    session, opened = db.session(), in_force()
    outcome = say(
        session,
        opened,
        request_id=request_id,
        author=visitor().asker,
        actor=actor(),
        rights=rights(),
        asker_of=looking_up(session, None if opened is None else opened.policy),
        text=request.form.get("text", ""),
        submit=submit(),
        level=desk().issuer.audit_level,
        now=now(),
    )
    session.commit()
    match outcome:
        case Said() | AlreadyDone():
            return (), 200
        case Incomplete(lacking):
            return tuple(Problem(lack.field, lack.sentence) for lack in lacking), 422
        case NotNow(sentence):
            return (Problem("", sentence),), 409
        case NotYours():
            raise NotFound
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def submit() -> Submit:
    """Return the number of the form that was sent, and who sent it."""
    return Submit(request.form.get("nonce", "")[:64] or new_nonce(), visitor().person_id)


def _page(asked: RequestDetail, problems: tuple[Problem, ...] = (), status: int = 200) -> Response:
    opened = in_force()
    page = render_template(
        "requests/page.html",
        asked=asked,
        word=word_for(asked),
        sentence=sentence_of(asked),
        is_ours=is_ours(asked),
        is_open=is_open(asked),
        lapses_at=lapses_at(asked),
        ticket=asked.facts.get("issuance.ticket", ""),
        changes=changes_of(asked),
        routing=routing(asked, opened),
        steps=steps_view(asked, opened),
        may_nudge_at=_may_nudge_at(asked),
        happenings=[happening(told) for told in request_story(db.session(), asked.id)],
        problems=problems,
        typed=typed().get("text", ""),
        me=visitor().asker.id,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)


def _may_nudge_at(asked: RequestDetail) -> datetime | None:
    """Return when the approvers can be reminded again; None when they can be now."""
    if asked.nudged_at is None or asked.state is not RequestState.WAITING:
        return None
    again = asked.nudged_at + NUDGE_EVERY
    return again if again > now() else None
