"""`keymgr policy schema`: JSON Schemas for editors, printed or exported."""

import json
from pathlib import Path
from typing import Any

import click

from keymgr.cli.atomic_file import write_whole
from keymgr.cli.policy_report import INVALID
from keymgr.cli.report_remarks import path_of
from keymgr.policy.documents import KINDS
from keymgr.policy.load import Loaded, load
from keymgr.policy.problems import Problems
from keymgr.policy.schema import COMBINED, combined_schema, schema_files, schema_of
from keymgr.policy.schema_names import Names, names_of
from keymgr.policy.wording import count
from keymgr.reconcile.folder import read_folder

_EXPORT = "export"


@click.command()
@click.argument("what", type=click.Choice([_EXPORT, COMBINED, *KINDS], case_sensitive=False), metavar="export|KIND")
@click.argument("folder", metavar="[DIR]", required=False)
@click.option(
    "--with-names",
    "policy_folder",
    metavar="DIR",
    help="Close the lists: services, scopes, teams… of the policy in DIR.",
)
def schema(*, what: str, folder: str | None, policy_folder: str | None) -> int:
    """Print the schema of one KIND, or export all of them into DIR.

    The kind `policy` stands for documents of any kind. DIR gets one file for each kind, such as issuancerule.json,
    and policy.json for any. The exit code is 3 when the policy of --with-names does not load.
    """
    if (what == _EXPORT) is (folder is None):
        raise click.UsageError(f"`schema {_EXPORT}` takes the folder to write to; `schema KIND` prints and takes none.")
    names = _names(policy_folder) if policy_folder is not None else None
    if isinstance(names, tuple):
        for problem in names:
            click.echo(f"keymgr: {path_of(policy_folder or '', str(problem))}", err=True)
        return INVALID
    if folder is not None:
        return _export(Path(folder), names)
    click.echo(_text(combined_schema(names) if what == COMBINED else schema_of(what, names)), nl=False)
    return 0


def _names(folder: str) -> Names | Problems:
    files = read_folder(folder)
    loaded = files if isinstance(files, tuple) else load(files)
    return names_of(loaded.documents) if isinstance(loaded, Loaded) else loaded


def _export(folder: Path, names: Names | None) -> int:
    files = schema_files(names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, found in files.items():
            write_whole(folder / name, _text(found).encode())
    except OSError as error:
        raise click.ClickException(f"The schemas cannot be written: {error.strerror}: {error.filename}.") from error
    click.echo(f"Wrote {count(len(files), 'schema')} to {folder}.")
    return 0


def _text(found: dict[str, Any]) -> str:
    return f"{json.dumps(found, indent=2, ensure_ascii=False)}\n"
