"""What every request to a page must pass: our own origin, a sign-in where one is asked for, and the form's token."""

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from keymgr import db
from keymgr.web.choosing import lead_to_choice
from keymgr.web.drafts import keep_draft
from keymgr.web.form_token import FormTokens, masked_token
from keymgr.web.portal import desk, portal, wants_part
from keymgr.web.recent_sign_in import ask_again
from keymgr.web.visiting import is_signed_in, note_use
from keymgr.web.zone import preferences

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OUR_SITES = frozenset({"same-origin", "none"})
_FORM_PAGES = {
    "web.key_create": "web.key_new",
    "web.key_check": "web.key_new",
    "web.admin_person_add": "web.admin_person_new",
}
"""Forms whose page is neither around them nor above them in the address."""
_csrf = FormTokens()


def attach(app: Flask, *, https: bool) -> None:
    """Set what Flask-WTF reads; its own hook stays off, so that only pages of this door are asked for the token."""
    app.config.update(
        WTF_CSRF_ENABLED=True,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_METHODS={"POST", "PUT", "PATCH", "DELETE"},
        WTF_CSRF_FIELD_NAME="csrf_token",
        WTF_CSRF_HEADERS=["X-CSRFToken"],
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=True,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=https,
        SESSION_COOKIE_NAME="__Host-keymgr" if https else "keymgr",
    )
    app.jinja_env.globals["csrf_token"] = masked_token


@portal.before_request
def guard() -> ResponseReturnValue | None:
    """Let the request through, or answer it: 403 for a foreign or forged form, sign-in where nobody is signed in."""
    if _holds_a_null():
        abort(400, "The request holds a character that no text has. Remove it and send it once more.")
    view = current_app.view_functions[request.endpoint or ""]
    is_form = request.method not in _SAFE_METHODS
    reads = not is_form or hasattr(view, "only_reads")
    if is_form and _is_cross_site():
        abort(403, "This form was sent from another site, so it was not acted on. Open the page here and try again.")
    if reads:
        db.read_only()
    if not hasattr(view, "open_to_all"):
        if not is_signed_in():
            return _sign_in_first()
        if not _is_poll(view) and note_use() and reads:
            db.read_only()
        preferences()  # Read now: a page that shows a secret asks the database nothing after its commit.
    if is_form:
        _check_form_token()
    choice = None if hasattr(view, "open_to_all") else lead_to_choice()
    return choice or (ask_again(_way_back()) if is_form and hasattr(view, "needs_recent_sign_in") else None)


def _is_poll(view: Callable[..., object]) -> bool:
    """Tell whether a page that is left open asks by itself; that is no use, so an idle session ends all the same."""
    return hasattr(view, "polled") and wants_part()


def _holds_a_null() -> bool:
    """Tell whether a null character was sent: nothing of ours holds one, and PostgreSQL refuses it in any text."""
    return "\0" in request.path or any("\0" in text for _, text in request.values.items(multi=True))


def _is_cross_site() -> bool:
    """Judge by what browsers say themselves: Sec-Fetch-Site, and Origin where it is sent."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in _OUR_SITES:
        return True
    origin = request.headers.get("Origin")
    return origin is not None and origin not in {desk().public_url, request.host_url.rstrip("/")}


def _check_form_token() -> None:
    try:
        _csrf.protect()
    except CSRFError:
        abort(
            403,
            "This form is no longer valid, perhaps because you signed in or out meanwhile. "
            "Load the page again and send it once more.",
        )


def _sign_in_first() -> Response:
    """Send to sign-in and back; what was filled in is kept on the way. htmx gets the whole page, not a part."""
    back = _way_back()
    if request.method == "POST":
        keep_draft(back)
    url = url_for("web.login", next=back)
    if wants_part():
        return Response(status=401, headers={"HX-Redirect": url})
    return redirect(url, code=303)  # type: ignore[return-value]  # Flask's redirect is typed as Werkzeug's response.


def _way_back() -> str:
    """Return the page to come back to: this one, since every address answers a whole page, or the one around a form."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    if request.endpoint in _FORM_PAGES:
        return url_for(_FORM_PAGES[request.endpoint])
    shown = _page_shown()
    if shown is not None:
        return shown
    path = request.path
    while path != "/" and not _is_page(path):
        path = path.rpartition("/")[0] or "/"
    return path


def _page_shown() -> str | None:
    """Return the page that the browser shows, if it says so and the page is one of ours."""
    try:
        shown = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    except ValueError:
        return None
    if shown.netloc != request.host or not _is_page(shown.path):
        return None
    return shown.path + (f"?{shown.query}" if shown.query else "")


def _is_page(path: str) -> bool:
    """Tell whether there is a page at this path; what only takes a form has none."""
    try:
        current_app.url_map.bind("").match(path, method="GET")
    except (HTTPException, RequestRedirect):
        return False
    return True
