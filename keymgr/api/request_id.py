"""The name of one request, shared by its answer, the log and the audit."""

import secrets
from typing import cast

from flask import g


def new_request_id() -> str:
    """Make an id; what a client sends as one is never taken over."""
    return f"req-{secrets.token_hex(8)}"


def request_id() -> str:
    """Return the id of the Flask request at hand, made when it is first asked for."""
    if "request_id" not in g:
        g.request_id = new_request_id()
    return cast("str", g.request_id)
