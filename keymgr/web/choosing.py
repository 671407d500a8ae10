"""A password that others know opens one page: the one on which its person chooses another.

That it has to be changed is kept in the signed cookie beside the session, so that no page asks the database for it.
"""

from flask import Response, request, session, url_for

from keymgr.web.portal import go_to

_MUST = "choose_password"
_OPEN = frozenset({"web.password", "web.password_choose", "web.sign_out", "web.stay", "web.stay_page"})


def choose_first() -> Response:
    """Let the sign-in that has just begun do nothing else until a password is chosen."""
    session[_MUST] = True
    return go_to(url_for("web.password"))


def must_choose() -> bool:
    """Tell whether the visitor signed in with a password that others know."""
    return _MUST in session


def lead_to_choice() -> Response | None:
    """Answer everything but the choice itself, signing out and staying with the way to the choice."""
    if not must_choose() or request.endpoint in _OPEN:
        return None
    return go_to(url_for("web.password"))
