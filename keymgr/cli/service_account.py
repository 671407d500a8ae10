"""`keymgr service-account`: machines that own keys, answered for by a team."""

from datetime import UTC, datetime

import click
from sqlalchemy import select

from keymgr.cli.database import transaction
from keymgr.cli.operator import operator
from keymgr.cli.people import Name
from keymgr.cli.table import show_table
from keymgr.config import load
from keymgr.people.enrol import NotAdded
from keymgr.people.service_accounts import add_service_account
from keymgr.reconcile.live import in_force
from keymgr.store.people import ServiceAccount


@click.group()
def service_account() -> None:
    """Add and list machine owners."""


@service_account.command()
@click.argument("name", type=Name())
@click.option("--team", required=True, help="The team of the policy whose members answer for it.")
def add(*, name: str, team: str) -> None:
    """Add a service account called NAME; members of its team ask for its keys."""
    with transaction(load()) as session:
        policy = in_force(session)
        if policy is None or team not in policy.policy.teams:
            known = ", ".join(sorted(policy.policy.teams)) if policy else "none yet: apply a policy first"
            raise click.ClickException(f"The policy in force has no team {team}. Teams: {known}.")
        outcome = add_service_account(session, name, team, actor=operator(), now=datetime.now(UTC))
        if isinstance(outcome, NotAdded):
            raise click.ClickException(outcome.sentence)
    click.echo(f"{name} may own keys; members of {team} ask for them in the portal.")


@service_account.command("list")
def list_service_accounts() -> None:
    """List all service accounts."""
    columns = (ServiceAccount.name, ServiceAccount.team, ServiceAccount.state, ServiceAccount.created_at)
    with transaction(load()) as session:
        rows = session.execute(select(*columns).order_by(ServiceAccount.name)).all()
    show_table(("name", "team", "state", "added"), [tuple(row) for row in rows])
