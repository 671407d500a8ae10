"""The list of commands: each loads its own module only when it runs, and every ending has its exit code."""

import importlib
import os
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from keymgr import __version__
from keymgr.config import ENV_FILE, BadSettings

USAGE = 64
_EXTRAS = {"pydantic": "policy", "yaml": "policy", "rich": "policy", "psycopg": "postgresql"}
_COMMANDS = {
    "database": "Create and migrate the database.",
    "demo": "Start everything here, with sample people and a sample service.",
    "doctor": "Check this installation and say how to mend it.",
    "init": "Write an env file with fresh secrets.",
    "people": "Add, list, suspend and resume people.",
    "policy": "Validate, test and apply the rules.",
    "serve": "Run the portal, the verify API and the clock.",
    "service-account": "Add and list machine owners.",
    "service-credential": "What services present when they ask us to verify.",
    "signing-key": "List and roll the keys that sign tokens.",
}


class _Commands(click.Group):
    """A group whose commands stay unloaded until one is run, so that `policy` needs neither Flask nor SQLAlchemy."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is Click's.
        """Name every command, in the order of the alphabet."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the signature is Click's.
        """Load one command: the function of the same name in the module of the same name."""
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"keymgr.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the signature is Click's.
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--env-file", type=click.Path(path_type=Path), help="Read settings from KEY=VALUE lines in this file.")
@click.option("--debug", is_flag=True, help="Show where an unexpected error comes from.")
@click.version_option(__version__, prog_name="keymgr", message="%(prog)s %(version)s")
def keymgr(*, env_file: Path | None, debug: bool) -> None:  # noqa: ARG001 - `run` looks at --debug.
    """Self-service API keys: rules as YAML in Git, keys wrapped in JWTs."""
    if env_file is not None:
        # The environment, because the processes that `serve` starts read the same file.
        os.environ[ENV_FILE] = str(env_file.absolute())


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; whatever goes wrong is said in a line or a few on stderr."""
    try:
        result = keymgr.main(arguments, prog_name="keymgr", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return _say("Stopped.")
    except BadSettings as error:
        return _say(*error.problems, "Nothing was done. `keymgr doctor` checks everything at once.")
    except Exception as error:  # noqa: BLE001 - the last resort: one line for people, the place only on request.
        return _unexpected(error, debug="--debug" in arguments)
    return result if isinstance(result, int) else 0


def _unexpected(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if isinstance(error, ModuleNotFoundError) and not (error.name or "keymgr").startswith("keymgr"):
        extra = _EXTRAS.get((error.name or "").split(".")[0], "server")
        return _say(f"{error.name} is not installed: pip install 'keymgr[{extra}]'")
    hint = "" if debug else " `keymgr --debug …` shows where."
    return _say(f"Unexpected: {type(error).__name__}: {error}.{hint}")


def _say(*lines: str) -> int:
    for line in lines:
        click.echo(f"keymgr: {line}", err=True)
    return 1
