"""`keymgr demo`: the whole thing on this machine, with sample people and a protected sample service."""

import os
import socket
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
from sqlalchemy.orm import Session

from keymgr.cli.database import transaction
from keymgr.cli.init import write_env_file
from keymgr.cli.serve import CLOCK, make_ready, server_command, settings_can_be_read
from keymgr.cli.supervisor import Supervisor
from keymgr.config import ENV_FILE, Settings, load
from keymgr.config.logs import speak
from keymgr.keys.service_credentials import Created, create_service_credential, list_service_credentials
from keymgr.parts import make_issuer
from keymgr.people.sample import SAMPLE_PEOPLE, plant
from keymgr.policy.problems import Problem
from keymgr.reconcile.apply import Applied, Invalid, Stale, TestsFailed, apply_policy
from keymgr.reconcile.folder import read_folder
from keymgr.reconcile.git import describe
from keymgr.reconcile.live import in_force
from keymgr.store.audit import Actor

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
    environ = _environ(port, folder.absolute(), policies.absolute())
    settings = load(environ)
    speak(settings.log_format)
    make_ready(settings)
    now = datetime.now(UTC)
    revision = _apply(settings, now)
    credential_file = folder.absolute() / f"{_SERVICE}.credential"
    with transaction(settings) as session:
        plant(session, now)
        _see_to_credential(session, settings, credential_file, now)
    _tell(settings, port + 1, revision)
    sample = [sys.executable, "-m", "keymgr.verifier.sample", "--server", settings.public_url, "--service", _SERVICE]
    sample += ["--credential-file", str(credential_file), "--host", _HOST, "--port", str(port + 1)]
    companions = {"clock": CLOCK, "sample service": sample}
    return Supervisor(server_command(settings), companions, environ).run(
        may_reload=partial(settings_can_be_read, environ)
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


def _environ(port: int, folder: Path, policies: Path) -> Mapping[str, str]:
    """Make the environment of the demo: its own secrets and data, and nothing of an installation beside it."""
    env_file = folder / "keymgr.env"
    if not env_file.exists():
        write_env_file(env_file, {"KEYMGR_DATABASE_URL": f"sqlite:///{folder / 'keymgr.db'}", "KEYMGR_DEMO": "true"})
    others = {name: value for name, value in os.environ.items() if not name.startswith("KEYMGR_")}
    return others | {
        ENV_FILE: str(env_file),
        "KEYMGR_PUBLIC_URL": f"http://{_HOST}:{port}",
        "KEYMGR_BIND": f"{_HOST}:{port}",
        "KEYMGR_POLICIES": str(policies),
    }


def _apply(settings: Settings, now: datetime) -> int:
    """Put the policy folder in force and return the revision; a folder that is not good ends the demo."""
    files = read_folder(settings.policies)
    if isinstance(files, tuple):
        raise _invalid(files)
    commit = describe(settings.policies)
    with transaction(settings) as session:
        outcome = apply_policy(
            session,
            files,
            revision=commit.sha if commit else None,
            ref=commit.ref if commit else None,
            author=commit.author if commit else None,
            applied_by=_DEMO.id,
            now=now,
        )
    match outcome:
        case Applied():
            return outcome.revision
        case Invalid():
            raise _invalid(outcome.problems)
        case TestsFailed() | Stale():
            raise click.ClickException(
                f"The tests of {settings.policies} fail. See: keymgr policy test {settings.policies}"
            )


def _invalid(problems: tuple[Problem, ...]) -> click.ClickException:
    return click.ClickException("The policy is not valid.\n" + "\n".join(map(str, problems)))


def _see_to_credential(session: Session, settings: Settings, file: Path, now: datetime) -> None:
    """See that the sample service has a credential that is good; the file is for this account alone."""
    kept = file.read_text(encoding="utf-8") if file.exists() else ""
    known = list_service_credentials(session)
    if any(row.revoked_at is None and f"_{row.credential_id}_" in kept for row in known):
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


def _tell(settings: Settings, sample_port: int, revision: int) -> None:
    rows = "\n".join(f"  {person.name:<8} {person.password:<26} {person.about}" for person in SAMPLE_PEOPLE)
    click.echo(f"""
The portal:          {settings.public_url}
A sample service:    http://{_HOST}:{sample_port}
Policy in force:     revision {revision}, from {settings.policies}

Sign in as           with the password
{rows}

Ask for a key to {_SERVICE}, then use it:
  curl -i -H "Authorization: Bearer KEY" http://{_HOST}:{sample_port}/charges

This is a demo: everybody knows these passwords, so it answers on this machine only. Ctrl-C stops it.
""")
