"""`keymgr service-credential`: what services present when they ask us to verify."""

from datetime import UTC, datetime

import click

from keymgr.cli.database import transaction
from keymgr.cli.operator import operator
from keymgr.cli.table import show_table
from keymgr.config import load
from keymgr.keys.outcomes import NotNow, NotYours
from keymgr.keys.service_credentials import (
    Created,
    Ended,
    create_service_credential,
    list_service_credentials,
    revoke_service_credential,
)
from keymgr.parts import make_issuer
from keymgr.reconcile.live import in_force
from keymgr.store.audit import AuditLevel


@click.group()
def service_credential() -> None:
    """Make, list and revoke what services present when they ask us to verify."""


@service_credential.command()
@click.argument("service")
def create(service: str) -> None:
    """Make a credential for a SERVICE of the policy; it is printed once, alone on stdout."""
    settings = load()
    with transaction(settings) as session:
        outcome = create_service_credential(
            session,
            in_force(session),
            service=service,
            actor=operator(),
            issuer=make_issuer(settings),
            now=datetime.now(UTC),
        )
    match outcome:
        case Created():
            click.echo(f"{outcome.credential_id} for {service}; shown once, keep it as a secret:", err=True)
            click.echo(outcome.credential)
        case NotNow():
            raise click.ClickException(outcome.sentence)


@service_credential.command("list")
def list_credentials() -> None:
    """List all, revoked ones too."""
    with transaction(load()) as session:
        rows = list_service_credentials(session)
    cells = [(row.credential_id, row.service, row.created_at, row.created_by, row.revoked_at) for row in rows]
    show_table(("id", "service", "created", "by", "revoked"), cells)


@service_credential.command()
@click.argument("credential_id")
def revoke(credential_id: str) -> None:
    """Revoke one; calls that present it are refused from now on."""
    settings = load()
    with transaction(settings) as session:
        outcome = revoke_service_credential(
            session,
            credential_id=credential_id,
            actor=operator(),
            level=AuditLevel(settings.audit_level),
            now=datetime.now(UTC),
        )
    match outcome:
        case Ended():
            click.echo(f"{credential_id} is revoked.")
        case NotYours():
            raise click.ClickException(f"There is no service credential {credential_id}. `… list` shows them all.")
        case NotNow():
            raise click.ClickException(outcome.sentence)
