"""The operator's door: keymgr …"""

import importlib
import sys


def main() -> None:
    """Run the command line and end the process; without the needed extra, say which one to install."""
    try:
        commands = importlib.import_module("keymgr.cli.commands")
    except ModuleNotFoundError as error:
        sys.exit(f"keymgr: {error.name} is not installed. Commands need an extra: pip install 'keymgr[server]'")
    sys.exit(commands.run(sys.argv[1:]))
