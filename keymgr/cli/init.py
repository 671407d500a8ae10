"""`keymgr init`: write a first env file with fresh secrets, readable by nobody else."""

import base64
import os
import secrets
from pathlib import Path

import click

from keymgr.config import variables

_SECRETS = {"KEYMGR_SECRET_KEY", "KEYMGR_PEPPER", "KEYMGR_KEK"}


@click.command()
@click.option("--env-file", default="keymgr.env", type=click.Path(path_type=Path), help="The file to write.")
@click.option("--public-url", default="http://127.0.0.1:8000", help="The address that people and services will use.")
def init(*, env_file: Path, public_url: str) -> None:
    """Write an env file with fresh secrets; an existing file is left alone."""
    try:
        write_env_file(env_file, {"KEYMGR_PUBLIC_URL": public_url})
    except FileExistsError:
        raise click.ClickException(f"{env_file} exists already and was left alone. Move it away first.") from None
    click.echo(f"Wrote {env_file}. Keep a copy in a safe place: without its secrets the database is of no use.")
    click.echo(f"Next: keymgr --env-file {env_file} doctor, then keymgr --env-file {env_file} serve")


def write_env_file(file: Path, chosen: dict[str, str]) -> None:
    """Write every setting with its description: secrets and `chosen` set, the others as comments with their default."""
    lines = ["# Settings of keymgr; docs/settings.md explains them. Nobody else may read this file."]
    known = chosen | {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in _SECRETS}
    for name, item in variables().items():
        lines += ["", f"# {item.metadata['description']}"]
        lines.append(f"{name}={known[name]}" if name in known else f"#{name}={item.metadata['default']}")
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
