"""`keymgr policy fmt`: the one canonical layout, comments kept."""

from pathlib import Path

import click

from keymgr.cli.atomic_file import write_whole
from keymgr.cli.policy import folder_argument, format_option, refuse
from keymgr.cli.policy_report import INVALID, say_json
from keymgr.cli.report_remarks import path_of
from keymgr.policy.layout import canonical
from keymgr.policy.load import Loaded, load
from keymgr.policy.wording import count
from keymgr.reconcile.folder import read_folder


@click.command()
@folder_argument
@click.option("--check", is_flag=True, help="Change nothing; list the files that are laid out in another way.")
@format_option
def fmt(*, folder: str, check: bool, form: str) -> int:
    """Lay the files of DIR out in the one canonical way; comments stay with what they belong to.

    No file is touched unless all of them load. The exit code is 3 when one does not, and with --check also when a
    file is laid out in another way.
    """
    files = read_folder(folder)
    if isinstance(files, tuple):
        return refuse("fmt", folder, form, files)
    loaded = load(files)
    if not isinstance(loaded, Loaded):
        return refuse("fmt", folder, form, loaded)
    changed = {file: after for file, before in sorted(files.items()) if (after := canonical(before)) != before}
    if not check:
        for file, after in changed.items():
            write_whole(Path(folder, file), after)
    exit_code = INVALID if check and changed else 0
    if form == "json":
        return say_json("fmt", exit_code=exit_code, problems=[], check=check, changed=list(changed), files=len(files))
    for file in changed:
        click.echo(path_of(folder, file))
    click.echo(_outcome(len(changed), len(files), check=check))
    return exit_code


def _outcome(changed: int, files: int, *, check: bool) -> str:
    if not changed:
        return f"Nothing to do: {count(files, 'file')} laid out as they should be."
    if check:
        return f"{count(changed, 'file')} of {files} to lay out: run keymgr policy fmt."
    return f"Laid out {count(changed, 'file')} of {files}."
