"""Writes a file whole or not at all: whoever reads it meanwhile finds the old or the new one."""

import os
import tempfile
from pathlib import Path

_MODE = 0o644


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path`, with the permissions the file had, or those of any new file."""
    mode = path.stat().st_mode & 0o7777 if path.exists() else _MODE
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
