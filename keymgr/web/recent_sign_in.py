"""Before something is revealed: whoever signed in long ago gives the password again, and the form waits meanwhile.

The page that asks carries all that was sent and posts it where it was going, with the password beside it. So nothing
is kept on the server, nothing has to be filled in twice, and the right password does what the form was sent for.
"""

from typing import assert_never

from flask import Response, make_response, render_template, request

from keymgr import db
from keymgr.people.confirm import Confirmed, NotConfirmed, confirm
from keymgr.people.throttle import Throttled
from keymgr.web.forms import Problem
from keymgr.web.portal import desk, now, wants_part
from keymgr.web.visiting import actor, visitor

FIELD = "password_again"
_PASSWORD_LENGTH_MAX = 1000
_NOT_CARRIED = frozenset({FIELD, "csrf_token"})


def is_recent() -> bool:
    """Tell whether the visitor signed in, or gave the password again, recently enough."""
    limit = desk().reauth_seconds
    return limit == 0 or (now() - visitor().signed_in_at).total_seconds() <= limit


def ask_again(back: str) -> Response | None:
    """Answer the page that asks for the password, or None when the form may go on; `back` is the way to give up."""
    if is_recent():
        return None
    password = request.form.get(FIELD)
    if password is None:
        return _page((), back, 403)
    if not password or len(password) > _PASSWORD_LENGTH_MAX:
        return _page((Problem(FIELD, "Enter your password."),), back, 422)
    session = db.session()
    session.rollback()  # Reading who is there has begun a transaction, and the hash takes a while.
    outcome = confirm(session, visitor(), password, actor=actor(), throttle=desk().throttle, now=now())
    session.commit()
    match outcome:
        case Confirmed():
            return None
        case NotConfirmed(sentence):
            return _page((Problem(FIELD, sentence),), back, 422)
        case Throttled(seconds, sentence):
            response = _page((Problem(FIELD, sentence),), back, 429)
            response.headers["Retry-After"] = str(seconds)
            return response
        case _:  # pragma: no cover - the type checker proves that nothing is left.
            assert_never(outcome)


def _page(problems: tuple[Problem, ...], back: str, status: int) -> Response:
    """Ask on a page of its own, which htmx shows in place of the whole page whatever the form's own target is."""
    response = make_response(
        render_template(
            "sign_in/again.html",
            field=FIELD,
            target=request.full_path.rstrip("?"),
            carried=[pair for pair in request.form.items(multi=True) if pair[0] not in _NOT_CARRIED],
            minutes=desk().reauth_seconds // 60,
            signed_in_at=visitor().signed_in_at,
            back=back,
            problems=problems,
            now=now(),
        ),
        status,
    )
    if wants_part():
        response.headers.update({"HX-Retarget": "#main", "HX-Reselect": "#main", "HX-Reswap": "outerHTML"})
    return response
