"""The frame of the command line: exit codes, messages, and what is not loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from keymgr import __version__
from keymgr.cli import commands

ROOT = Path(__file__).parent.parent.parent


def keymgr(*arguments: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environ}
    command = [sys.executable, "-m", "keymgr.cli", *arguments]
    return subprocess.run(command, cwd=cwd, env=bare, capture_output=True, text=True, check=False, timeout=60)


def test_the_version_is_one_line_on_stdout() -> None:
    done = keymgr("--version")
    assert (done.returncode, done.stdout) == (0, f"keymgr {__version__}\n")


def test_help_names_every_command_and_loads_none(tmp_path: Path) -> None:
    done = keymgr("--help", cwd=tmp_path)
    assert done.returncode == 0
    for name in ("policy", "serve", "demo", "doctor", "init", "people", "signing-key", "service-credential"):
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["database", "nonsense"], ["people", "add"]])
def test_wrong_usage_is_64_so_that_2_keeps_its_meaning(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.run(arguments) == 64
    told = capsys.readouterr()
    assert told.out == ""
    assert "Usage: keymgr" in told.err


def test_bad_settings_are_1_and_one_line_each_without_a_traceback(tmp_path: Path) -> None:
    done = keymgr("database", "status", cwd=tmp_path, KEYMGR_WORKERS="many")
    assert done.returncode == 1
    assert "KEYMGR_PUBLIC_URL is not set" in done.stderr
    assert "KEYMGR_WORKERS 'many' is not a whole number" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_the_env_file_option_says_where_settings_are(tmp_path: Path) -> None:
    done = keymgr("--env-file", "nowhere.env", "database", "status", cwd=tmp_path)
    assert done.returncode == 1
    assert f"KEYMGR_ENV_FILE: {tmp_path}/nowhere.env cannot be read" in done.stderr


def test_an_unexpected_error_is_one_line_and_a_traceback_only_on_request() -> None:
    program = (
        "import sys\n"
        "from keymgr.cli import commands\n"
        "def fail(*_, **__): raise RuntimeError('boom')\n"
        "commands.keymgr.main = fail\n"
        "sys.exit(commands.run(sys.argv[1:]))"
    )
    quiet, loud = (
        subprocess.run([sys.executable, "-c", program, *debug], capture_output=True, text=True, check=False, cwd=ROOT)
        for debug in ([], ["--debug"])
    )
    assert quiet.returncode == loud.returncode == 1
    assert quiet.stderr == "keymgr: Unexpected: RuntimeError: boom. `keymgr --debug …` shows where.\n"
    assert "Traceback" in loud.stderr


def without(*packages: str) -> str:
    """A program that runs keymgr where these packages are not installed."""
    return (
        "import sys\n"
        f"class Gone:\n"
        f"    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {packages!r}:\n"
        f"            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "from keymgr.cli import main\n"
        "main()\n"
    )


@pytest.mark.parametrize(
    ("gone", "arguments", "extra"),
    [
        (("click",), ["--version"], "server"),
        (("sqlalchemy", "flask"), ["database", "status"], "server"),
        (("flask", "sqlalchemy", "yaml"), ["policy", "validate"], "policy"),
    ],
)
def test_a_missing_extra_is_named(gone: tuple[str, ...], arguments: list[str], extra: str) -> None:
    command = [sys.executable, "-c", without(*gone), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert f"pip install 'keymgr[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_policy_commands_need_neither_flask_nor_sqlalchemy() -> None:
    gone = without("flask", "sqlalchemy", "alembic", "gunicorn", "limits", "argon2", "werkzeug")
    command = [sys.executable, "-c", gone, "policy", "validate", "policies"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
