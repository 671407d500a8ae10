"""A service that installs plain keymgr gets PyJWT and nothing of the portal (docs/decisions/0003)."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import keymgr.tokens
import keymgr.verifier

HEAVY = ("flask", "werkzeug", "sqlalchemy", "click", "pydantic", "yaml", "limits", "rich", "argon2", "keymgr.policy")


def modules(package: object) -> list[str]:
    name, (folder,) = package.__name__, package.__path__  # type: ignore[attr-defined]  # Every package has them.
    return [name, *(f"{name}.{file.stem}" for file in Path(folder).glob("[a-z]*.py"))]


@pytest.mark.parametrize("package", [keymgr.tokens, keymgr.verifier], ids=["tokens", "verifier"])
def test_importing_the_whole_room_loads_nothing_of_the_portal(package: object) -> None:
    program = f"import sys, {', '.join(modules(package))}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "jwt" in loaded or package is keymgr.verifier
    assert not set(HEAVY) & set(loaded)


def test_the_installed_pyjwt_knows_about_jwks_as_hmac_secrets() -> None:
    version = importlib.metadata.version("pyjwt")
    assert tuple(int(part) for part in version.split(".")[:2]) >= (2, 13)
