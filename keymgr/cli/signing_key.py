"""`keymgr signing-key`: list the keys that sign tokens, and let the next one take over."""

from datetime import UTC, datetime

import click
from sqlalchemy import select

from keymgr.cli.database import transaction
from keymgr.cli.operator import operator
from keymgr.cli.table import show_table
from keymgr.config import load
from keymgr.keys.signing_keys import roll
from keymgr.parts import make_issuer
from keymgr.store.keys import SigningKey


@click.group()
def signing_key() -> None:
    """List and roll the keys that sign tokens."""


@signing_key.command("list")
def list_signing_keys() -> None:
    """List all signing keys, newest first."""
    columns = (SigningKey.kid, SigningKey.algorithm, SigningKey.state, SigningKey.kek_id, SigningKey.created_at)
    with transaction(load()) as session:
        rows = session.execute(select(*columns).order_by(SigningKey.created_at.desc())).all()
    show_table(("kid", "algorithm", "state", "sealed under", "created"), [tuple(row) for row in rows])


@signing_key.command("roll")
def roll_signing_key() -> None:
    """Sign with the next key from now on; tokens that the old one signed stay good."""
    settings = load()
    with transaction(settings) as session:
        rolled = roll(session, make_issuer(settings), actor=operator(), now=datetime.now(UTC))
    click.echo(f"{rolled.active} signs from now on. {rolled.retiring} only verifies. {rolled.following} comes next.")
