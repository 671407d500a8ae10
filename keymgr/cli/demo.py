"""`keymgr demo`: the whole thing on this machine, with sample people and a protected sample service."""

import os
import socket
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from sqlalchemy.orm import Session

from keymgr.cli.database import transaction
from keymgr.cli.init import write_env_file
from keymgr.cli.policy_apply import Order, carry_out
from keymgr.cli.policy_stored import DEGRADED
from keymgr.cli.serve import CLOCK, make_ready, server_command, settings_can_be_read
from keymgr.cli.supervisor import Supervisor
from keymgr.config import ENV_FILE, Settings, load
from keymgr.config.logs import speak
from keymgr.keys.service_credentials import Created, create_service_credential, list_service_credentials
from keymgr.parts import make_issuer
from keymgr.people.sample import SAMPLE_PEOPLE, plant
from keymgr.reconcile.live import in_force
from keymgr.store.audit import Actor
from keymgr.tokens.opaque import recognise_service_credential

_HOST = "127.0.0.1"
_SERVICE = "payments"
_DEMO = Actor(id="cli:demo")


@click.command()
@click.option(
    "--port", default=8000, type=click.IntRange(1, 65534), help="The portal's port; the sample service takes the next."
)
@click.option(
    "--folder", default=".keymgr-demo", type=click.Path(path_type=Path, file_okay=False), help="Where its data is kept."
)
@click.option(
    "--policies",
    default="policies",
    type=click.Path(path_type=Path, file_okay=False),
    help="The policy folder to apply.",
)
def demo(*, port: int, folder: Path, policies: Path) -> int:
    """Start portal, clock and a sample service on this machine only; Ctrl-C stops them all."""
    for taken in (port, port + 1):
        _refuse_if_taken(taken)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _enter(port, folder.absolute(), policies.absolute())
    settings = load()
    speak(settings.log_format)
    make_ready(settings)
    # The folder of a demo is whatever somebody is working on, at any branch.
    applied = carry_out(settings, Order(str(settings.policies), allow_dirty=True, in_any_order=True), "human")
    if applied not in (0, DEGRADED):
        return applied
    now = datetime.now(UTC)
    credential_file = folder.absolute() / f"{_SERVICE}.credential"
    with transaction(settings) as session:
        plant(session, now)
        _see_to_credential(session, settings, credential_file, now)
    _tell(settings, port + 1)
    sample = [sys.executable, "-m", "keymgr.verifier.sample", "--server", settings.public_url, "--service", _SERVICE]
    sample += ["--credential-file", str(credential_file), "--host", _HOST, "--port", str(port + 1)]
    companions = {"clock": CLOCK, "sample service": sample}
    return Supervisor(server_command(settings), companions, os.environ).run(
        may_reload=partial(settings_can_be_read, os.environ)
    )


def _refuse_if_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise click.ClickException(
                f"Port {port} is taken or not allowed ({error.strerror}). Choose another: keymgr demo --port 8100"
            ) from None


def _enter(port: int, folder: Path, policies: Path) -> None:
    """Make this process's environment the demo's: own secrets and data, nothing of an installation beside it."""
    env_file = folder / "keymgr.env"
    if not env_file.exists():
        write_env_file(env_file, {"KEYMGR_DATABASE_URL": f"sqlite:///{folder / 'keymgr.db'}", "KEYMGR_DEMO": "true"})
    for name in [name for name in os.environ if name.startswith("KEYMGR_")]:
        del os.environ[name]
    os.environ |= {
        ENV_FILE: str(env_file),
        "KEYMGR_PUBLIC_URL": f"http://{_HOST}:{port}",
        "KEYMGR_BIND": f"{_HOST}:{port}",
        "KEYMGR_POLICIES": str(policies),
    }


def _see_to_credential(session: Session, settings: Settings, file: Path, now: datetime) -> None:
    """See that the sample service has a credential that is good; the file is for this account alone."""
    kept = recognise_service_credential(file.read_text(encoding="utf-8").strip()) if file.exists() else None
    good = {row.credential_id for row in list_service_credentials(session) if row.revoked_at is None}
    if kept is not None and kept.credential_id in good:
        return
    created = create_service_credential(
        session, in_force(session), service=_SERVICE, actor=_DEMO, issuer=make_issuer(settings), now=now
    )
    if not isinstance(created, Created):
        raise click.ClickException(created.sentence)
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(created.credential + "\n")


def _tell(settings: Settings, sample_port: int) -> None:
    rows = "\n".join(f"  {person.name:<8} {person.password:<26} {person.about}" for person in SAMPLE_PEOPLE)
    click.echo(f"""
The portal:          {settings.public_url}
A sample service:    http://{_HOST}:{sample_port}
The policy:          {settings.policies}

Sign in as           with the password
{rows}

Ask for a key to {_SERVICE}, then use it:
  curl -i -H "Authorization: Bearer KEY" http://{_HOST}:{sample_port}/charges

This is a demo: everybody knows these passwords, so it answers on this machine only. Ctrl-C stops it.
""")
