"""The browser's door: HTML in, HTML out."""

from flask import Flask
from htmx_flask import Htmx
from jinja2 import StrictUndefined

from keymgr.policy.wording import span
from keymgr.web import (
    admin,
    admin_accounts,
    admin_credentials,
    admin_people,
    admin_signing,
    admin_states,
    approval_decide,
    approval_page,
    approvals,
    approvals_waiting,
    ask,
    assets,
    audit,
    audit_export,
    bulk,
    charts,
    claim,
    docs,
    docs_inspect,
    duplicate,
    emergency,
    error_docs,
    errors,
    guard,
    headers,
    home,
    identify,
    key_grace,
    key_list,
    key_page,
    key_pause,
    matrix,
    me,
    overrides,
    packing,
    password,
    policy,
    policy_notices,
    policy_objects,
    reports,
    request_edit,
    request_page,
    requests,
    reveal,
    revisions,
    revoke,
    rotate,
    setup,
    setup_steps,
    sign_in,
    staying,
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
    packing,
    home,
    sign_in,
    staying,
    setup,
    setup_steps,
    key_list,
    bulk,
    identify,
    duplicate,
    ask,
    reveal,
    key_page,
    key_grace,
    key_pause,
    rotate,
    revoke,
    requests,
    request_page,
    request_edit,
    claim,
    approvals,
    approvals_waiting,
    approval_page,
    approval_decide,
    emergency,
    policy,
    policy_notices,
    policy_objects,
    matrix,
    what_if,
    revisions,
    overrides,
    audit,
    audit_export,
    reports,
    admin,
    admin_people,
    admin_states,
    admin_accounts,
    admin_signing,
    admin_credentials,
    me,
    password,
    docs,
    docs_inspect,
    error_docs,
)
_FILTERS = {
    "clock": wording.clock,
    "date": wording.date,
    "time_of_day": wording.time_of_day,
    "distance": wording.distance,
    "span": span,
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
    app.jinja_env.finalize = wording.straight
    app.jinja_env.filters.update(_FILTERS)
    Htmx(app)
    visiting.attach(app)
    guard.attach(app, https=desk.public_url.startswith("https:"))
    assets.attach(app)
    app.register_blueprint(portal)
