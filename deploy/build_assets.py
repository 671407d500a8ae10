"""Copies htmx out of the installed django-htmx into static/vendor, by checksum: hatchling's build hook, and a script.

Nothing of somebody else's is committed, and Django itself is never needed (docs/decisions/0005).
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHA256 = "71ea67185bfa8c98c39d31717c6fce5d852370fcdfd129db4543774d3145c0de"  # htmx 2.0.10, byte for byte as released
SOURCE = Path("static", "django_htmx", "htmx-2.min.js")
TARGET = Path(__file__).parent.parent / "static" / "vendor" / "htmx.min.js"


class CustomBuildHook(BuildHookInterface[BuilderConfig]):
    """What hatchling calls before it collects the files of a wheel or an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the signature is hatchling's.
        """Put htmx where the wheel takes it from."""
        build_assets()


def build_assets() -> None:
    """Copy htmx, unless it is there already; another file than the one we tested stops the build."""
    if TARGET.is_file() and _digest(TARGET.read_bytes()) == SHA256:
        return
    spec = importlib.util.find_spec("django_htmx")
    if spec is None or spec.origin is None:
        raise SystemExit("django-htmx, which carries htmx, is not installed. Run `make run` or `make test`.")
    content = (Path(spec.origin).parent / SOURCE).read_bytes()
    if _digest(content) != SHA256:
        raise SystemExit(
            "The htmx inside django-htmx is not the one we tested: compare its version with pyproject.toml."
        )
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    build_assets()
