"""The front hall: where the rooms are joined into the application that a server runs."""

import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from keymgr import api, db, web
from keymgr.config import Settings, load
from keymgr.config.logs import speak
from keymgr.config.shown import shown
from keymgr.parts import make_hook, make_issuer, make_limiter, make_throttle, make_verifier
from keymgr.reconcile.live import in_force

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_PACKAGE = Path(__file__).parent
# A wheel carries templates/ and static/ inside the package; a checkout keeps them beside it.
ASSETS = _PACKAGE if (_PACKAGE / "templates").is_dir() else _PACKAGE.parent
# Each plan for a pull-request job is made by a process of its own, so that no request waits for it.
_PLAN_APART = (sys.executable, "-m", "keymgr.cli.plan_apart")
_LARGEST_FORM_BYTES = 256 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """Join the rooms; without settings, read them from the environment. Make it after a fork, once per process."""
    settings = settings or load()
    speak(settings.log_format)
    app = _bare(settings)
    engine = db.attach(app, settings.database_url)
    issuer, verifier = make_issuer(settings), make_verifier(settings, engine)
    machine_desk = api.open_desk(
        engine,
        verifier,
        issuer,
        in_force=in_force,
        policy=api.PolicyCounter(make_limiter(settings), _PLAN_APART, settings.policy_plan_owners, make_hook(settings)),
        public_url=settings.public_url,
        trusted_proxies=settings.trusted_proxies,
        allowed_hosts=frozenset(host.lower() for host in settings.allowed_hosts),
    )
    browser_desk = web.Desk(
        issuer=issuer,
        in_force=in_force,
        throttle=make_throttle(settings),
        verifier=verifier,
        public_url=settings.public_url,
        demo=settings.demo,
        trusted_proxies=settings.trusted_proxies,
        session_idle_seconds=settings.session_idle_minutes * 60,
        session_absolute_seconds=settings.session_hours * 3600,
        reauth_seconds=settings.reauth_minutes * 60,
        installation=_installation(settings),
        forge_url=settings.forge_url,
        policy_folder=settings.policies.name,
    )
    api.register(app, machine_desk)
    web.register(app, browser_desk)
    if settings.demo:
        app.wsgi_app = OnlyHere(app.wsgi_app)  # type: ignore[method-assign] # Flask's documented place for middleware.
    else:
        app.extensions["keymgr.quick"] = api.Quick(machine_desk)
    return app


def _installation(settings: Settings) -> web.Installation:
    """Say of the settings what admins may see."""
    lines = (
        web.SettingLine(each.name, each.value, each.default, each.description, each.secret) for each in shown(settings)
    )
    return web.Installation(
        settings=tuple(lines),
        policies=settings.policies,
        pulls=settings.policy_pull_url is not None,
        forge_kind=settings.forge_kind,
    )


def _bare(settings: Settings) -> Flask:
    """Make the application before any room is joined to it; pages address static files by their content."""
    app = Flask("keymgr", root_path=str(_PACKAGE), template_folder=ASSETS / "templates", static_folder=None)
    app.static_folder = str(ASSETS / "static")
    app.config.update(SECRET_KEY=settings.secret_key, MAX_CONTENT_LENGTH=_LARGEST_FORM_BYTES)
    return app


class OnlyHere:
    """In front of the demo: whoever is not on this machine gets 403, however the server was started."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        """Let requests from loopback through."""
        if _is_loopback(environ.get("REMOTE_ADDR", "")):
            return self._app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"The demo answers only on the machine that runs it.\n"]


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
