"""The blueprint that every page hangs on, and the few facts each page asks of its request."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar, cast
from urllib.parse import quote

from flask import Blueprint, Response, current_app, g, redirect, request
from htmx_flask.requests import HtmxAwareRequest

from keymgr.people.address import client_address
from keymgr.web.desk import Desk

DESK = "keymgr.desk"
View = TypeVar("View", bound=Callable[..., object])

portal = Blueprint("web", __name__)


def open_to_all(view: View) -> View:
    """Mark a page that needs no sign-in; put it below the route."""
    setattr(view, "open_to_all", True)  # noqa: B010 - a function has no such attribute for the type checker.
    return view


def only_reads(view: View) -> View:
    """Mark a page that is posted to but changes nothing, so that it never waits for a writer."""
    setattr(view, "only_reads", True)  # noqa: B010 - as above.
    return view


def polled(view: View) -> View:
    """Mark a page that open pages ask for now and then by themselves, which keeps no session alive."""
    setattr(view, "polled", True)  # noqa: B010 - as above.
    return view


def needs_recent_sign_in(view: View) -> View:
    """Mark a form that reveals, administers or breaks glass: whoever signed in long ago gives the password again."""
    setattr(view, "needs_recent_sign_in", True)  # noqa: B010 - as above.
    return view


def desk() -> Desk:
    """Return what this door was given when the house was joined."""
    return cast("Desk", current_app.extensions[DESK])


def now() -> datetime:
    """Return the moment of this request: read once, so that one answer speaks of one time."""
    if "now" not in g:
        g.now = datetime.now(UTC)
    return cast("datetime", g.now)


def request_id() -> str:
    """Return the id that this request has in its answer and in the audit trail."""
    if "request_id" not in g:
        g.request_id = f"req-{secrets.token_hex(8)}"
    return cast("str", g.request_id)


def address() -> str:
    """Return the address the request came from; forwarded headers count only from trusted proxies."""
    return client_address(request.remote_addr or "", request.headers.get("X-Forwarded-For"), desk().trusted_proxies)


def wants_part() -> bool:
    """Tell whether htmx asks for a part of a page; a history restore wants the whole page (portal-ux 1.2)."""
    asked = cast("HtmxAwareRequest", request).htmx
    return bool(asked) and not asked.history_restore_request


def go_to(url: str) -> Response:
    """Send the browser to another page of ours, whether it asked itself or htmx did."""
    if wants_part():
        return Response(status=200, headers={"HX-Redirect": url})
    return cast("Response", redirect(url, code=303))


def same_site_path(text: str | None) -> str:
    """Return where to go after sign-in: a path of this site, or the home page for anything else."""
    if text is None or not text.startswith("/") or text.startswith("//") or len(text) > 2000:  # noqa: PLR2004 - longer than any address of ours.
        return "/"
    if "\\" in text or not text.isascii() or not text.isprintable() or " " in text:
        return "/"
    return quote(text, safe="/?&=%:,.+-_~#")
