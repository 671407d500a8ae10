"""Rotating a key: a page that says until when the old secret works, and the new secret once."""

from datetime import timedelta
from typing import assert_never

from flask import Response, abort, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from keymgr import db
from keymgr.keys.detail import KeyDetail
from keymgr.keys.nonce import Submit
from keymgr.keys.outcomes import AlreadyDone, Closed, Issued, NotNow, NotYours, Refused
from keymgr.keys.rotate import rotate
from keymgr.keys.status import Status
from keymgr.policy.decision import Allowed, Denied
from keymgr.policy.model import Evidence, FactValue
from keymgr.policy.wording import span
from keymgr.web.drafts import typed
from keymgr.web.forms import Problem, new_nonce
from keymgr.web.key_page import read_key
from keymgr.web.portal import address, desk, needs_recent_sign_in, now, portal
from keymgr.web.reveal import already_page, reveal_page
from keymgr.web.visiting import actor, asker_for, in_force, rights, visitor
from keymgr.web.wording import clock

_HOUR = 3600
_OVERLAPS = (_HOUR, 24 * _HOUR, 7 * 24 * _HOUR)
_CUSTOM = "custom"


@portal.get("/keys/<key_id>/rotate")
def key_rotate(key_id: str) -> ResponseReturnValue:
    """Ask how long the old secret should go on working."""
    return _page(_own(key_id), (), 200)


@portal.post("/keys/<key_id>/rotate")
@needs_recent_sign_in
def key_rotate_submit(key_id: str) -> ResponseReturnValue:
    """Rotate, and show the new secret in this one answer."""
    key = _own(key_id)
    overlap = _chosen()
    if isinstance(overlap, Problem):
        return _page(key, (overlap,), 422)
    asker = asker_for(key.row.owner)
    opened = in_force()
    if asker is None:
        abort(404)
    session = db.session()
    outcome = rotate(
        session,
        opened,
        key_id=key_id,
        asker=asker,
        actor=actor(),
        rights=rights(),
        evidence=_evidence(key),
        overlap_seconds=overlap,
        submit=Submit(request.form.get("nonce", "")[:64] or new_nonce(), visitor().person_id),
        issuer=desk().issuer,
        now=now(),
    )
    session.commit()
    match outcome:
        case Issued():
            assert opened is not None  # noqa: S101 - without a policy the answer is Closed.
            return reveal_page(outcome, opened, rotated=True)
        case Refused(decision):
            return _page(key, _reasons(decision), 403)
        case Closed(sentence) | NotNow(sentence):
            return _page(key, (Problem("", sentence),), 409)
        case NotYours():
            raise NotFound
        case AlreadyDone():
            return already_page(outcome)
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _chosen() -> int | Problem:
    """Read how long the old secret goes on working: one of the choices, or a number of hours."""
    overlap = request.form.get("overlap", "")
    if overlap == _CUSTOM:
        hours = request.form.get("hours", "").strip()
        if not _is_number(hours) or int(hours) == 0:
            return Problem("hours", "Write for how many hours, as a whole number from 1 on.")
        return int(hours) * _HOUR
    if not _is_number(overlap):
        return Problem("overlap", "Choose how long the old secret goes on working.")
    return int(overlap)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10  # noqa: PLR2004 - 300 years in seconds.


def _own(key_id: str) -> KeyDetail:
    """Read a key whose secret the visitor may hold; an admin's reach does not count here."""
    key = read_key(key_id)
    if key.row.owner not in rights().owners:
        abort(404)
    return key


def _evidence(key: KeyDetail) -> Evidence:
    """Return what is known now; the reason and ticket of the first ask still stand for the same key."""
    facts: dict[str, FactValue] = {
        name: value
        for name, value in key.why_then.facts.items()
        if name in {"issuance.reason", "issuance.ticket"} and isinstance(value, str)
    }
    return Evidence({**facts, "issuance.mfa": False, "issuance.source_ip": address()})


def _reasons(decision: Denied) -> tuple[Problem, ...]:
    return tuple(Problem("", unmet.sentence) for unmet in decision.reasons)


def _page(key: KeyDetail, problems: tuple[Problem, ...], status: int) -> Response:
    longest = key.terms["rotation_overlap_seconds"]
    if key.why_now is not None and isinstance(key.why_now.explanation.whole, Allowed):
        longest = key.why_now.explanation.whole.terms.limits.rotation_overlap_seconds
    offered = sorted({seconds for seconds in _OVERLAPS if seconds < longest} | ({longest} if longest else set()))
    page = render_template(
        "keys/rotate.html",
        key=key,
        overlaps=[(seconds, span(seconds), _end(seconds)) for seconds in offered],
        longest=longest,
        most_hours=longest // _HOUR,
        latest=_end(longest),
        chosen=typed().get("overlap", str(longest)),
        hours=typed().get("hours", ""),
        is_over=key.row.status in {Status.REVOKED, Status.SUSPENDED} or key.row.expires_at <= now(),
        problems=problems,
        nonce=new_nonce(),
        now=now(),
    )
    return make_response(page, status)


def _end(seconds: int) -> str:
    """Say exactly when the old secret would stop."""
    return clock(now() + timedelta(seconds=seconds))
