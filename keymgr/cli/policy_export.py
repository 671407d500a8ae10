"""`keymgr policy export`: what is in force, as policy files."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from keymgr.cli.policy import folder_argument, format_option
from keymgr.cli.policy_report import say_json
from keymgr.cli.policy_stored import in_every_format, looking
from keymgr.config import load
from keymgr.policy.compile import compile_policy
from keymgr.policy.model import Policy
from keymgr.policy.wording import count
from keymgr.reconcile.export import export_files
from keymgr.reconcile.history import Revision, documents_of, find_revision


@click.command()
@folder_argument
@click.option(
    "--revision", "number", type=click.IntRange(1), metavar="REV", help="This one instead of what is in force."
)
@format_option
@in_every_format("export")
def export(*, folder: str, number: int | None, form: str) -> int:
    """Write what is in force as policy files into the new folder DIR; planning it changes nothing.

    Each object gets a file of its own, with a comment on where it was written.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise click.UsageError(f"{folder} is there already and not empty; name a new folder.")
    with looking(load()) as session:
        revision = find_revision(session, number)
        documents = () if revision is None else documents_of(session, revision.number)
    if revision is None:
        raise click.UsageError("Nothing is in force yet." if number is None else f"There is no revision {number}.")
    policy = compile_policy(documents)
    if not isinstance(policy, Policy) or policy.digest != revision.digest:
        raise click.ClickException(f"Revision {revision.number} is not stored as applied; see `keymgr policy drift`.")
    files = export_files(documents, _origin(revision))
    _write(target, files)
    message = f"Wrote revision {revision.number} to {folder}: {count(len(files), 'file')}, {revision.digest}."
    if form == "json":
        fields = {"revision": revision.number, "digest": revision.digest, "files": sorted(files)}
        return say_json("export", exit_code=0, problems=[], message=message, **fields)
    click.echo(message)
    return 0


def _origin(revision: Revision) -> str:
    commit = "" if revision.commit is None else f", commit {revision.commit}"
    return f"revision {revision.number}, {revision.digest}{commit}"


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    """Write the folder under another name first, so that it is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        for path, content in files.items():
            file = making / path
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        making.replace(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
