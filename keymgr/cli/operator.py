"""Who types the command, for the audit trail."""

import getpass
import os

from keymgr.store.audit import Actor


def operator() -> Actor:
    """Return the account of this machine as an actor; one without a name goes by its number."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return Actor(id=f"cli:{name}")
