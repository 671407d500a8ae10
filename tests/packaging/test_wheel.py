"""The wheel: built and tried in a place of its own, where there is no checkout to fall back on."""

import email
import hashlib
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HTMX = "71ea67185bfa8c98c39d31717c6fce5d852370fcdfd129db4543774d3145c0de"


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), **environ}
    done = subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout: what git knows, plus htmx, which the build puts there by checksum."""
    source = tmp_path_factory.mktemp("source")
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    for name in (*filter(None, names), "static/vendor/htmx.min.js"):
        file = ROOT / name
        if file.is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(file.read_bytes())
    return source


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by hatchling."""
    target = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target, cwd=source)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and the dependencies of this one."""
    venv = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=ROOT)
    packages = next(venv.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        venv / "bin/python",
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
    ]
    run(*pip, "--ignore-installed", wheel, cwd=venv)
    return venv


def test_a_checkout_is_installed_in_place_as_make_run_does_it(source: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel:editable", "-d", tmp_path, cwd=source)
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        assert archive.read("_keymgr.pth").decode() == str(source)


def test_plain_keymgr_brings_no_flask_and_no_sqlalchemy(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    plain = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(plain) == 1
    assert plain[0].lower().startswith("pyjwt[crypto]")
    assert any("flask" in line and "server" in line for line in metadata.get_all("Requires-Dist", []))
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_wheel_holds_the_program_and_nothing_of_the_operator(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"keymgr", next(top for top in tops if top.endswith(".dist-info"))}
    assert "keymgr/templates/base.html" in names
    assert "keymgr/static/keymgr.css" in names
    assert any(name.startswith("keymgr/store/migrations/versions/") for name in names)
    assert not [name for name in names if "policies/" in name or name.endswith((".pyc", ".env", ".db"))]


def test_htmx_in_the_wheel_is_the_one_we_tested(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert hashlib.sha256(archive.read("keymgr/static/vendor/htmx.min.js")).hexdigest() == HTMX


PAGE = """
import re, sys
from pathlib import Path
import keymgr
from keymgr.app import ASSETS, create_app
assert Path(keymgr.__file__).is_relative_to(sys.argv[1]), keymgr.__file__
assert ASSETS == Path(keymgr.__file__).parent
client = create_app().test_client()
page = client.get("/login", headers={"Host": "127.0.0.1"})
assert page.status_code == 200, page.text
found = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.text)
assert any("htmx" in address for address in found), found
for address in found:
    assert client.get(address, headers={"Host": "127.0.0.1"}).status_code == 200, address
"""


def test_installed_elsewhere_it_finds_pages_styles_and_htmx(installed: Path, tmp_path: Path) -> None:
    script = installed / "bin/keymgr"
    assert run(script, "--version", cwd=tmp_path).startswith("keymgr ")
    run(script, "init", cwd=tmp_path)
    run(script, "--env-file", "keymgr.env", "database", "upgrade", cwd=tmp_path)
    run(installed / "bin/python", "-c", PAGE, installed, cwd=tmp_path, KEYMGR_ENV_FILE="keymgr.env")
