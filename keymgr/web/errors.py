"""Pages for what went wrong: what happened in words, what to do next, and the request id; never a stack."""

import logging
from http import HTTPStatus

from flask import Response, make_response, render_template
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, ServiceUnavailable, TooManyRequests

from keymgr.store.lock import LockNotObtained
from keymgr.web.frame import without_visitor
from keymgr.web.headers import dress
from keymgr.web.portal import portal, request_id, wants_part

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 5
_WORDS = {
    400: ("The request could not be read", "Go back, load the page again and try once more."),
    401: ("Sign in first", "Your session has ended. Sign in and you come back to where you were."),
    403: (
        "You may not do that",
        "If you think you should be able to, ask an administrator and quote the reference below.",
    ),
    404: (
        "There is nothing here",
        "The page or key does not exist, or you may not see it. Check the address for typing errors.",
    ),
    405: (
        "That does not work here",
        "This page does not take that kind of request. Go back and use the buttons of the page.",
    ),
    409: ("Something changed meanwhile", "Load the page again to see how things stand now."),
    413: ("That is too large", "Send less at once."),
    429: ("Too many attempts", "Wait a little and try again."),
    500: (
        "Sorry, there is a problem with the service",
        "It is not your fault. Try again in a minute; if it stays, tell an administrator the reference below.",
    ),
    503: (
        "Sorry, the service is not available",
        "It is being worked on or cannot reach its database. Try again in a minute.",
    ),
}


@portal.app_errorhandler(HTTPException)
def show_error(error: HTTPException) -> Response:
    """Answer any HTTP error as a page; htmx is told to show it in place of the whole page."""
    code = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if code < HTTPStatus.BAD_REQUEST:
        return make_response(error.get_response())
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        without_visitor()
        _log.error("A page failed; request=%s", request_id())
    title, next_step = _WORDS.get(code, _WORDS[400 if code < HTTPStatus.INTERNAL_SERVER_ERROR else 500])
    own_words = error.description if _is_ours(error) else None
    response = make_response(
        render_template(
            "errors/error.html", code=int(code), title=title, next_step=own_words or next_step, request_id=request_id()
        ),
        code,
    )
    if isinstance(error, TooManyRequests | ServiceUnavailable) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers.extend(error.get_headers())
        response.headers["Content-Type"] = "text/html; charset=utf-8"
    if wants_part():
        response.headers.update({"HX-Retarget": "#main", "HX-Reselect": "#main", "HX-Reswap": "outerHTML"})
    return dress(response)


@portal.app_errorhandler(OperationalError)
@portal.app_errorhandler(PoolTimeout)
@portal.app_errorhandler(LockNotObtained)
def show_unavailable(error: Exception) -> Response:
    """Answer that the database is away or busy: nothing was done, and soon it is right to try again."""
    _log.error("The database did not answer (%s); request=%s", type(error).__name__, request_id())
    return show_error(ServiceUnavailable(retry_after=_RETRY_SECONDS))


def _is_ours(error: HTTPException) -> bool:
    """Tell whether a view wrote the description itself; Werkzeug's own sentences speak to programmers."""
    return error.description is not None and error.description != type(error).description
