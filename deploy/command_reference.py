"""Writes docs/commands.md from the commands themselves: `python deploy/command_reference.py > docs/commands.md`."""

import sys
from collections.abc import Iterator

import click

from keymgr.cli.commands import keymgr

_HEAD = """# Commands

Written by `deploy/command_reference.py` from the commands themselves; a test compares. Exit codes are in
[policy.md](policy.md#commands-and-exit-codes), and 64 is a call that is not understood.
`keymgr --env-file FILE COMMAND` reads settings from a file.
"""


def sections(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    """Yield one section for each command that does something, depth first, in the order of `--help`."""
    context = click.Context(command, info_name=words[-1])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from sections(inner, (*words, name))
        return
    yield _section(command, words)


def _section(command: click.Command, words: tuple[str, ...]) -> str:
    context = click.Context(command, info_name=words[-1])
    usage = " ".join((*words, *command.collect_usage_pieces(context)))
    text = " ".join((command.help or "").split("\f")[0].split())
    rows = [
        f"| `{names}` | {' '.join(meaning.split())} |".replace("[", r"\[")
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context)) and "--help" not in record[0]
        for names, meaning in [record]
    ]
    table = "\n".join(["", "| option | meaning |", "|---|---|", *rows, ""]) if rows else ""
    return f"## {' '.join(words)}\n\n{text}\n\n```\n{usage}\n```\n{table}"


def reference() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *sections(keymgr, ("keymgr",))])


if __name__ == "__main__":
    sys.stdout.write(reference())
