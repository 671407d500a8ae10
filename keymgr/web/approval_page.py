"""One request before whoever decides about it: the ask, why, what to look at, what would change, and the decision."""

from dataclasses import dataclass

from flask import Response, make_response, render_template
from flask.typing import ResponseReturnValue

from keymgr import db
from keymgr.keys.dossier import Dossier, Subject, dossier
from keymgr.keys.holdings import holders_of
from keymgr.keys.inbox import InboxRow, inbox
from keymgr.keys.request_detail import RequestDetail
from keymgr.policy.approving import May, MayNot, may_approve, may_break_glass, may_refuse
from keymgr.policy.model import InForce, Wish
from keymgr.policy.wording import span
from keymgr.store.keys import RequestState
from keymgr.web.colleagues import is_official, looking_up, mates_of
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.portal import now, portal
from keymgr.web.request_view import (
    approval_as_routed,
    is_open,
    is_ours,
    lapses_at,
    may_speak,
    read_request,
    routing,
    steps_view,
)
from keymgr.web.request_words import changes_of, sentence_of, word_for
from keymgr.web.visiting import in_force, visitor

_DAY = 86_400
_TYPED = ("decision", "lifetime", "reason", "text", "emergency", "finding")
_SHORTER = (_DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY, 90 * _DAY, 180 * _DAY)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the visitor may do about a request; `sentence` says what stops them where they may not approve."""

    sentence: str
    may_approve: bool = False
    may_refuse: bool = False
    may_break_glass: bool = False
    may_review: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a decision came to; its heading takes the focus."""

    heading: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Stale:
    """Why a decision was not taken: what changed since the page was read."""

    sentence: str


@portal.get("/approvals/<request_id>")
def approval_page(request_id: str) -> ResponseReturnValue:
    """Show a request to decide about."""
    return decision_page(read_request(request_id))


def decision_page(
    asked: RequestDetail,
    *,
    problems: tuple[Problem, ...] = (),
    result: Result | None = None,
    stale: Stale | None = None,
    status: int = 200,
) -> Response:
    """Draw the page, as it is or as the answer to a decision."""
    opened = in_force()
    page = render_template(
        "approvals/page.html",
        asked=asked,
        word=word_for(asked),
        sentence=sentence_of(asked),
        lapses_at=lapses_at(asked),
        standing=standing_of(asked),
        ticket=asked.facts.get("issuance.ticket", ""),
        changes=changes_of(asked),
        dossier=_dossier(asked, opened),
        routing=routing(asked, opened),
        steps=steps_view(asked, opened),
        shorter=_shorter(asked),
        following=_following(asked, opened) if result else None,
        may_speak=is_open(asked) and may_speak(asked),
        is_ours=is_ours(asked),
        problems=problems,
        result=result,
        stale=stale,
        typed={name: typed().get(name, "") for name in _TYPED},
        chosen_scopes=typed().getlist("scope") if typed() else asked.scopes,
        me=visitor().asker.id,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)


def standing_of(asked: RequestDetail) -> Standing:
    """Ask the one function who may approve, for everything that the page offers."""
    person, approval, review = visitor().asker, asked.approval, _may_review(asked)
    if asked.state is not RequestState.WAITING or approval is None or not approval.steps:
        refusable = asked.state is RequestState.WAITING and _may_refuse_as_routed(asked)
        return Standing(sentence_of(asked), may_refuse=refusable, may_review=review)
    verdict = may_approve(approval, person, asked.counted, parties=asked.parties)
    return Standing(
        may_approve=isinstance(verdict, May),
        may_refuse=may_refuse(approval, person, parties=asked.parties) is None,
        may_break_glass=may_break_glass(approval, person, parties=asked.parties) is None,
        may_review=review,
        sentence=verdict.sentence if isinstance(verdict, MayNot) else "",
    )


def _may_refuse_as_routed(asked: RequestDetail) -> bool:
    """Tell whether the rule that sent the request here lets the visitor refuse it, whatever the policy says now."""
    approval = approval_as_routed(asked)
    return approval is not None and may_refuse(approval, visitor().asker, parties=asked.parties) is None


def _may_review(asked: RequestDetail) -> bool:
    """Tell whether the visitor can look at what was granted in an emergency: an official who had no part in it."""
    me = visitor()
    had_part = me.asker.id in asked.parties or me.asker.id == asked.decided_by
    return asked.break_glass and asked.reviewed_at is None and is_official(me) and not had_part


def _dossier(asked: RequestDetail, opened: InForce | None) -> Dossier | None:
    if opened is None:
        return None
    session, policy = db.session(), opened.policy
    wish = Wish(asked.service, asked.environment, frozenset(asked.scopes), asked.ttl_seconds, asked.cidrs)
    mates = mates_of(session, policy, asked.owner, holders_of(session, asked.service, now()))
    subject = Subject(asked.id, asked.owner, asked.requester, wish, asked.rule)
    return dossier(session, policy, subject, mates=mates, now=now())


def _shorter(asked: RequestDetail) -> tuple[tuple[str, str], ...]:
    """Offer the life that is asked for and round ones below it."""
    below = [seconds for seconds in _SHORTER if seconds < asked.ttl_seconds]
    return ((str(asked.ttl_seconds), f"{span(asked.ttl_seconds)}, as asked"), *((str(one), span(one)) for one in below))


def _following(asked: RequestDetail, opened: InForce | None) -> InboxRow | None:
    """Find the next request that the visitor can decide about."""
    if opened is None:
        return None
    session, me = db.session(), visitor().asker
    rows = inbox(session, opened, me, asker_of=looking_up(session, opened.policy), now=now())
    return next((row for row in rows if row.id != asked.id and isinstance(row.verdict, May)), None)
