"""`keymgr people`: add, list, suspend and resume people."""

import sys
from datetime import UTC, datetime

import click
from sqlalchemy import select

from keymgr.cli.database import transaction
from keymgr.cli.operator import operator
from keymgr.cli.table import show_table
from keymgr.config import load
from keymgr.people.enrol import NewPerson, NotAdded, enrol, set_person_state
from keymgr.people.names import BadName, normalise
from keymgr.store.people import Person, PersonState


class Name(click.ParamType[str]):
    """A sign-in name, in its one spelling."""

    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the normal spelling, or say what a name looks like."""
        try:
            return normalise(value)
        except BadName as error:
            self.fail(str(error), param, ctx)


@click.group()
def people() -> None:
    """Add, list, suspend and resume people."""


@people.command()
@click.argument("name", type=Name())
@click.option("--display-name", default="", help="How pages call this person; the name when left out.")
@click.option("--email", help="Their address; policy may name them by it, so nobody else has it.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def add(*, name: str, display_name: str, email: str | None, password_stdin: bool) -> None:
    """Add a person who signs in as NAME; roles and teams come from the policy."""
    settings = load()
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    new = NewPerson(name=name, display_name=display_name, password=password, email=email)
    with transaction(settings) as session:
        outcome = enrol(session, new, actor=operator(), now=datetime.now(UTC))
        if isinstance(outcome, NotAdded):
            raise click.ClickException(outcome.sentence)
    click.echo(f"{name} can sign in at {settings.public_url}.")


@people.command("list")
def list_people() -> None:
    """List everybody who may sign in, or might once more."""
    columns = (Person.name, Person.display_name, Person.state, Person.created_at, Person.sample)
    with transaction(load()) as session:
        rows = session.execute(select(*columns).order_by(Person.name)).all()
    cells = [(*row[:4], "of the demo" if row[4] else "") for row in rows]
    show_table(("name", "called", "state", "added", ""), cells)


@people.command()
@click.argument("name", type=Name())
@click.option("--reason", default="", help="Why, for the audit trail.")
def suspend(*, name: str, reason: str) -> None:
    """Sign NAME out everywhere and stop their keys, until resumed."""
    _set_state(name, PersonState.SUSPENDED, reason)
    click.echo(f"{name} is suspended: no sign-in, and every key is refused from the next call on.")


@people.command()
@click.argument("name", type=Name())
@click.option("--reason", default="", help="Why, for the audit trail.")
def resume(*, name: str, reason: str) -> None:
    """Let NAME sign in again; their keys work again."""
    _set_state(name, PersonState.ACTIVE, reason)
    click.echo(f"{name} may sign in again.")


def _set_state(name: str, state: PersonState, reason: str) -> None:
    with transaction(load()) as session:
        person = session.scalar(select(Person).where(Person.name == name))
        if person is None:
            raise click.ClickException(f"Nobody is called {name}. `keymgr people list` shows everybody.")
        set_person_state(session, person, state, actor=operator(), now=datetime.now(UTC), reason=reason)
