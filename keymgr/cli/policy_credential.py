"""`keymgr policy credential`: what pull-request jobs present when they ask this server for a plan."""

from datetime import UTC, datetime

import click

from keymgr.cli.database import transaction
from keymgr.cli.operator import operator
from keymgr.cli.table import show_table
from keymgr.config import load
from keymgr.reconcile.plan_credentials import (
    NotDone,
    create_plan_credential,
    list_plan_credentials,
    revoke_plan_credential,
)
from keymgr.store.audit import AuditLevel


@click.group()
def credential() -> None:
    """Make, list and revoke what pull-request jobs present when they ask for a plan; it can do nothing else."""


@credential.command()
@click.argument("name")
def create(name: str) -> None:
    """Make a plan credential; NAME says what it is for. It is printed once, alone on stdout."""
    settings = load()
    with transaction(settings) as session:
        made = create_plan_credential(
            session,
            name=name,
            actor=operator(),
            pepper=settings.pepper,
            level=AuditLevel(settings.audit_level),
            now=datetime.now(UTC),
        )
    if isinstance(made, NotDone):
        raise click.ClickException(made.sentence)
    click.echo(f"{made.credential_id} for {made.name}; shown once, keep it as a secret:", err=True)
    click.echo(made.credential)


@credential.command("list")
def list_credentials() -> None:
    """List all, revoked ones too."""
    with transaction(load()) as session:
        rows = list_plan_credentials(session)
    cells = [(row.credential_id, row.name, row.created_at, row.created_by, row.revoked_at) for row in rows]
    show_table(("id", "name", "created", "by", "revoked"), cells)


@credential.command()
@click.argument("credential_id")
def revoke(credential_id: str) -> None:
    """Revoke one; calls that present it are refused from now on."""
    settings = load()
    with transaction(settings) as session:
        hindrance = revoke_plan_credential(
            session,
            credential_id=credential_id,
            actor=operator(),
            level=AuditLevel(settings.audit_level),
            now=datetime.now(UTC),
        )
    if hindrance is not None:
        raise click.ClickException(hindrance.sentence)
    click.echo(f"{credential_id} is revoked.")
