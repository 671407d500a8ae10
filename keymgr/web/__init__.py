"""The browser's door: HTML in, HTML out."""

from flask import Flask
from htmx_flask import Htmx
from jinja2 import StrictUndefined

from keymgr.web import (
    ask,
    assets,
    audit,
    audit_export,
    charts,
    docs,
    docs_inspect,
    error_docs,
    errors,
    guard,
    headers,
    home,
    key_list,
    key_page,
    matrix,
    me,
    overrides,
    policy,
    policy_notices,
    policy_objects,
    requests,
    reveal,
    revisions,
    revoke,
    rotate,
    setup,
    sign_in,
    visiting,
    what_if,
    wording,
)
from keymgr.web.desk import Desk, Installation, SettingLine
from keymgr.web.portal import DESK, portal

__all__ = ["PAGES", "Desk", "Installation", "SettingLine", "register"]

PAGES = (
    errors,
    headers,
    home,
    sign_in,
    setup,
    key_list,
    ask,
    reveal,
    key_page,
    rotate,
    revoke,
    requests,
    policy,
    policy_notices,
    policy_objects,
    matrix,
    what_if,
    revisions,
    overrides,
    audit,
    audit_export,
    me,
    docs,
    docs_inspect,
    error_docs,
)
_FILTERS = {
    "clock": wording.clock,
    "date": wording.date,
    "time_of_day": wording.time_of_day,
    "distance": wording.distance,
    "thousands": wording.thousands,
    "owner_words": wording.owner_words,
    "icon_of": wording.icon_of,
    "tone_of": wording.tone_of,
    "spark": charts.spark,
}


def register(app: Flask, desk: Desk) -> None:
    """Hang the portal into the application; what it needs of a request hangs on its own blueprint."""
    app.extensions[DESK] = desk
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(_FILTERS)
    Htmx(app)
    visiting.attach(app)
    guard.attach(app, https=desk.public_url.startswith("https:"))
    assets.attach(app)
    app.register_blueprint(portal)
