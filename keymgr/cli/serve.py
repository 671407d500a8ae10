"""`keymgr serve`: migrate once, see that there is a signing key and a way in, then run server and clock."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from keymgr.cli.database import prepare, transaction
from keymgr.cli.supervisor import Supervisor
from keymgr.config import BadSettings, Settings, load
from keymgr.config.logs import speak
from keymgr.keys.signing_keys import ensure_active
from keymgr.parts import make_issuer
from keymgr.people.first_admin import make_setup_token

CLOCK = (sys.executable, "-m", "keymgr.worker")
_LOG = logging.getLogger("keymgr.serve")
_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn's heartbeat file, made by mkstemp; a disk would stall it.


@click.command()
def serve() -> int:
    """Run the portal, the verify API and the clock, until stopped; HUP reloads without a dropped request."""
    settings = load()
    speak(settings.log_format)
    make_ready(settings)
    return Supervisor(server_command(settings), {"clock": CLOCK}, os.environ).run(
        may_reload=partial(settings_can_be_read, os.environ)
    )


def make_ready(settings: Settings) -> None:
    """Do what must be done once, before the first worker serves: migrate, make a signing key, open the way in."""
    for migration in prepare(settings):
        _LOG.info("Migrated the database: %s.", migration)
    now = datetime.now(UTC)
    with transaction(settings) as session:
        ensure_active(session, make_issuer(settings), now)
        code = None if settings.demo else make_setup_token(session, now)
    if code is not None:
        _LOG.warning("Nobody can sign in yet. First admin: open %s/setup with the code %s", settings.public_url, code)


def server_command(settings: Settings) -> Sequence[str]:
    """Write gunicorn's command line; secrets are not on it, the workers read the same settings as we do.

    What a client sends in headers never becomes a path, a scheme or an address, unless it is a proxy on the list.
    The application's module stands as gunicorn's configuration: imported once in the master, it lets new workers start
    in a moment, and no gunicorn.conf.py of the working directory is read. Each worker makes the application itself.
    """
    options = {
        "--config": "python:keymgr.app",
        "--bind": settings.bind,
        "--worker-class": "keymgr.cli.loop_worker.LoopWorker",
        "--workers": str(settings.workers),
        "--threads": str(settings.threads),
        "--forwarder-headers": "",
        "--header-map": "refuse",
        "--forwarded-allow-ips": ",".join(str(network) for network in settings.trusted_proxies),
        "--limit-request-line": "8190",
        "--limit-request-fields": "64",
        "--limit-request-field_size": "16380",
        "--timeout": "30",
        "--graceful-timeout": "30",
        "--keep-alive": "75",
        "--max-requests": "500000",
        "--max-requests-jitter": "50000",
        "--worker-tmp-dir": str(_MEMORY) if _MEMORY.is_dir() else "",
        "--logger-class": "keymgr.cli.server.JsonLogger" if settings.log_format == "json" else "",
    }
    chosen = [
        f"{name}={value}"
        for name, value in options.items()
        if value or name in {"--forwarder-headers", "--forwarded-allow-ips"}
    ]
    return [sys.executable, "-m", "gunicorn", "--no-control-socket", *chosen, "keymgr.app:create_app()"]


def settings_can_be_read(environ: Mapping[str, str]) -> bool:
    """Tell whether a reload would find good settings; what is wrong with them is logged."""
    try:
        load(environ)
    except BadSettings as error:
        for problem in error.problems:
            _LOG.error("Not reloaded: %s", problem)
        return False
    return True
